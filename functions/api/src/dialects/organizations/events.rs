//! Routes that read events. The function `publish` has the routes that publish them.

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, post};
use shared::domain::ids::EventId;
use shared::edge::scopes::{EventRead, EventsRead, OrganizationWrite};
use shared::edge::{ApiError, BoundTenant, Data, Items, PathId, Search, Tenant};
use shared::service::ServiceError;
use shared::wire::organizations::{EventOut, JobOut, PaginationOut};
use shared::wire::query::{EventParameters, PagingParameters};
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, read, expunge))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/events", get(list).post(publish))
        .route("/events/batch", post(publish))
        .route("/events/{event}", get(read))
        .route("/events/{event}/data", delete(expunge))
}

/// Answers a POST that API Gateway should have routed to the function `publish`. The route is declared here because
/// this function answers the other methods of these paths, and its `Allow` header must list POST.
async fn publish() -> ApiError {
    ServiceError::Internal("the gateway routed publishing to the wrong function".to_owned()).into()
}

/// Lists events with their deliveries, newest first.
///
/// A page of large events can have fewer entries than `limit` and still not be the last page. A key that is bound to endpoints
/// must name one of them by `endpoint_id`, and gets only the deliveries to its endpoints.
#[utoipa::path(
    get, path = "/events", operation_id = "list_events",
    params(EventParameters, PagingParameters),
    responses((status = 200, body = Vec<EventOut>)),
)]
async fn list(
    tenant: BoundTenant<EventsRead>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<EventOut>>, ApiError> {
    let wanted = (query.paging(), query.event_selection());
    let (paging, filter) = query.finish(wanted)?;
    let (organization, binding) = (&tenant.organization.id, &tenant.binding);
    let cursor = paging.cursor.as_deref();
    let page = administrator.list_events(organization, binding, &filter, cursor, paging.limit).await?;
    let mut events = administrator.read_events(organization, binding, page.items).await?;
    let (mut items, mut last) = (Items::default(), None);
    while let Some(published) = events.next().await? {
        if !items.push(&EventOut::new(&published.event, &published.deliveries))? {
            return Ok(Data::page(items, &PaginationOut::new(paging.limit, last)));
        }
        last = Some(published.event.id.to_string());
    }
    Ok(Data::page(items, &PaginationOut::new(paging.limit, page.next)))
}

/// Reads an event with its deliveries.
///
/// A key with `events:publish` and without `events:read` reads only the events that it published. A key that is bound to
/// endpoints reads only events with deliveries to these, without other deliveries.
#[utoipa::path(get, path = "/events/{event}", operation_id = "read_event", responses((status = 200, body = EventOut)))]
async fn read(
    tenant: BoundTenant<EventRead>,
    PathId(event): PathId<EventId>,
    State(administrator): Api,
) -> Result<Data<EventOut>, ApiError> {
    let published = administrator.event(&tenant.organization.id, &tenant.caller, event).await?;
    Ok(Data::ok(EventOut::new(&published.event, &published.deliveries)))
}

/// Removes the data of an event.
///
/// This needs a key with all scopes that is not bound to endpoints, or the platform's. The data, the responses to its deliveries and their signatures are removed, and deliveries that are not final fail with
/// `expunged`. Only attempts in progress are completed. If the event has more than 500 deliveries, the job does the rest
/// within seconds. The job does all of it again after two minutes, in case a late write of the publish request brought
/// something back.
#[utoipa::path(
    delete, path = "/events/{event}/data", operation_id = "expunge_event",
    responses((status = 202, body = JobOut)),
)]
async fn expunge(
    tenant: Tenant<OrganizationWrite>,
    PathId(event): PathId<EventId>,
    State(administrator): Api,
) -> Result<Data<JobOut>, ApiError> {
    let job = administrator.expunge_event(&tenant.organization.id, &tenant.caller, event).await?;
    Ok(Data::accepted((&job).into()))
}
