//! What the requests of an event carry: the body, its content type and the publisher's trace context.

use super::trace_context::TraceContext;
use crate::domain::Invalid;

/// How an event's data becomes the body of its requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// The body is a JSON object with the event's id, type, time and data.
    #[default]
    Envelope,
    /// The body is the data, byte for byte.
    Raw,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Envelope, Self::Raw];

    /// The format's name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Raw => "raw",
        }
    }

    /// Parses a format's name.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| Invalid::new("must be envelope or raw"))
    }
}

/// The content type of a raw body that is text and not JSON. Bodies are sent in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType(String);

impl ContentType {
    /// Parses `text/…`, `application/xml`, `application/…+xml` or `application/x-www-form-urlencoded` in lower case,
    /// optionally with `; charset=utf-8`.
    ///
    /// # Errors
    /// [`Invalid`] for anything else, and for more than 127 characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let essence = ["; charset=utf-8", ";charset=utf-8"].iter().find_map(|it| text.strip_suffix(it));
        let allowed = match essence.unwrap_or(text).split_once('/') {
            Some(("text", subtype)) => is_subtype(subtype),
            Some(("application", "xml" | "x-www-form-urlencoded")) => true,
            Some(("application", subtype)) => subtype.strip_suffix("+xml").is_some_and(is_subtype),
            _ => false,
        };
        if !allowed || text.len() > MAX_CONTENT_TYPE_CHARS {
            return Err(Invalid::new(
                "must be text/…, application/xml, application/…+xml or application/x-www-form-urlencoded in lower \
                 case, optionally with ; charset=utf-8",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The content type as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Most characters of a content type.
pub const MAX_CONTENT_TYPE_CHARS: usize = 127;

fn is_subtype(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    starts_well && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-._".contains(&b))
}

/// What each request of an event carries, the same at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The exact body.
    pub body: String,
    /// The body's content type; `None` for JSON.
    pub content_type: Option<ContentType>,
    /// The trace context of the publish request.
    pub trace: Option<TraceContext>,
    /// Whether requests have the signed headers `svix-…` as well.
    pub svix_headers: bool,
}

impl Payload {
    /// A JSON body without a trace context and without `svix-…` headers.
    pub const fn json(body: String) -> Self {
        Self { body, content_type: None, trace: None, svix_headers: false }
    }
}

/// The data of an event as it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// JSON text.
    Json(&'a str),
    /// The text of a string.
    Text(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_those_of_texts_forms_and_xml() {
        let longest = format!("text/{}", "a".repeat(MAX_CONTENT_TYPE_CHARS - 5));
        for (text, allowed) in [
            ("text/plain", true),
            ("text/vnd.acme.v1+csv", true),
            ("text/xml; charset=utf-8", true),
            ("text/csv;charset=utf-8", true),
            ("application/xml", true),
            ("application/soap+xml", true),
            ("application/x-www-form-urlencoded", true),
            (&longest, true),
            (&format!("{longest}a"), false),
            ("application/+xml", false),
            ("application/json", false),
            ("application/octet-stream", false),
            ("multipart/form-data", false),
            ("image/png", false),
            ("Text/plain", false),
            ("text", false),
            ("text/", false),
            ("text/*", false),
            ("text/.a", false),
            ("text/a/b", false),
            ("text/plain; charset=iso-8859-1", false),
            ("text/plain; charset=utf-8; charset=utf-8", false),
            ("text/plain; boundary=x", false),
            ("text/plain\r\nx-a: b", false),
            ("text/plain ", false),
            ("text/plà", false),
            ("", false),
        ] {
            assert_eq!(ContentType::parse(text).is_ok(), allowed, "{text}");
        }
    }
}
