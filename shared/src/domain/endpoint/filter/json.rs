//! JSON values of filters and events.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A JSON value.
#[derive(Debug)]
pub(super) enum Json<'a> {
    /// `null`, `true` or `false`.
    Word(&'static str),
    /// The text of the number.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
}

/// The members of an object, sorted by their names, which are unique.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// An object with these members. Of several with one name, the last one is kept.
    pub(super) fn new(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        // The sort is stable, so the last of several members with one name stays last.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Self(members)
    }

    /// The member with this name.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let at = self.0.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The members, sorted by name.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

/// Writes the value without spaces, members sorted by name.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) => f.write_str(text),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => write_string(f, text),
            Self::Array(values) => {
                f.write_char('[')?;
                write_list(f, values, |f, value| write!(f, "{value}"))?;
                f.write_char(']')
            }
            Self::Object(object) => {
                f.write_char('{')?;
                write_list(f, object.members(), |f, (name, value)| {
                    write_string(f, name)?;
                    write!(f, ":{value}")
                })?;
                f.write_char('}')
            }
        }
    }
}

/// Writes the items with commas between them.
pub(super) fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    items.into_iter().enumerate().try_for_each(|(index, item)| {
        if index > 0 {
            f.write_char(',')?;
        }
        write(f, item)
    })
}

/// Writes a JSON string with the shortest escapes.
pub(super) fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            '\u{8}' => f.write_str("\\b"),
            '\u{c}' => f.write_str("\\f"),
            '\0'..'\u{20}' => write!(f, "\\u{:04x}", u32::from(char)),
            other => f.write_char(other),
        }?;
    }
    f.write_char('"')
}
