//! Wildcards: `*` stands for any number of characters, `\*` for an asterisk and `\\` for a backslash.

use super::Invalid;

/// A text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// The text before the first `*`.
    first: Box<str>,
    /// The texts after each `*`. Empty if the text has no `*`.
    rest: Box<[Box<str>]>,
}

impl Wildcard {
    /// Parses a text with wildcards.
    ///
    /// # Errors
    /// [`Invalid`] for `**`, and for a backslash before anything but `*` and `\`.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let (mut parts, mut chars) = (vec![String::new()], text.chars().peekable());
        while let Some(char) = chars.next() {
            let literal = match char {
                '*' if chars.peek() == Some(&'*') => return Err(Invalid::new("must not have two * in a row")),
                '*' => {
                    parts.push(String::new());
                    continue;
                }
                '\\' => chars
                    .next_if(|next| matches!(next, '*' | '\\'))
                    .ok_or_else(|| Invalid::new("must have only * or \\ after a \\"))?,
                other => other,
            };
            parts.last_mut().into_iter().for_each(|part| part.push(literal));
        }
        let mut parts = parts.into_iter().map(String::into_boxed_str);
        Ok(Self { first: parts.next().unwrap_or_default(), rest: parts.collect() })
    }

    /// Whether the text matches. Each part between two `*` is taken where it occurs first, so nothing is tried twice:
    /// the time is linear in the length of both texts.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return *text == *self.first };
        let mut left = text.strip_prefix(&*self.first).and_then(|rest| rest.strip_suffix(&**last));
        for part in middle {
            left = left.and_then(|rest| rest.split_once(&**part)).map(|(_, rest)| rest);
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_number_of_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("dir/*.png", "dir/a.png", true),
            ("dir/*.png", "dir/.png", true),
            ("dir/*.png", "dir/a.jpg", false),
            ("dir/*.png", "xdir/a.png", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*a*", "bab", true),
            ("*ab*ab*", "ab", false),
            ("*ab*ab*", "abab", true),
            ("*ab*ab", "abxabab", true),
            ("*ab*ab", "xab", false),
            ("a*b*c", "abbcbc", true),
            ("a*b*c", "acb", false),
            (r"5\*3", "5*3", true),
            (r"5\*3", "5x3", false),
            (r"\\*", r"\x", true),
            (r"*\\", r"x\", true),
            ("é*ß", "éxß", true),
            ("*\u{10ffff}", "x\u{10ffff}", true),
            ("a*", "A", false),
        ] {
            assert_eq!(Wildcard::parse(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn two_asterisks_in_a_row_and_other_escapes_are_refused() {
        for bad in ["**", "a**b", r"\\**", r"\", r"a\", r"\n", r"\a*", r"*\"] {
            assert!(Wildcard::parse(bad).is_err(), "{bad}");
        }
        assert!(Wildcard::parse(r"*\**").is_ok());
    }
}
