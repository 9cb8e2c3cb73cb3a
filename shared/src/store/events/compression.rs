//! Compression of stored text (raw DEFLATE, RFC 1951): every started KiB of an item costs a write unit.

use std::io::{self, Read};

use flate2::Compression;
use flate2::bufread::{DeflateDecoder, DeflateEncoder};

use crate::store::StoreError;
use crate::store::item::Unreadable;

/// The compression level, up to 9. Higher levels do not compress JSON of one or two KiB any further.
const LEVEL: u32 = 6;
/// Most bytes of a decompressed text. All stored texts are shorter.
const MAX_BYTES: u64 = 1024 * 1024;

/// Compresses a text.
///
/// # Errors
/// None in practice: reading from memory does not fail.
pub(in crate::store) fn compress(text: &str) -> Result<Vec<u8>, StoreError> {
    compress_bytes(text.as_bytes()).map_err(StoreError::corrupt)
}

fn compress_bytes(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::with_capacity(bytes.len());
    DeflateEncoder::new(bytes, Compression::new(LEVEL)).read_to_end(&mut compressed)?;
    Ok(compressed)
}

/// Decompresses a text.
///
/// # Errors
/// [`Unreadable`] if the bytes are not the result of [`compress`].
pub(in crate::store) fn decompress(compressed: &[u8]) -> Result<String, Unreadable> {
    let mut text = String::new();
    let read = DeflateDecoder::new(compressed).take(MAX_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > MAX_BYTES => Err(Unreadable("compressed text is too long".to_owned())),
        Ok(_) => Ok(text),
        Err(error) => Err(Unreadable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_text_is_smaller_and_decompresses_to_the_same_text() {
        for text in [r#"{"name":"Zoë","names":["Zoë","Zoë","Zoë","Zoë","Zoë"]}"#.to_owned(), "x".repeat(600_000)]
        {
            let compressed = compress(&text).unwrap();
            assert!(compressed.len() < text.len());
            assert_eq!(decompress(&compressed).unwrap(), text);
        }
        assert_eq!(decompress(&compress("").unwrap()).unwrap(), "");
    }

    #[test]
    fn incompressible_text_is_compressed_without_an_error() {
        let mut random = fastrand::Rng::with_seed(1);
        for length in [0, 1, 100, 16 * 1024, 256 * 1024] {
            let text: String = std::iter::repeat_with(|| random.char(..)).take(length).collect();
            assert_eq!(decompress(&compress(&text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn bytes_that_are_not_compressed_text_are_rejected() {
        let compressed = |bytes: &[u8]| compress_bytes(bytes).unwrap();
        let broken = &compressed(&[b'x'; 100])[..3];
        let endless = compressed(&vec![0; MAX_BYTES as usize + 1]);
        let binary = compressed(&[0xff; 100]);
        for bytes in [b"nonsense", broken, &endless, &binary] {
            assert!(decompress(bytes).is_err());
        }
    }
}
