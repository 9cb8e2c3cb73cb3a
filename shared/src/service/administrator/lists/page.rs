//! The pages of lists.

use crate::domain::Invalid;
use crate::domain::walk::Walked;
use crate::service::ServiceError;
use crate::store::{Listing, Next};

/// Most records that are examined for one page. A page that reaches this number may be short, and its cursor
/// continues after the last examined record.
pub(in crate::service::administrator) const MOST_EXAMINED: usize = 2_000;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries of the page.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` if this is the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    pub(super) const fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// The first `limit` of these entries. The cursor is that of the last one, if there are more.
    pub(in crate::service::administrator) fn cut<Cursor: ToString>(
        mut items: Vec<T>,
        limit: usize,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|last| cursor(last).to_string());
        Self { items, next }
    }
}

/// The entries for a page, and the position of the next page.
pub(in crate::service::administrator) struct Examined<T, Id> {
    pub(super) items: Vec<T>,
    /// The entry before which the next page begins; `None` if this is the last page.
    next: Option<Id>,
}

impl<T, Id> Examined<T, Id> {
    pub(super) const fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// The page, in the direction in which it was read.
    pub(in crate::service::administrator) fn into_walked(self) -> Walked<T, Id> {
        Walked { items: self.items, further: self.next }
    }

    /// The page, whose cursor is derived from an id.
    pub(in crate::service::administrator) fn into_page<Cursor: ToString>(
        self,
        cursor: impl Fn(Id) -> Cursor,
    ) -> Page<T> {
        Page { items: self.items, next: self.next.map(|id| cursor(id).to_string()) }
    }
}

/// Reads a list up to the first entry that does not fit on the page, the end of the list, or the limit of examined
/// entries. The list begins before the entry `before`.
pub(in crate::service::administrator) async fn examine<L: Listing, Id: Copy>(
    mut list: L,
    limit: usize,
    before: Option<Id>,
    id: impl Fn(&L::Entry) -> Id,
    admits: impl Fn(&L::Entry) -> bool,
) -> Result<Examined<L::Entry, Id>, ServiceError> {
    let (mut items, mut last_admitted, mut last_examined) = (Vec::new(), None, before);
    for _ in 0..MOST_EXAMINED {
        let entry = match list.next().await? {
            Next::Entry(entry) => entry,
            Next::End => return Ok(Examined { items, next: None }),
            Next::Spent => break,
        };
        let examined = Some(id(&entry));
        if admits(&entry) {
            if items.len() == limit {
                return Ok(Examined { items, next: last_admitted });
            }
            items.push(entry);
            last_admitted = examined;
        }
        last_examined = examined;
    }
    Ok(Examined { items, next: last_examined })
}

/// The error for a text that is not a cursor of the list.
pub(in crate::service::administrator) fn bad_cursor() -> ServiceError {
    ServiceError::Invalid(vec![("cursor", Invalid::new("is not one that a list returned"))])
}
