//! What an answer may weigh.

use std::io::{self, Write};

use serde::Serialize;

/// Most that the items of one answer weigh, in bytes. Lambda returns at most 6 MB, as a JSON string.
const MOST: usize = 5 * 1024 * 1024;

/// How many of these items one answer holds; of any, at least the first.
pub fn fitting<T: Serialize>(items: &[T]) -> usize {
    let mut weight = Weight(0);
    let fit = items.iter().take_while(|item| serde_json::to_writer(&mut weight, item).is_ok() && weight.0 <= MOST);
    fit.count().max(1).min(items.len())
}

/// Counts bytes, and twice those that a string needs a backslash for.
struct Weight(usize);

impl Write for Weight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() + bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fit_as_weigh_less_than_the_limit_quotes_twice_and_one_in_any_case() {
        let plain = "x".repeat(MOST / 4 - 4);
        let quotes = "\"".repeat(MOST / 16 - 1);
        for (item, count, fits) in
            [(plain.clone(), 3, 3), (plain.clone(), 4, 4), (plain, 5, 4), (quotes, 9, 4), ("x".repeat(MOST), 2, 1)]
        {
            assert_eq!(fitting(&vec![item; count]), fits);
        }
        assert_eq!(fitting::<String>(&[]), 0);
    }
}
