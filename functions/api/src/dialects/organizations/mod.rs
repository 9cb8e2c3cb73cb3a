//! The `organizations` dialect: the canonical one.

mod deliveries;
mod endpoints;
mod events;
mod keys;
mod tenants;
mod usage;

use axum::Router;
use serde::Serialize;
use shared::edge::{ApiError, AppState, Data, fitting};
use shared::wire::error::Problem;
use shared::wire::organizations::PaginationOut;
use shared::wire::query::Paging;
use utoipa::OpenApi;

pub(crate) fn routes() -> Router<AppState> {
    let organization = Router::new()
        .merge(keys::routes())
        .merge(endpoints::routes())
        .merge(deliveries::routes())
        .merge(events::routes())
        .merge(usage::routes());
    tenants::routes().nest("/v1/organizations/{organization}", organization)
}

/// What the OpenAPI document says of these routes.
pub(crate) fn operations() -> utoipa::openapi::OpenApi {
    let organization = keys::Operations::openapi()
        .merge_from(endpoints::Operations::openapi())
        .merge_from(deliveries::Operations::openapi())
        .merge_from(events::Operations::openapi())
        .merge_from(usage::Operations::openapi());
    tenants::Operations::openapi().nest("/v1/organizations/{organization}", organization)
}

/// A page of a list that was read as a whole and is sorted by id. It is short if one answer holds no more.
///
/// # Errors
/// 400 for a cursor that no list returned.
fn page<T, Out: Serialize, Id: Ord + Copy + ToString>(
    items: Vec<T>,
    paging: &Paging,
    show: impl Fn(&T) -> Out,
    id: impl Fn(&T) -> Id,
    parse: impl Fn(&str) -> Option<Id>,
) -> Result<Data<Vec<Out>>, ApiError> {
    let bad_cursor = || ApiError::invalid(vec![Problem::new("cursor", "is not one that a list returned")]);
    let cursor = paging.cursor.as_deref().map(|cursor| parse(cursor).ok_or_else(bad_cursor)).transpose()?;
    let mut rest: Vec<_> = items.into_iter().filter(|item| cursor.is_none_or(|cursor| id(item) > cursor)).collect();
    let found = rest.len();
    rest.truncate(paging.limit);
    let mut shown: Vec<_> = rest.iter().map(show).collect();
    shown.truncate(fitting(&shown));
    let last = rest[..shown.len()].last().filter(|_| shown.len() < found);
    let next = last.map(|item| id(item).to_string());
    Ok(Data::page(shown, PaginationOut::new(paging.limit, next)))
}
