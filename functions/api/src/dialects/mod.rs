//! One thin module per dialect: routes, and which verb each calls.

pub(crate) mod endpoints;
pub(crate) mod hooks;
pub(crate) mod organizations;
pub(crate) mod pages;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::edge::{ApiError, Bare, Items};
use shared::wire::error::ErrorCode;

/// A list that has no pages. Refused if it is more than one answer holds.
fn whole_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Bare<Box<RawValue>>, ApiError> {
    let too_much = "these are more than one answer holds: the list at \
                    /v1/organizations/{organization}/webhooks/endpoints has pages";
    let items = Items::of_all(items)?.ok_or_else(|| ApiError::new(ErrorCode::QuotaExceeded, too_much))?;
    Ok(Bare::ok(items))
}
