//! Reading the beginning of a response's body.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

/// Most bytes of a response's body that are read.
const MAX_READ_BYTES: usize = 16 * 1024;

/// The part of a body that was read.
pub(super) struct Beginning {
    /// The first bytes as text. Invalid UTF-8 is replaced, and an incomplete character at the end is omitted.
    pub(super) text: String,
    /// Whether the connection broke or the deadline passed before the end of the part to be read.
    pub(super) is_cut: bool,
}

/// Reads up to [`MAX_READ_BYTES`] of the body until the deadline, and returns the first `max_bytes` bytes.
pub(super) async fn read_beginning(mut body: Incoming, max_bytes: usize, deadline: Instant) -> Beginning {
    let mut beginning = Vec::new();
    let mut read = 0;
    while read < MAX_READ_BYTES && !body.is_end_stream() {
        let data: Bytes = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return Beginning { text: text(beginning), is_cut: true },
        };
        read += data.len();
        let space = max_bytes - beginning.len();
        beginning.extend_from_slice(&data[..space.min(data.len())]);
    }
    Beginning { text: text(beginning), is_cut: false }
}

/// Converts bytes to text. Invalid UTF-8 is replaced, and an incomplete character at the end is omitted.
fn text(bytes: Vec<u8>) -> String {
    let cut = bytes.utf8_chunks().last().filter(|last| {
        let tail = last.invalid();
        !tail.is_empty() && tail.len() < 4 && std::str::from_utf8(tail).is_err_and(|e| e.error_len().is_none())
    });
    let whole = bytes.len() - cut.map_or(0, |last| last.invalid().len());
    String::from_utf8_lossy(&bytes[..whole]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_kept_part_of_a_response_is_text() {
        let table: [(&[u8], &str); 5] = [
            (b"", ""),
            (b"plain", "plain"),
            (b"a\xffb", "a\u{fffd}b"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"caf\xc3", "caf"),
        ];
        for (bytes, expected) in table {
            assert_eq!(text(bytes.to_vec()), expected, "{bytes:?}");
        }
    }
}
