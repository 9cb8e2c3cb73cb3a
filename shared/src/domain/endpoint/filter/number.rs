//! Comparison of JSON numbers by their decimal value. Nothing is rounded: `9007199254740993` is greater than
//! `9007199254740992.0`, and `300`, `300.0` and `3e2` are equal.

use std::cmp::Ordering;

/// Most digits of the exponent of a number in a filter.
pub(super) const EXPONENT_DIGITS: usize = 4;

/// A number of an event, without leading and trailing zeros: `0.digits × 10^magnitude`.
pub(super) struct Decimal<'a> {
    negative: bool,
    magnitude: i64,
    /// The digits, in two parts because a point may separate them.
    digits: [&'a str; 2],
}

impl<'a> Decimal<'a> {
    /// Reads a JSON number. An exponent beyond 64 bits becomes the largest one.
    pub(super) fn read(text: &'a str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 });
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let significant = fraction.trim_start_matches('0');
        if !whole.is_empty() {
            let magnitude = exponent.saturating_add(length(whole));
            let whole = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
            Self { negative, magnitude, digits: [whole, fraction] }
        } else if !significant.is_empty() {
            let magnitude = exponent.saturating_sub(length(fraction) - length(significant));
            Self { negative, magnitude, digits: [significant, ""] }
        } else {
            // Zero has no sign, and is smaller than every other absolute value.
            Self { negative: false, magnitude: i64::MIN, digits: ["", ""] }
        }
    }

    fn compare_absolute(&self, other: &Self) -> Ordering {
        let digits = |it: &Self| it.digits.map(str::bytes).into_iter().flatten();
        self.magnitude.cmp(&other.magnitude).then_with(|| digits(self).cmp(digits(other)))
    }
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX / 2)
}

/// A number of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    magnitude: i64,
    digits: Box<str>,
}

impl Number {
    /// Reads a JSON number; `None` if its exponent has more than [`EXPONENT_DIGITS`] digits. So comparisons are exact
    /// even if the exponent of the other number is beyond 64 bits.
    pub(super) fn read(text: &str) -> Option<Self> {
        let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
        let is_supported = exponent.trim_start_matches(['-', '+']).len() <= EXPONENT_DIGITS;
        let Decimal { negative, magnitude, digits } = Decimal::read(text);
        is_supported.then(|| Self { negative, magnitude, digits: digits.concat().into() })
    }

    /// The number as one of an event.
    pub(super) fn as_decimal(&self) -> Decimal<'_> {
        Decimal { negative: self.negative, magnitude: self.magnitude, digits: [&self.digits, ""] }
    }

    /// Compares with a number of an event.
    pub(super) fn compare(&self, other: &Decimal) -> Ordering {
        let own = self.as_decimal();
        match (own.negative, other.negative) {
            (false, false) => own.compare_absolute(other),
            (true, true) => other.compare_absolute(&own),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_their_decimal_value() {
        let ascending = [
            "-1e99999999999999999999",
            "-5.0e9",
            "-10",
            "-1.5",
            "-1",
            "-0.10",
            "-1e-99999999999999999999",
            "0",
            "1e-99999999999999999999",
            "0.0000001",
            "0.1",
            "0.3",
            "0.30000000000000000000000000000000000000000000000000001",
            "1",
            "1.000001",
            "9.99",
            "10",
            "10.5",
            "100",
            "301.8",
            "9007199254740992",
            "9007199254740993",
            "1e400",
            "1e99999999999999999999",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                let Some(a) = Number::read(a) else { continue };
                assert_eq!(a.compare(&Decimal::read(b)), i.cmp(&j), "{a:?} {b}");
            }
        }
    }

    #[test]
    fn spellings_of_a_number_are_equal() {
        let spellings = [
            ["300", "300.0", "3e2", "3.0E+2", "30000e-2"],
            ["0", "-0", "0.000", "0e99999999999999999999", "-0.0e5"],
            ["0.015", "1.5e-2", "15E-3", "0.0150", "0.00000015e5"],
            ["-1200", "-1.2e3", "-1200.00", "-0.12e4", "-12e02"],
        ];
        for group in spellings {
            for (a, b) in group.iter().flat_map(|a| group.iter().map(move |b| (a, b))) {
                let Some(a) = Number::read(a) else { continue };
                assert_eq!(a.compare(&Decimal::read(b)), Ordering::Equal, "{a:?} {b}");
            }
        }
    }

    #[test]
    fn exponents_of_filters_are_limited() {
        for (text, supported) in [
            ("1", true),
            ("1e9999", true),
            ("1E-9999", true),
            ("1e+9999", true),
            ("1e10000", false),
            ("1e-10000", false),
            ("1e99999999999999999999", false),
        ] {
            assert_eq!(Number::read(text).is_some(), supported, "{text}");
        }
    }
}
