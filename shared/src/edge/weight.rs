//! What an answer may weigh.

use std::io::{self, Write};

use serde::Serialize;

/// Most that the items of one answer weigh, in bytes. Lambda returns at most 6 MB, and the body is a JSON string of
/// what it returns.
const MOST: usize = 5 * 1024 * 1024;

/// How many of these items one answer holds; of any, at least the first.
pub fn fitting<T: Serialize>(items: &[T]) -> usize {
    let mut weight = Weight(0);
    let fit = items.iter().take_while(|item| serde_json::to_writer(&mut weight, item).is_ok() && weight.0 <= MOST);
    fit.count().max(1).min(items.len())
}

/// Counts the bytes that the text written to it has inside a JSON string.
struct Weight(usize);

impl Write for Weight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.iter().map(|byte| bytes_in_string(*byte)).sum::<usize>();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes serde_json writes for this byte of a string.
const fn bytes_in_string(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn weight(item: &impl Serialize) -> usize {
        let mut weight = Weight(0);
        serde_json::to_writer(&mut weight, item).unwrap();
        weight.0
    }

    #[test]
    fn an_item_weighs_what_it_has_inside_a_json_string() {
        let every_character: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let raw = "{\n\t\"a\":\r\n [1,\n\n2], \"b\": \"\\u0001 \\\\ \u{fffe}é\"}".to_owned();
        for text in [serde_json::to_string(&every_character).unwrap(), raw] {
            let sent = serde_json::to_string(&text).unwrap().len() - "\"\"".len();
            assert_eq!(weight(&RawValue::from_string(text.clone()).unwrap()), sent, "{text}");
        }
        for byte in 0..=0x7f_u8 {
            let written = serde_json::to_string(&char::from(byte).to_string()).unwrap();
            assert_eq!(bytes_in_string(byte), written.len() - "\"\"".len(), "{byte}");
        }
    }

    #[test]
    fn as_many_fit_as_weigh_less_than_the_limit_and_one_in_any_case() {
        let plain = "x".repeat(MOST / 4 - 4);
        let quotes = "\"".repeat(MOST / 16 - 1);
        for (item, count, fits) in
            [(plain.clone(), 3, 3), (plain.clone(), 4, 4), (plain, 5, 4), (quotes, 9, 4), ("x".repeat(MOST), 2, 1)]
        {
            assert_eq!(fitting(&vec![item; count]), fits);
        }
        let lines = |count: usize| RawValue::from_string(format!("[{}]", "\n".repeat(count))).unwrap();
        assert_eq!(fitting(&[lines(MOST / 4 - 1), lines(MOST / 4 - 1), lines(1)]), 2);
        assert_eq!(fitting::<String>(&[]), 0);
    }
}
