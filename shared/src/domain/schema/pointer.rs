//! JSON Pointers (RFC 6901).

use std::borrow::Cow;

/// Appends a segment to a pointer.
pub(crate) fn push(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The pointer with a segment appended.
pub(crate) fn joined(pointer: &str, segment: &str) -> String {
    let mut joined = pointer.to_owned();
    push(&mut joined, segment);
    joined
}

/// A segment as the name that it stands for.
pub(crate) fn unescaped(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

/// The index that a segment names; `None` if it is not written as RFC 6901 says.
pub(crate) fn index(segment: &str) -> Option<usize> {
    let is_number =
        segment.bytes().all(|byte| byte.is_ascii_digit()) && !(segment.len() > 1 && segment.starts_with('0'));
    if is_number { segment.parse().ok() } else { None }
}
