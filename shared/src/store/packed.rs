//! Text that is stored packed (a raw DEFLATE stream, RFC 1951), since every started KiB of an item costs a write unit.

use std::io::Read;

use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::StoreError;
use super::items::Unreadable;

/// How hard to try, up to 9. JSON of a KiB or two becomes no smaller above this.
const LEVEL: u32 = 6;
/// More than any text that is packed has, and little enough to be held in memory.
const MAX_BYTES: u64 = 1024 * 1024;
/// What a stream needs at least, and every 16 KiB of it that become no smaller.
const BLOCK_OVERHEAD: usize = 64;

/// The text, packed.
///
/// # Errors
/// None in practice: there is room for text that becomes no smaller.
pub(super) fn pack(text: &str) -> Result<Vec<u8>, StoreError> {
    let room = text.len() + BLOCK_OVERHEAD * (1 + text.len() / (16 * 1024));
    let mut packed = Vec::with_capacity(room);
    let status =
        Compress::new(Compression::new(LEVEL), false).compress_vec(text.as_bytes(), &mut packed, FlushCompress::Finish);
    match status {
        Ok(Status::StreamEnd) => Ok(packed),
        Ok(_) => Err(StoreError::corrupt("text that became larger")),
        Err(error) => Err(StoreError::corrupt(error)),
    }
}

/// # Errors
/// [`Unreadable`] if this is not what [`pack`] makes.
pub(super) fn unpack(packed: &[u8]) -> Result<String, Unreadable> {
    let mut text = String::new();
    let read = DeflateDecoder::new(packed).take(MAX_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > MAX_BYTES => Err(Unreadable("packed text is too long".to_owned())),
        Ok(_) => Ok(text),
        Err(error) => Err(Unreadable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_smaller_and_unpacked_to_the_letter() {
        for text in [r#"{"name":"Zoë","names":["Zoë","Zoë","Zoë","Zoë","Zoë"]}"#.to_owned(), "x".repeat(600_000)]
        {
            let packed = pack(&text).unwrap();
            assert!(packed.len() < text.len());
            assert_eq!(unpack(&packed).unwrap(), text);
        }
        assert_eq!(unpack(&pack("").unwrap()).unwrap(), "");
    }

    #[test]
    fn what_becomes_no_smaller_is_packed_all_the_same() {
        let mut random = fastrand::Rng::with_seed(1);
        for length in [0, 1, 100, 16 * 1024, 256 * 1024] {
            let text: String = std::iter::repeat_with(|| random.char(..)).take(length).collect();
            assert_eq!(unpack(&pack(&text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn what_was_not_packed_is_refused() {
        let packed = |bytes: &[u8]| {
            let mut packed = Vec::with_capacity(MAX_BYTES as usize);
            Compress::new(Compression::new(LEVEL), false)
                .compress_vec(bytes, &mut packed, FlushCompress::Finish)
                .unwrap();
            packed
        };
        let broken = &packed(&[b'x'; 100])[..3];
        let endless = packed(&vec![0; MAX_BYTES as usize + 1]);
        let binary = packed(&[0xff; 100]);
        for bytes in [b"nonsense", broken, &endless, &binary] {
            assert!(unpack(bytes).is_err());
        }
    }
}
