//! The dialects of the API. Each module has the routes of one dialect and calls the service's operations.

pub(crate) mod endpoints;
pub(crate) mod hooks;
pub(crate) mod organizations;
pub(crate) mod pages;
pub(crate) mod svix;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::domain::endpoint::Endpoint;
use shared::edge::{ApiError, Bare, Items};
use shared::service::Administrator;
use shared::wire::error::ErrorCode;
use shared::wire::headers::HeaderValues;

/// The endpoint for a response: if it has the values of the headers, these are readable, unless they cannot be decrypted.
async fn shown(administrator: &Administrator, endpoint: Endpoint, values: HeaderValues) -> Result<Endpoint, ApiError> {
    Ok(match values {
        HeaderValues::Shown => administrator.with_readable_headers(endpoint).await?,
        HeaderValues::Hidden => endpoint,
    })
}

/// The same after a change, which an error would seem to deny: if the keys cannot be read, the values are left out.
async fn shown_after_change(administrator: &Administrator, endpoint: &Endpoint, values: HeaderValues) -> Endpoint {
    shown(administrator, endpoint.clone(), values).await.unwrap_or_else(|_| endpoint.clone())
}

/// The same for a list.
async fn all_shown(
    administrator: &Administrator,
    mut endpoints: Vec<Endpoint>,
    values: HeaderValues,
) -> Result<Vec<Endpoint>, ApiError> {
    for endpoint in &mut endpoints {
        *endpoint = shown(administrator, endpoint.clone(), values).await?;
    }
    Ok(endpoints)
}

/// Builds the response of a list without pages. Returns `quota_exceeded` if the items do not fit into one response.
fn whole_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Bare<Box<RawValue>>, ApiError> {
    let too_much = "these are more than one answer holds: the list at \
                    /v1/organizations/{organization}/webhooks/endpoints has pages";
    let items = Items::of_all(items)?.ok_or_else(|| ApiError::new(ErrorCode::QuotaExceeded, too_much))?;
    Ok(Bare::ok(items))
}
