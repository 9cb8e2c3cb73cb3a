//! The part of a receiver's response that is kept: some headers and the beginning of the body.

/// Most headers that are kept of a response.
pub const MAX_KEPT_HEADERS: usize = 20;
/// Most bytes of names and values of the kept headers.
pub const MAX_KEPT_HEADER_BYTES: usize = 4 * 1024;
/// Most bytes that are kept of a success response's body.
pub const MAX_BODY_ON_SUCCESS: usize = 1024;
/// Most bytes that are kept of a failure response's body.
pub const MAX_BODY_ON_FAILURE: usize = 4 * 1024;

/// Headers whose values are never kept: they are credentials.
const NEVER_KEPT: [&str; 2] = ["set-cookie", "set-cookie2"];
const SEPARATOR: &str = ": ";

/// The kept headers and the kept beginning of the body. By default both are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// A line for each header, an empty line, and the body. Header values contain no line breaks.
    text: String,
    /// The position of the body in the text.
    body_at: usize,
}

impl Default for Response {
    fn default() -> Self {
        Self::new([], "")
    }
}

impl Response {
    /// Keeps the first headers up to [`MAX_KEPT_HEADERS`] and [`MAX_KEPT_HEADER_BYTES`], without cookies, and the body. A
    /// value that is not UTF-8 is converted with replacements. `body` is what was read of the body, already cut.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>, body: &str) -> Self {
        let (mut text, mut bytes) = (String::new(), 0);
        let kept = headers.into_iter().filter(|(name, _)| !NEVER_KEPT.iter().any(|it| name.eq_ignore_ascii_case(it)));
        for (name, value) in kept.take(MAX_KEPT_HEADERS) {
            let value = String::from_utf8_lossy(value);
            bytes += name.len() + value.len();
            if bytes > MAX_KEPT_HEADER_BYTES {
                break;
            }
            text.push_str(name);
            text.push_str(SEPARATOR);
            text.extend(value.chars().map(|it| if it == '\n' { ' ' } else { it }));
            text.push('\n');
        }
        text.push('\n');
        let body_at = text.len();
        text.push_str(body);
        Self { text, body_at }
    }

    /// Parses the text of a response; `None` if it has no empty line.
    pub fn parse(text: String) -> Option<Self> {
        let body_at = if text.starts_with('\n') { 1 } else { text.find("\n\n")? + 2 };
        Some(Self { text, body_at })
    }

    /// The headers and the body as one text, which [`Response::parse`] reads.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names and values of the headers, in the order of the response.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text[..self.body_at].lines().filter_map(|line| line.split_once(SEPARATOR))
    }

    /// The beginning of the body.
    pub fn body(&self) -> &str {
        &self.text[self.body_at..]
    }

    /// The response with at most this many bytes of the body.
    #[must_use]
    pub fn with_shorter_body(&self, bytes: usize) -> Self {
        let body = self.body();
        let end = self.body_at + body.floor_char_boundary(bytes.min(body.len()));
        Self { text: self.text[..end].to_owned(), body_at: self.body_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)], body: &str) -> Response {
        Response::new(headers.iter().map(|(name, value)| (*name, value.as_bytes())), body)
    }

    fn names(response: &Response) -> Vec<&str> {
        response.headers().map(|(name, _)| name).collect()
    }

    #[test]
    fn headers_and_body_are_read_back() {
        for (headers, body) in [
            (&[][..], ""),
            (&[], "\n\na: b"),
            (&[("a", "1"), ("b", ""), ("a", "2: 3")], "hello"),
            (&[("date", "Tue, 24 Mar 2026 20:00:00 GMT")], "\n"),
        ] {
            let response = of(headers, body);
            assert_eq!(response.headers().collect::<Vec<_>>(), headers);
            assert_eq!(response.body(), body);
            assert_eq!(Response::parse(response.as_str().to_owned()), Some(response));
        }
        for text in ["", "a: b", "a: b\n"] {
            assert_eq!(Response::parse(text.to_owned()), None, "{text:?}");
        }
    }

    #[test]
    fn cookies_are_never_kept() {
        let response = of(&[("Set-Cookie", "session=1"), ("x", "y"), ("set-cookie2", "z")], "");
        assert_eq!(names(&response), ["x"]);
        assert!(!response.as_str().contains("session"));
    }

    #[test]
    fn at_most_twenty_headers_and_four_kibibytes_are_kept() {
        let many: Vec<_> = (0..30).map(|n| format!("h{n}")).collect();
        let headers: Vec<_> = many.iter().map(|name| (name.as_str(), "v")).collect();
        assert_eq!(names(&of(&headers, "")).len(), MAX_KEPT_HEADERS);
        let long = "v".repeat(2_000);
        let headers = [("a", long.as_str()), ("b", long.as_str()), ("c", long.as_str())];
        assert_eq!(names(&of(&headers, "x")), ["a", "b"]);
    }

    #[test]
    fn values_are_text_of_one_line() {
        let response = Response::new([("a", &b"x\xff\ny"[..])], "");
        assert_eq!(response.headers().collect::<Vec<_>>(), [("a", "x\u{fffd} y")]);
    }

    #[test]
    fn a_body_is_cut_at_a_character() {
        let response = of(&[("a", "b")], "é€");
        for (bytes, expected) in [(0, ""), (1, ""), (2, "é"), (4, "é"), (5, "é€"), (9, "é€")] {
            let cut = response.with_shorter_body(bytes);
            assert_eq!((cut.body(), names(&cut)), (expected, vec!["a"]));
        }
    }
}
