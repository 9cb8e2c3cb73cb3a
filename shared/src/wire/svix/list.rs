//! Lists with iterators.

use std::marker::PhantomData;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::List)]
pub struct ListOut<T> {
    #[schema(value_type = Vec<T>)]
    data: Vec<Box<RawValue>>,
    /// The identifier after which the list goes on; null for an empty list.
    #[schema(required)]
    iterator: Option<String>,
    /// The iterator of the page before; null for an empty list.
    #[schema(required)]
    prev_iterator: Option<String>,
    /// Whether the list has no more items in the direction of the page.
    done: bool,
    #[serde(skip)]
    #[schema(ignore)]
    item: PhantomData<T>,
}

impl<T> ListOut<T> {
    /// A page with these items, in the order of the list. `first` and `last` are the positions of its ends.
    pub fn new(data: Vec<Box<RawValue>>, first: Option<String>, last: Option<String>, done: bool) -> Self {
        let prev_iterator = first.map(|first| format!("-{first}"));
        Self { data, iterator: last, prev_iterator, done, item: PhantomData }
    }
}
