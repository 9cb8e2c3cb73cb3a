//! Text that is stored packed (a raw DEFLATE stream, RFC 1951), since every started KiB of an item costs a write unit.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::items::Unreadable;

/// How hard to try, up to 10. JSON of a KiB or two becomes no smaller above this.
const LEVEL: u8 = 6;
/// More than any text that is packed has, and little enough to be held in memory.
const MAX_BYTES: usize = 1024 * 1024;

/// The text, packed.
pub(super) fn pack(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), LEVEL)
}

/// # Errors
/// [`Unreadable`] if this is not what [`pack`] makes.
pub(super) fn unpack(packed: &[u8]) -> Result<String, Unreadable> {
    let text = decompress_to_vec_with_limit(packed, MAX_BYTES).map_err(|e| Unreadable(e.to_string()))?;
    String::from_utf8(text).map_err(|_| Unreadable("packed text is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_smaller_and_unpacked_to_the_letter() {
        for text in [r#"{"name":"Zoë","names":["Zoë","Zoë","Zoë","Zoë","Zoë"]}"#.to_owned(), "x".repeat(600_000)]
        {
            let packed = pack(&text);
            assert!(packed.len() < text.len());
            assert_eq!(unpack(&packed).unwrap(), text);
        }
        assert_eq!(unpack(&pack("")).unwrap(), "");
    }

    #[test]
    fn what_was_not_packed_is_refused() {
        let broken = &pack(&"x".repeat(100))[..3];
        let endless = compress_to_vec(&vec![0; MAX_BYTES + 1], LEVEL);
        let binary = compress_to_vec(&[0xff; 100], LEVEL);
        for bytes in [b"nonsense", broken, &endless, &binary] {
            assert!(unpack(bytes).is_err());
        }
    }
}
