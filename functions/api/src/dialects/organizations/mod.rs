//! Routes of the `organizations` dialect, which has all operations.

mod attempts;
mod deliveries;
mod endpoints;
mod event_types;
mod events;
mod jobs;
mod key_sets;
mod keys;
mod limits;
mod portal_sessions;
mod replays;
mod secrets;
mod statistics;
mod tenants;
mod usage;

use axum::Router;
use serde::Serialize;
use shared::edge::{ApiError, Data, Items};
use shared::wire::error::Problem;
use shared::wire::organizations::PaginationOut;
use shared::wire::query::Paging;
use utoipa::OpenApi;

use crate::Routes;

pub(crate) fn routes() -> Routes {
    let organization = Router::new()
        .merge(limits::routes())
        .merge(keys::routes())
        .merge(portal_sessions::routes())
        .merge(endpoints::routes())
        .merge(secrets::routes())
        .merge(key_sets::routes())
        .merge(deliveries::routes())
        .merge(attempts::routes())
        .merge(events::routes())
        .merge(jobs::routes())
        .merge(replays::routes())
        .merge(statistics::routes())
        .merge(usage::routes());
    let deployment = tenants::routes().merge(portal_sessions::operator_routes()).merge(event_types::routes());
    deployment.nest("/v1/organizations/{organization}", organization)
}

/// The OpenAPI description of these routes.
pub(crate) fn operations() -> utoipa::openapi::OpenApi {
    let organization = limits::Operations::openapi()
        .merge_from(keys::Operations::openapi())
        .merge_from(portal_sessions::Operations::openapi())
        .merge_from(endpoints::Operations::openapi())
        .merge_from(secrets::Operations::openapi())
        .merge_from(key_sets::Operations::openapi())
        .merge_from(deliveries::Operations::openapi())
        .merge_from(attempts::Operations::openapi())
        .merge_from(events::Operations::openapi())
        .merge_from(jobs::Operations::openapi())
        .merge_from(replays::Operations::openapi())
        .merge_from(statistics::Operations::openapi())
        .merge_from(usage::Operations::openapi());
    tenants::Operations::openapi()
        .merge_from(portal_sessions::OperatorOperations::openapi())
        .merge_from(event_types::Operations::openapi())
        .nest("/v1/organizations/{organization}", organization)
}

/// The position after which a page begins, read from its cursor; `None` for the first page.
fn after<T>(paging: &Paging, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
    let Some(cursor) = &paging.cursor else { return Ok(None) };
    let bad_cursor = || ApiError::invalid(vec![Problem::new("cursor", "is not one that a list returned")]);
    parse(cursor).map(Some).ok_or_else(bad_cursor)
}

/// Builds one page of a list from `entries`. The page ends before the first entry that does not fit into the response.
/// The next cursor follows the last entry of the page.
fn page<T, Out: Serialize>(
    entries: impl IntoIterator<Item = T>,
    next: Option<String>,
    limit: usize,
    show: impl Fn(&T) -> Out,
    cursor: impl Fn(&T) -> String,
) -> Result<Data<Vec<Out>>, ApiError> {
    let (mut items, mut last) = (Items::default(), None);
    for entry in entries {
        if !items.push(&show(&entry))? {
            return Ok(Data::page(items, &PaginationOut::new(limit, last)));
        }
        last = Some(cursor(&entry));
    }
    Ok(Data::page(items, &PaginationOut::new(limit, next)))
}
