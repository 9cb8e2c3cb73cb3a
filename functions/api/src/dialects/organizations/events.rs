//! Looking at events. Publishing them is a function of its own.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::EventId;
use shared::edge::scopes::{EventRead, EventsRead};
use shared::edge::{ApiError, AppState, Data, PathId, Search, Tenant, fitting};
use shared::service::{Published, ServiceError};
use shared::wire::organizations::{EventOut, PaginationOut};
use shared::wire::query::{EventParameters, PagingParameters};
use utoipa::OpenApi;

/// What the OpenAPI document says of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, read))]
pub(super) struct Operations;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/events", get(list).post(publish))
        .route("/events/batch", post(publish))
        .route("/events/{event}", get(read))
}

/// The gateway routes publishing to a function of its own. This function answers the other methods of these paths, and
/// its `Allow` header must name POST as well.
async fn publish() -> ApiError {
    ServiceError::Internal("the gateway routed publishing to the wrong function".to_owned()).into()
}

/// Lists events with their deliveries, newest first.
///
/// A page of large events may be shorter than its limit and still not be the last.
#[utoipa::path(
    get, path = "/events", operation_id = "list_events",
    params(EventParameters, PagingParameters),
    responses((status = 200, body = Vec<EventOut>)),
)]
async fn list(
    tenant: Tenant<EventsRead>,
    State(core): State<AppState>,
    Search(mut query): Search,
) -> Result<Data<Vec<EventOut>>, ApiError> {
    let wanted = (query.paging(), query.event_filter());
    let (paging, filter) = query.finish(wanted)?;
    let page = core.list_events(&tenant.organization.id, &filter, paging.cursor.as_deref(), paging.limit).await?;
    let shown = |published: &Published| EventOut::new(&published.event, &published.deliveries);
    let mut events: Vec<_> = page.items.iter().map(shown).collect();
    let fit = fitting(&events);
    let cut_off = if fit < events.len() { page.items[..fit].last() } else { None };
    events.truncate(fit);
    let next = cut_off.map(|last| last.event.id.to_string()).or(page.next);
    Ok(Data::page(events, PaginationOut::new(paging.limit, next)))
}

/// Reads an event with its deliveries.
///
/// A publisher sees those that it published itself.
#[utoipa::path(get, path = "/events/{event}", operation_id = "read_event", responses((status = 200, body = EventOut)))]
async fn read(
    tenant: Tenant<EventRead>,
    PathId(event): PathId<EventId>,
    State(core): State<AppState>,
) -> Result<Data<EventOut>, ApiError> {
    let published = core.event(&tenant.organization.id, &tenant.caller, event).await?;
    Ok(Data::ok(EventOut::new(&published.event, &published.deliveries)))
}
