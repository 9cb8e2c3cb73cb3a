//! Translation of ECMA-262 regular expressions, which JSON Schema has, into the syntax of the crate `regex-automata`.

use std::iter::Peekable;
use std::str::Chars;

const DIGITS: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

/// Translates a pattern. Groups do not capture, as no match is read.
///
/// # Errors
/// The reason, as a phrase, if the pattern has a look-around or a back-reference, or is not ECMA-262.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    let mut translation = Translation { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) };
    translation.run()?;
    Ok(translation.out)
}

struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut was_quantifier = false;
        while let Some(character) = self.rest.next() {
            let is_quantifier = matches!(character, '*' | '+' | '?') || character == '{' && self.is_repetition();
            if is_quantifier && was_quantifier {
                return Err("must not repeat a repetition".to_owned());
            }
            was_quantifier = is_quantifier;
            match character {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' => self.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
                '^' => self.out.push_str(r"\A"),
                '$' => self.out.push_str(r"\z"),
                '{' if is_quantifier => {
                    self.out.push('{');
                    self.copy_to('}');
                }
                '{' | '}' | ']' => self.literal(character),
                '*' | '+' | '?' | '|' | ')' => self.out.push(character),
                other => self.literal(other),
            }
            // A question mark after a quantifier makes it lazy, which does not change whether a text matches.
            if is_quantifier {
                self.rest.next_if_eq(&'?');
            }
        }
        Ok(())
    }

    /// Whether the text after `{` is `3}`, `3,}` or `3,5}`.
    fn is_repetition(&self) -> bool {
        let inside: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let is_closed = self.rest.clone().nth(inside.chars().count()) == Some('}');
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
        is_closed && is_number(least) && (most.is_empty() || is_number(most))
    }

    fn copy_to(&mut self, end: char) {
        for character in self.rest.by_ref() {
            self.out.push(character);
            if character == end {
                break;
            }
        }
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii() && !character.is_ascii_alphanumeric() {
            self.out.push_str(&format!(r"\x{:02X}", u32::from(character)));
        } else {
            self.out.push(character);
        }
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push_str("(?:");
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match (self.rest.next(), self.rest.peek()) {
            (Some(':'), _) => Ok(()),
            (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => {
                Err("must not have a look-ahead or look-behind".to_owned())
            }
            (Some('<'), Some(_)) => {
                let name: String = self.rest.by_ref().take_while(|c| *c != '>').collect();
                let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
                if is_name { Ok(()) } else { Err("must have a name between (?< and >".to_owned()) }
            }
            _ => Err("must not have a group that starts with (? except (?: and (?<name>".to_owned()),
        }
    }

    /// The part of a pattern after a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(character) = self.rest.next() else { return Err("must not end in a backslash".to_owned()) };
        match character {
            'd' => self.set(DIGITS, false),
            'D' => self.set(DIGITS, true),
            'w' => self.set(WORD, false),
            'W' => self.set(WORD, true),
            's' => self.set(SPACE, false),
            'S' => self.set(SPACE, true),
            'b' if in_class => self.out.push_str(r"\x08"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' if !in_class => self.out.push_str(r"(?-u:\B)"),
            'n' | 't' | 'r' | 'f' | 'v' => self.out.extend(['\\', character]),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => self.out.push_str(r"\x00"),
            '0'..='9' | 'k' => return Err("must not have a back-reference".to_owned()),
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => self.character(u32::from(letter) % 32)?,
                _ => return Err(r"must have a letter after \c".to_owned()),
            },
            'x' => {
                let code = self.hexadecimal(2)?;
                self.character(code)?;
            }
            'u' => {
                let code = self.unicode_escape()?;
                self.character(code)?;
            }
            'p' | 'P' => {
                if self.rest.next_if_eq(&'{').is_none() {
                    return Err(format!(r"must have {{ after \{character}"));
                }
                self.out.extend(['\\', character, '{']);
                self.copy_to('}');
            }
            other if other.is_ascii_alphanumeric() => return Err(format!(r"must not have the escape \{other}")),
            other => self.literal(other),
        }
        Ok(())
    }

    fn set(&mut self, members: &str, is_negated: bool) {
        self.out.push_str(if is_negated { "[^" } else { "[" });
        self.out.push_str(members);
        self.out.push(']');
    }

    fn character(&mut self, code: u32) -> Result<(), String> {
        if char::from_u32(code).is_none() {
            return Err("must not have half of a surrogate pair".to_owned());
        }
        self.out.push_str(&format!(r"\x{{{code:X}}}"));
        Ok(())
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<u32, String> {
        let text: String = (0..digits).filter_map(|_| self.rest.next_if(char::is_ascii_hexdigit)).collect();
        let code = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits);
        code.ok_or_else(|| format!(r"must have {digits} hexadecimal digits after \x or \u"))
    }

    fn unicode_escape(&mut self) -> Result<u32, String> {
        if self.rest.next_if_eq(&'{').is_some() {
            let digits: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
            return u32::from_str_radix(&digits, 16).map_err(|_| r"must have hexadecimal digits in \u{}".to_owned());
        }
        let first = self.hexadecimal(4)?;
        let mut ahead = self.rest.clone();
        if (0xD800..0xDC00).contains(&first) && ahead.next() == Some('\\') && ahead.next() == Some('u') {
            self.rest = ahead;
            let second = self.hexadecimal(4)?;
            return Ok(0x10000 + (first - 0xD800) * 0x400 + second.wrapping_sub(0xDC00) % 0x400);
        }
        Ok(first)
    }

    /// A character class, after its `[`.
    fn class(&mut self) -> Result<(), String> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        if self.rest.next_if_eq(&']').is_some() {
            // In ECMA-262 the empty class matches nothing, and its negation everything.
            self.set(r"\x00-\x{10FFFF}", !is_negated);
            return Ok(());
        }
        self.out.push_str(if is_negated { "[^" } else { "[" });
        // Whether a hyphen makes a range: it is after a single character that is not itself the end of a range.
        let mut may_start_range = false;
        while let Some(character) = self.rest.next() {
            let is_hyphen = character == '-' && may_start_range && self.rest.peek() != Some(&']');
            let is_set =
                character == '\\' && matches!(self.rest.peek(), Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P'));
            match character {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => self.escape(true)?,
                '-' if is_hyphen => {
                    self.out.push('-');
                    match self.rest.next() {
                        Some('\\') => self.escape(true)?,
                        Some(end) => self.literal(end),
                        None => {}
                    }
                }
                other => self.literal(other),
            }
            may_start_range = !is_hyphen && !is_set;
        }
        Err("must close each [ with ]".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::schema::evaluate::budget::Budget;
    use crate::domain::schema::pattern::Pattern;

    #[test]
    fn patterns_match_as_in_ecma_262() {
        let table = [
            ("^a$", "a", true),
            ("^a$", "a\n", false),
            ("^a$", "b\na", false),
            (r"^\d$", "1", true),
            (r"^\d$", "\u{7d9}", false),
            (r"^\w$", "\u{e9}", false),
            (r"^\W$", "\u{e9}", true),
            (r"^\s$", "\u{feff}", true),
            (r"^\S$", "\u{a0}", false),
            ("^.$", "\u{2028}", false),
            ("^.$", "\u{1f600}", true),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[\w-.]+$", "a.b-c", true),
            ("^[a-c-]+$", "c-a", true),
            ("^[-a]+$", "-a", true),
            ("^[--/]+$", "-./", true),
            ("^[+--]+$", "+,-", true),
            ("^[[a&&b~~]+$", "[&b~", true),
            ("^[^]$", "\n", true),
            ("^[]$", "a", false),
            (r"^\u00e9\u{1F600}\ud83d\ude00\x41\0$", "\u{e9}\u{1f600}\u{1f600}A\0", true),
            (r"^\cA\/\-\.$", "\u{1}/-.", true),
            (r"^[\b]$", "\u{8}", true),
            (r"\bb\b", "a b c", true),
            (r"\bb\b", "\u{e9}b\u{e9}", true),
            (r"a\Bb", "ab", true),
            (r"^\p{L}+$", "\u{e9}", true),
            (r"^\p{Script=Greek}$", "\u{3b1}", true),
            (r"^\P{L}$", "1", true),
            ("^(?<year>[0-9]{4})-(?:1|2){1,2}?$", "2026-12", true),
            ("^{a}$", "{a}", true),
            ("^a{,2}$", "a{,2}", true),
            ("^x #$", "x #", true),
            ("", "", true),
        ];
        for (pattern, text, matches) in table {
            let compiled = Pattern::compile(pattern).unwrap_or_else(|e| panic!("{pattern} {e}"));
            assert_eq!(compiled.matches(text, &mut Budget::new(1_000_000)), Ok(matches), "{pattern} {text:?}");
        }
    }

    #[test]
    fn what_the_engine_cannot_do_in_linear_time_is_refused() {
        let table = [
            ("(?=a)", "look-ahead"),
            ("(?!a)", "look-ahead"),
            ("(?<=a)", "look-behind"),
            ("(?<!a)", "look-behind"),
            (r"(a)\1", "back-reference"),
            (r"(?<n>a)\k<n>", "back-reference"),
            (r"\a", r"escape \a"),
            (r"a\Z", r"escape \Z"),
            (r"\ud83d", "surrogate"),
            (r"\x4", "hexadecimal"),
            ("(?i)a", "(?"),
            ("a**", "repeat"),
            ("a++", "repeat"),
            ("[a", "close"),
            ("a\\", "backslash"),
        ];
        for (pattern, reason) in table {
            let refusal = translate(pattern).unwrap_err();
            assert!(refusal.contains(reason), "{pattern}: {refusal}");
        }
    }
}
