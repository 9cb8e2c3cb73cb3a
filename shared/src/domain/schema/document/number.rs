//! Numbers. Integers of 64 bits are exact. All others are 64-bit floating-point numbers, taken as the shortest decimal that
//! denotes them: 0.1 is one tenth. They are as serde_json reads them, without its feature `float_roundtrip`: a number with more
//! than 15 digits can become a neighbour of the nearest floating-point number.

use std::cmp::Ordering;
use std::fmt;

/// A JSON number. Equal numbers have equal representations: 1.0 is `Natural(1)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Less than 0, and an integer of 64 bits.
    Negative(i64),
    /// 0 or more, and an integer of 64 bits.
    Natural(u64),
    /// All other numbers: they have a fraction, or more than 64 bits.
    Float(f64),
}

impl Number {
    pub(crate) fn of_i64(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Negative(value), Self::Natural)
    }

    pub(crate) fn of_f64(value: f64) -> Self {
        const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
        if value.fract() != 0.0 {
            Self::Float(value)
        } else if (0.0..2.0 * TWO_TO_63).contains(&value) {
            Self::Natural(value as u64)
        } else if (-TWO_TO_63..0.0).contains(&value) {
            Self::Negative(value as i64)
        } else {
            Self::Float(value)
        }
    }

    /// Whether the number has no fraction.
    pub(crate) fn is_integer(self) -> bool {
        match self {
            Self::Negative(_) | Self::Natural(_) => true,
            Self::Float(value) => value.fract() == 0.0,
        }
    }

    /// The number as a count; `None` if it is negative or has a fraction. Larger ones are the largest `u64`.
    pub(crate) fn as_count(self) -> Option<u64> {
        match self {
            Self::Natural(value) => Some(value),
            Self::Float(value) if value > 0.0 && value.fract() == 0.0 => Some(u64::MAX),
            _ => None,
        }
    }

    /// Compares two numbers, without rounding.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Float(_), _) => other.compare(self).reverse(),
            // A float is no integer of 64 bits, so that it is never equal to one.
            (integer, Self::Float(float)) => match integer.as_i128() <= float.floor() as i128 {
                true => Ordering::Less,
                false => Ordering::Greater,
            },
            (a, b) => a.as_i128().cmp(&b.as_i128()),
        }
    }

    fn as_i128(self) -> i128 {
        match self {
            Self::Negative(value) => value.into(),
            Self::Natural(value) => value.into(),
            Self::Float(value) => value as i128,
        }
    }

    /// Whether the number is a multiple of a positive number, as decimals.
    pub(crate) fn is_multiple_of(self, divisor: Self) -> bool {
        if let (Self::Natural(value), Self::Natural(divisor)) = (self, divisor) {
            return divisor != 0 && value.is_multiple_of(divisor);
        }
        let (value, divisor) = (Decimal::of(self), Decimal::of(divisor));
        let shift = value.exponent - divisor.exponent;
        let digits = u128::from(divisor.digits);
        if shift >= 0 {
            // value = digits · 10^shift units of the divisor's last digit.
            digits != 0
                && (u128::from(value.digits) % digits * power_of_ten(shift.unsigned_abs(), digits))
                    .is_multiple_of(digits)
        } else {
            let divisor = 10_u128.checked_pow(shift.unsigned_abs()).and_then(|power| digits.checked_mul(power));
            // A divisor that is too large for 128 bits is larger than the value.
            value.digits == 0 || divisor.is_some_and(|divisor| divisor != 0 && u128::from(value.digits) % divisor == 0)
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(value) => write!(f, "{value}"),
            Self::Natural(value) => write!(f, "{value}"),
            Self::Float(value) if (1e-7..1e21).contains(&value.abs()) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:e}"),
        }
    }
}

/// 10^exponent modulo a number below 2^64.
fn power_of_ten(exponent: u32, modulus: u128) -> u128 {
    let (mut power, mut base, mut exponent) = (1 % modulus, 10 % modulus, exponent);
    while exponent > 0 {
        if exponent % 2 == 1 {
            power = power * base % modulus;
        }
        base = base * base % modulus;
        exponent /= 2;
    }
    power
}

/// The absolute value of a number: digits · 10^exponent.
struct Decimal {
    digits: u64,
    exponent: i32,
}

impl Decimal {
    fn of(number: Number) -> Self {
        match number {
            Number::Natural(digits) => Self { digits, exponent: 0 },
            Number::Negative(value) => Self { digits: value.unsigned_abs(), exponent: 0 },
            // The standard library writes the shortest decimal, at most 17 digits, as in `1.25e-7`.
            Number::Float(value) => {
                let text = format!("{:e}", value.abs());
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
                let exponent: i32 = exponent.parse().unwrap_or_default();
                Self {
                    digits: format!("{whole}{fraction}").parse().unwrap_or_default(),
                    exponent: exponent - i32::try_from(fraction.len()).unwrap_or_default(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        match serde_json::from_str::<serde_json::Number>(text).unwrap() {
            n if n.is_u64() => Number::Natural(n.as_u64().unwrap()),
            n if n.is_i64() => Number::of_i64(n.as_i64().unwrap()),
            n => Number::of_f64(n.as_f64().unwrap()),
        }
    }

    #[test]
    fn multiples_are_decimal() {
        let table = [
            ("0.3", "0.1", true),
            ("0.07", "0.01", true),
            ("19.99", "0.01", true),
            ("19.995", "0.01", false),
            ("4.5", "1.5", true),
            ("35", "1.5", false),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("0", "7", true),
            ("0.0", "0.1", true),
            ("-0.3", "0.1", true),
            ("-9", "3", true),
            ("1e308", "0.5", true),
            ("1e308", "0.123456789", false),
            ("1e308", "1e-308", true),
            ("1e-308", "1e308", false),
            ("12391239123", "1e-8", true),
            ("18446744073709551615", "5", true),
            ("18446744073709551615", "2", false),
            ("9007199254740993", "2", false),
            ("1e20", "3", false),
            ("3e20", "3", true),
            ("1", "1e300", false),
            ("5e-324", "5e-324", true),
        ];
        for (value, divisor, expected) in table {
            assert_eq!(number(value).is_multiple_of(number(divisor)), expected, "{value} of {divisor}");
        }
    }

    #[test]
    fn comparison_does_not_round() {
        let ordered = [
            "-1e300",
            "-1e19",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "0.5",
            "1",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "1e20",
            "1e300",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(number(a).compare(number(b)), i.cmp(&j), "{a} and {b}");
            }
        }
        for (a, b) in [("1", "1.0"), ("-0.0", "0"), ("1e2", "100"), ("1e300", "10e299")] {
            assert_eq!(number(a), number(b), "{a} and {b}");
        }
    }
}
