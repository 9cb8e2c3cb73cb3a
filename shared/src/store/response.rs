//! Responses of receivers as bytes: a byte for the form, and the text plain or compressed.

use super::StoreError;
use super::events::compression::{compress, decompress};
use super::item::Unreadable;
use crate::domain::delivery::response::Response;

const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;
/// How often the body is shortened before it is left out.
const SHORTENINGS: u32 = 5;

/// Encodes a response: plain if that takes at most `most` bytes, and compressed otherwise. The result may be longer.
pub(super) fn encode(response: &Response, most: usize) -> Result<Vec<u8>, StoreError> {
    let text = response.as_str();
    if text.len() < most {
        return Ok([&[PLAIN], text.as_bytes()].concat());
    }
    Ok([&[COMPRESSED][..], &compress(text)?].concat())
}

/// Encodes as much of a response as fits into `most` bytes: at first the body is cut, then the headers are left out. `None`
/// if nothing fits.
pub(super) fn encode_beginning(response: &Response, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let mut encoded = encode(response, most)?;
    let mut length = response.body().len();
    for _ in 0..SHORTENINGS {
        if encoded.len() <= most {
            return Ok(Some(encoded));
        }
        // A little less than the share that would fit if all of the text can be compressed equally.
        length = length * most / encoded.len();
        length = length.saturating_sub(length / 16 + 1);
        encoded = encode(&response.with_shorter_body(length), most)?;
    }
    for shortest in [response.with_shorter_body(0), Response::default()] {
        let encoded = encode(&shortest, most)?;
        if encoded.len() <= most {
            return Ok(Some(encoded));
        }
    }
    Ok(None)
}

/// Decodes the bytes of a response.
pub(super) fn decode(bytes: &[u8]) -> Result<Response, Unreadable> {
    let unreadable = || Unreadable("not a response".to_owned());
    let text = match bytes.split_first() {
        Some((&PLAIN, text)) => String::from_utf8(text.to_vec()).map_err(|_| unreadable())?,
        Some((&COMPRESSED, compressed)) => decompress(compressed)?,
        _ => return Err(unreadable()),
    };
    Response::parse(text).ok_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that compresses little.
    fn random(length: usize) -> String {
        let mut random = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
    }

    fn response(body: &str) -> Response {
        Response::new([("server", &b"test"[..]), ("x-request-id", b"1f0e")], body)
    }

    #[test]
    fn a_response_is_compressed_only_if_it_would_not_fit() {
        for (body, most, form) in [("ok".to_owned(), 100, PLAIN), ("x".repeat(4_096), 100, COMPRESSED)] {
            let encoded = encode(&response(&body), most).unwrap();
            assert!(encoded.len() <= most);
            assert_eq!((encoded[0], decode(&encoded).unwrap()), (form, response(&body)));
        }
        assert!(encode(&response(&random(500)), 300).unwrap().len() > 300);
    }

    #[test]
    fn the_beginning_of_a_response_fits_into_any_space() {
        let whole = response(&random(4_000));
        let mut longest = 0;
        for most in [0, 1, 2, 20, 60, 100, 500, 3_000, 9_000] {
            let Some(encoded) = encode_beginning(&whole, most).unwrap() else {
                assert!(most < 2, "{most}");
                continue;
            };
            assert!(encoded.len() <= most, "{most}");
            let found = decode(&encoded).unwrap();
            assert!(whole.body().starts_with(found.body()), "{most}");
            assert!(found.body().len() >= longest, "{most}");
            longest = found.body().len();
            let has_headers = found.headers().count() == 2;
            assert!(has_headers || most < 60, "{most}");
            let is_filled = found.body().len() * 2 > most || found == whole;
            assert!(is_filled || most < 100, "{most}: {}", found.body().len());
        }
        assert_eq!(longest, 4_000);
    }

    #[test]
    fn bytes_that_are_not_a_response_are_rejected() {
        for bytes in [&b""[..], b"\x00", b"\x00a: b", b"\x00\xff\n\n", b"\x01nonsense", b"\x02\n"] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
