//! Reads JSON for filters. Unlike the usual libraries it keeps the text of numbers, and it reads every event that was
//! accepted, even one with a lone surrogate.

use std::borrow::Cow;

use super::Invalid;
use super::json::{Json, Object};

impl<'a> Json<'a> {
    /// Reads the data of an event. Of several members with one name the last one counts, as in most libraries. A lone
    /// surrogate becomes U+FFFD.
    ///
    /// # Errors
    /// [`Invalid`] if the text is not JSON, or has more than `levels` levels of arrays and objects.
    pub(super) fn of_event(text: &'a str, levels: usize) -> Result<Self, Invalid> {
        Reader { text, at: 0, strict: false }.read(levels)
    }

    /// Reads a filter.
    ///
    /// # Errors
    /// As [`of_event`](Self::of_event), and if an object has two members with one name, or a string a lone surrogate.
    pub(super) fn of_filter(text: &'a str, levels: usize) -> Result<Self, Invalid> {
        Reader { text, at: 0, strict: true }.read(levels)
    }
}

struct Reader<'a> {
    text: &'a str,
    /// The number of bytes that were read; always at the boundary of a character.
    at: usize,
    strict: bool,
}

impl<'a> Reader<'a> {
    fn read(mut self, levels: usize) -> Result<Json<'a>, Invalid> {
        let value = self.value(levels)?;
        self.spaces();
        if self.at == self.text.len() { Ok(value) } else { Err(self.unexpected()) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads this byte, if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Invalid {
        Invalid(format!("must be JSON; it is not at byte {}", self.at))
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn value(&mut self, levels: usize) -> Result<Json<'a>, Invalid> {
        self.spaces();
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => self.object(levels).map(Json::Object),
            Some(b'[') => self.array(levels).map(Json::Array),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            _ => self.word("null"),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<Json<'a>, Invalid> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(Json::Word(word))
    }

    /// The levels that are left inside of an array or object.
    fn inner(&self, levels: usize) -> Result<usize, Invalid> {
        levels.checked_sub(1).ok_or_else(|| Invalid::new("must have fewer levels of arrays and objects"))
    }

    fn array(&mut self, levels: usize) -> Result<Vec<Json<'a>>, Invalid> {
        let (levels, mut values) = (self.inner(levels)?, Vec::new());
        self.expect(b'[')?;
        self.spaces();
        if self.take(b']') {
            return Ok(values);
        }
        loop {
            values.push(self.value(levels)?);
            self.spaces();
            if self.take(b']') {
                return Ok(values);
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, levels: usize) -> Result<Object<'a>, Invalid> {
        let (levels, mut members) = (self.inner(levels)?, Vec::new());
        self.expect(b'{')?;
        self.spaces();
        if self.take(b'}') {
            return Ok(Object::default());
        }
        loop {
            self.spaces();
            let name = self.string()?;
            self.spaces();
            self.expect(b':')?;
            let value = self.value(levels)?;
            if self.strict && members.iter().any(|(known, _)| *known == name) {
                return Err(Invalid(format!("must not have {name} twice in one object")));
            }
            members.push((name, value));
            self.spaces();
            if self.take(b'}') {
                return Ok(Object::new(members));
            }
            self.expect(b',')?;
        }
    }

    fn number(&mut self) -> Result<&'a str, Invalid> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'-') || self.take(b'+');
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.unexpected()) }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Invalid> {
        self.expect(b'"')?;
        let plain = self.plain();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while !self.take(b'"') {
            self.expect(b'\\')?;
            text.push(self.escaped()?);
            text.push_str(self.plain());
        }
        Ok(Cow::Owned(text))
    }

    /// The text up to the next quote, backslash or control character.
    fn plain(&mut self) -> &'a str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        self.at += rest.iter().position(is_special).unwrap_or(rest.len());
        self.since(start)
    }

    /// The character that follows a backslash.
    fn escaped(&mut self) -> Result<char, Invalid> {
        let byte = self.peek().ok_or_else(|| self.unexpected())?;
        let char = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.code_point();
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(char)
    }

    /// The character of `XXXX`, or of `XXXX\uXXXX`, after `\u`.
    fn code_point(&mut self) -> Result<char, Invalid> {
        let first = self.four_digits()?;
        let after = self.at;
        if (0xd800..0xdc00).contains(&first) && self.take(b'\\') && self.take(b'u') {
            let second = self.four_digits()?;
            if let Some(Ok(char)) = char::decode_utf16([first, second]).next() {
                return Ok(char);
            }
        }
        self.at = after;
        match char::from_u32(first.into()) {
            None if self.strict => Err(Invalid(format!("must be JSON; byte {after} ends half a surrogate pair"))),
            char => Ok(char.unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn four_digits(&mut self) -> Result<u16, Invalid> {
        let digits = self.text.get(self.at..self.at + 4).filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or_else(|| self.unexpected())?;
        self.at += 4;
        Ok(code)
    }
}
