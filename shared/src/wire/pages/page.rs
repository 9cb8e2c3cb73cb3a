//! Numbered pages.

use std::marker::PhantomData;

use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;
use utoipa::{IntoParams, ToSchema};

use crate::domain::Invalid;
use crate::wire::query::Query;

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1_000;

/// The parameters of [`PageNumber`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// The number of the page. A page after the last one results in 404.
    #[param(minimum = 1, default = 1)]
    pub page: Option<u32>,
    /// The number of items per page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub page_size: Option<u32>,
}

/// The parameters `page` and `page_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageNumber {
    page: usize,
    size: usize,
}

impl PageNumber {
    pub(super) fn take(query: &mut Query) -> Self {
        let page = query.take("page", |text| {
            text.parse().ok().filter(|page| *page >= 1).ok_or_else(|| Invalid::new("must be a whole number from 1"))
        });
        let size = query.take("page_size", |text| {
            let size = text.parse().ok().filter(|size| (1..=MAX_PAGE_SIZE).contains(size));
            size.ok_or_else(|| Invalid::new(format!("must be 1 to {MAX_PAGE_SIZE}")))
        });
        Self { page: page.unwrap_or(1), size: size.unwrap_or(DEFAULT_PAGE_SIZE) }
    }

    /// Whether the page starts after the first `count` items of a list.
    pub fn starts_behind(self, count: usize) -> bool {
        (self.page - 1).checked_mul(self.size).is_none_or(|start| start >= count)
    }

    /// The range of a list of `count` items that the page contains; `None` if the page is after the last one. The
    /// first page of an empty list exists and is empty.
    pub fn range(self, count: usize) -> Option<std::ops::Range<usize>> {
        let there = !self.starts_behind(count) || self.page == 1;
        there.then(|| {
            let start = (self.page - 1) * self.size;
            start..count.min(start.saturating_add(self.size))
        })
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = pages::Page)]
pub struct PageOut<T> {
    /// The number of items on all pages.
    count: usize,
    /// The URL of the next page.
    #[schema(required, format = "uri")]
    next: Option<String>,
    /// The URL of the previous page.
    #[schema(required, format = "uri")]
    previous: Option<String>,
    #[schema(value_type = Vec<T>)]
    results: Box<RawValue>,
    #[serde(skip)]
    #[schema(ignore)]
    result: PhantomData<T>,
}

impl<T> PageOut<T> {
    /// A page of a list of `count` items. `url` is the URL of the request, and `results` the array of the page's
    /// items.
    pub fn new(url: &Url, page: PageNumber, count: usize, results: Box<RawValue>) -> Self {
        let more = page.page.checked_mul(page.size).is_some_and(|end| end < count);
        Self {
            count,
            next: more.then(|| with_page(url, page.page + 1)),
            previous: (page.page > 1).then(|| with_page(url, page.page - 1)),
            results,
            result: PhantomData,
        }
    }
}

/// The same URL with another page number.
fn with_page(url: &Url, page: usize) -> String {
    let others: Vec<_> = url.query_pairs().filter(|(name, _)| name != "page").collect();
    let mut other = url.clone();
    other.query_pairs_mut().clear().extend_pairs(others).append_pair("page", &page.to_string());
    other.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_link_to_their_neighbours_and_keep_the_other_parameters() {
        let url = Url::parse("https://api.test/v1/webhook-endpoints?page=2&ordering=-name&page_size=10").unwrap();
        let page = PageNumber { page: 2, size: 10 };
        let none = || RawValue::from_string("[]".to_owned()).unwrap();
        let out = PageOut::<()>::new(&url, page, 25, none());
        let expected = "https://api.test/v1/webhook-endpoints?ordering=-name&page_size=10&page=";
        assert_eq!(out.next.as_deref(), Some(format!("{expected}3").as_str()));
        assert_eq!(out.previous.as_deref(), Some(format!("{expected}1").as_str()));
        let only = PageOut::<()>::new(&url, PageNumber { page: 1, size: 10 }, 10, none());
        assert_eq!((only.next, only.previous), (None, None));
    }

    #[test]
    fn a_page_after_the_last_one_does_not_exist() {
        let range = |page, count| PageNumber { page, size: 10 }.range(count);
        let table = [
            (1, 0, Some(0..0)),
            (1, 5, Some(0..5)),
            (1, 10, Some(0..10)),
            (2, 10, None),
            (2, 11, Some(10..11)),
            (3, 11, None),
            (usize::MAX, 11, None),
        ];
        for (page, count, expected) in table {
            assert_eq!(range(page, count), expected, "page {page} of {count}");
        }
    }
}
