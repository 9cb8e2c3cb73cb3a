//! The dialects of the API. Each module has the routes of one dialect and calls the service's operations.

pub(crate) mod endpoints;
pub(crate) mod hooks;
pub(crate) mod organizations;
pub(crate) mod pages;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::edge::{ApiError, Bare, Items};
use shared::wire::error::ErrorCode;

/// Builds the response of a list without pages. Returns `quota_exceeded` if the items do not fit into one response.
fn whole_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Bare<Box<RawValue>>, ApiError> {
    let too_much = "these are more than one answer holds: the list at \
                    /v1/organizations/{organization}/webhooks/endpoints has pages";
    let items = Items::of_all(items)?.ok_or_else(|| ApiError::new(ErrorCode::QuotaExceeded, too_much))?;
    Ok(Bare::ok(items))
}
