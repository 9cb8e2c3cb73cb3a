//! The items of a list, limited by the size of a response.

use std::marker::PhantomData;

use serde::Serialize;
use serde_json::value::RawValue;

use super::ApiError;
use crate::domain::response::{MAX_RESPONSE_BYTES as MOST, bytes_in_string};
use crate::wire::error::ErrorCode;

/// A JSON array that is serialized item by item, so that the items need not be in memory together.
#[derive(Debug)]
pub struct Items<T> {
    json: Vec<u8>,
    /// The size of the items within a JSON string, in bytes.
    bytes: usize,
    item: PhantomData<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { json: vec![b'['], bytes: 0, item: PhantomData }
    }
}

impl<T: Serialize> Items<T> {
    /// Adds an item and returns whether it fits in the response. An item that does not fit is not added. The first
    /// item is always added.
    ///
    /// # Errors
    /// An internal error if the item cannot be serialized.
    pub fn push(&mut self, item: &T) -> Result<bool, ApiError> {
        let before = self.json.len();
        let is_first = before == 1;
        if !is_first {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, item).map_err(|error| unrenderable(&error))?;
        let bytes = bytes_in_string(&self.json[before..]);
        let fits = is_first || self.bytes + bytes <= MOST;
        if fits {
            self.bytes += bytes;
        } else {
            self.json.truncate(before);
        }
        Ok(fits)
    }

    /// The complete array.
    ///
    /// # Errors
    /// An internal error if the array is not valid JSON.
    pub fn finish(mut self) -> Result<Box<RawValue>, ApiError> {
        self.json.push(b']');
        let json = String::from_utf8(self.json).map_err(|error| unrenderable(&error))?;
        RawValue::from_string(json).map_err(|error| unrenderable(&error))
    }

    /// The array of all these items; `None` if they do not fit in one response.
    ///
    /// # Errors
    /// An internal error if an item cannot be serialized.
    pub fn of_all(items: impl IntoIterator<Item = T>) -> Result<Option<Box<RawValue>>, ApiError> {
        let mut all = Self::default();
        for item in items {
            if !all.push(&item)? {
                return Ok(None);
            }
        }
        all.finish().map(Some)
    }
}

pub(super) fn unrenderable(error: &impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("the response could not be serialized: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_items_size_is_its_size_within_a_json_string() {
        let every_character: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let spaced = "{\n\t\"a\":\r\n [1,\n\n2], \"b\": \"\\u0001 \\\\ \u{fffe}é\"}".to_owned();
        for text in [serde_json::to_string(&every_character).unwrap(), spaced] {
            let sent = serde_json::to_string(&text).unwrap().len() - "\"\"".len();
            let mut items = Items::default();
            items.push(&raw(&text)).unwrap();
            assert_eq!(items.bytes, sent, "{text}");
        }
    }

    #[test]
    fn items_are_added_while_they_fit_and_the_first_is_always_added() {
        // Commas count. The quotes around a string count twice, because they are escaped.
        let plain = "x".repeat(MOST / 4 - 5);
        let quotes = "\"".repeat(MOST / 16 - 2);
        for (item, count, fits) in
            [(plain.clone(), 3, 3), (plain.clone(), 4, 4), (plain, 5, 4), (quotes, 9, 4), ("x".repeat(MOST), 2, 1)]
        {
            let mut items = Items::default();
            let added = (0..count).filter(|_| items.push(&item).unwrap()).count();
            assert_eq!(added, fits);
            assert_eq!(items.finish().unwrap().get(), serde_json::to_string(&vec![&item; fits]).unwrap());
            assert_eq!(Items::of_all(vec![&item; count]).unwrap().is_some(), fits == count);
        }
        assert_eq!(Items::<u8>::default().finish().unwrap().get(), "[]");
    }
}
