//! The `organizations` dialect: the canonical one.

mod deliveries;
mod endpoints;
mod events;
mod keys;
mod tenants;
mod usage;

use axum::Router;
use shared::edge::{ApiError, AppState};
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

/// A page of a list that was read as a whole and is sorted by id.
///
/// # Errors
/// 400 for a cursor that no list returned.
fn page<T, Id: Ord + Copy + ToString>(
    items: Vec<T>,
    paging: &Paging,
    id: impl Fn(&T) -> Id,
    parse: impl Fn(&str) -> Option<Id>,
) -> Result<(Vec<T>, PaginationOut), ApiError> {
    let bad_cursor = || ApiError::invalid(vec![Problem::new("cursor", "is not one that a list returned")]);
    let cursor = paging.cursor.as_deref().map(|cursor| parse(cursor).ok_or_else(bad_cursor)).transpose()?;
    let mut rest: Vec<_> = items.into_iter().filter(|item| cursor.is_none_or(|cursor| id(item) > cursor)).collect();
    let more = rest.len() > paging.limit;
    rest.truncate(paging.limit);
    let next = rest.last().filter(|_| more).map(|item| id(item).to_string());
    Ok((rest, PaginationOut::new(paging.limit, next)))
}
