//! Pages of lists that can be read in both directions, limited by the size of a response.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::items::unrenderable;
use super::{ApiError, Bare};
use crate::domain::response::{MAX_RESPONSE_BYTES as MOST, bytes_in_string};
use crate::wire::svix::ListOut;

/// A page that is built item by item, in the direction in which it is read.
#[derive(Debug)]
pub struct Listed {
    is_backward: bool,
    items: Vec<Box<RawValue>>,
    bytes: usize,
    nearest: Option<String>,
    farthest: Option<String>,
}

impl Listed {
    /// An empty page.
    pub const fn new(is_backward: bool) -> Self {
        Self { is_backward, items: Vec::new(), bytes: 0, nearest: None, farthest: None }
    }

    /// Adds an item with its position, and returns whether it fits in the response. The first item always fits.
    ///
    /// # Errors
    /// An internal error if the item cannot be serialized.
    pub fn push(&mut self, item: &impl Serialize, position: String) -> Result<bool, ApiError> {
        let item = to_raw_value(item).map_err(|error| unrenderable(&error))?;
        let bytes = bytes_in_string(item.get().as_bytes()) + 1;
        if !self.items.is_empty() && self.bytes + bytes > MOST {
            return Ok(false);
        }
        self.bytes += bytes;
        self.items.push(item);
        self.nearest.get_or_insert_with(|| position.clone());
        self.farthest = Some(position);
        Ok(true)
    }

    /// The page. `further` is the position from which the list goes on in its direction; `None` if it has ended.
    pub fn finish<T>(mut self, further: Option<String>) -> Bare<ListOut<T>>
    where
        ListOut<T>: Serialize,
    {
        let done = further.is_none();
        let farthest = further.or(self.farthest);
        let (first, last) = if self.is_backward {
            self.items.reverse();
            (farthest, self.nearest)
        } else {
            (self.nearest, farthest)
        };
        Bare::ok(ListOut::new(self.items, first, last, done))
    }

    /// The page of these items in the direction of the page. `further` is as in [`finish`](Self::finish).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn of_all<I, T: Serialize>(
        is_backward: bool,
        items: impl IntoIterator<Item = I>,
        further: Option<String>,
        show: impl Fn(&I) -> T,
        position: impl Fn(&I) -> String,
    ) -> Result<Bare<ListOut<T>>, ApiError>
    where
        ListOut<T>: Serialize,
    {
        let mut page = Self::new(is_backward);
        for item in items {
            if !page.push(&show(&item), position(&item))? {
                let further = page.farthest.clone();
                return Ok(page.finish(further));
            }
        }
        Ok(page.finish(further))
    }

    /// The page, which ends before an item that does not fit.
    pub fn cut<T>(self) -> Bare<ListOut<T>>
    where
        ListOut<T>: Serialize,
    {
        let further = self.farthest.clone();
        self.finish(further)
    }
}
