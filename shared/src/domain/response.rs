//! The size of responses.

/// Most bytes of the variable part of a response. Lambda returns at most 6 MB, and the body is a JSON string within that.
pub const MAX_RESPONSE_BYTES: usize = 5 * 1024 * 1024;

/// The size of this text within a JSON string, in bytes.
pub fn bytes_in_string(text: &[u8]) -> usize {
    text.iter().map(|byte| byte_in_string(*byte)).sum()
}

/// How many bytes serde_json writes for this byte of a string.
const fn byte_in_string(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_has_its_size_within_a_json_string() {
        for byte in 0..=0x7f_u8 {
            let written = serde_json::to_string(&char::from(byte).to_string()).unwrap();
            assert_eq!(byte_in_string(byte), written.len() - "\"\"".len(), "{byte}");
        }
    }
}
