//! Routes for attempts: lists of an endpoint, a delivery and an event, and resending a delivery.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::{AttemptId, DeliveryId, EndpointId, EventId};
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite};
use shared::edge::{ApiError, BoundTenant, Data, Items, PathId, Search, Tenant};
use shared::service::AttemptPage;
use shared::wire::attempt_query::{AttemptPagingParameters, AttemptParameters};
use shared::wire::organizations::{DeliveryAttemptOut, DeliveryOut, PaginationOut};
use utoipa::OpenApi;

use crate::{Api, Routes};

type Page = Result<Data<Vec<DeliveryAttemptOut>>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(of_endpoint, of_delivery, of_event, read, resend))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/webhooks/endpoints/{endpoint}/attempts", get(of_endpoint))
        .route("/webhooks/deliveries/{delivery}/attempts", get(of_delivery))
        .route("/webhooks/deliveries/{delivery}/attempts/{attempt}", get(read))
        .route("/webhooks/deliveries/{delivery}/resend", post(resend))
        .route("/events/{event}/attempts", get(of_event))
}

/// Lists the attempts at an endpoint, newest first.
///
/// A delivery's first attempt within a minute of publishing is listed by the time of publishing, so the order is exact to a
/// minute. A page can have fewer entries than `limit` and still not be the last page.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}/attempts", operation_id = "list_endpoint_attempts",
    params(AttemptParameters, AttemptPagingParameters),
    responses((status = 200, body = Vec<DeliveryAttemptOut>)),
)]
async fn of_endpoint(
    tenant: Tenant<DeliveriesRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Page {
    let wanted = (query.paging(), query.attempt_filter());
    let (paging, filter) = query.finish(wanted)?;
    let (organization, cursor) = (&tenant.organization.id, paging.cursor.as_deref());
    let found = administrator.endpoint_attempts(organization, endpoint, &filter, cursor, paging.limit).await?;
    page(found, paging.limit)
}

/// Lists the attempts at a delivery, newest first: the last 100 of its schedules, and the last 100 resends.
#[utoipa::path(
    get, path = "/webhooks/deliveries/{delivery}/attempts", operation_id = "list_delivery_attempts",
    params(AttemptParameters, AttemptPagingParameters),
    responses((status = 200, body = Vec<DeliveryAttemptOut>)),
)]
async fn of_delivery(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(delivery): PathId<DeliveryId>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Page {
    let wanted = (query.paging(), query.attempt_filter());
    let (paging, filter) = query.finish(wanted)?;
    let (organization, cursor) = (&tenant.organization.id, paging.cursor.as_deref());
    let found =
        administrator.delivery_attempts(organization, &tenant.binding, delivery, &filter, cursor, paging.limit).await?;
    page(found, paging.limit)
}

/// Lists the attempts at all deliveries of an event.
///
/// Those of an event with up to 100 deliveries are listed newest first. Those of an event with more are listed by delivery,
/// and newest first for each delivery. A page can have fewer entries than `limit` and still not be the last page.
#[utoipa::path(
    get, path = "/events/{event}/attempts", operation_id = "list_event_attempts",
    params(AttemptParameters, AttemptPagingParameters),
    responses((status = 200, body = Vec<DeliveryAttemptOut>)),
)]
async fn of_event(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(event): PathId<EventId>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Page {
    let wanted = (query.paging(), query.attempt_filter());
    let (paging, filter) = query.finish(wanted)?;
    let (organization, cursor) = (&tenant.organization.id, paging.cursor.as_deref());
    let found =
        administrator.event_attempts(organization, &tenant.binding, event, &filter, cursor, paging.limit).await?;
    page(found, paging.limit)
}

/// Reads an attempt at a delivery.
#[utoipa::path(
    get, path = "/webhooks/deliveries/{delivery}/attempts/{attempt}", operation_id = "read_delivery_attempt",
    responses((status = 200, body = DeliveryAttemptOut)),
)]
async fn read(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(delivery): PathId<DeliveryId>,
    PathId(attempt): PathId<AttemptId>,
    State(administrator): Api,
) -> Result<Data<DeliveryAttemptOut>, ApiError> {
    let found = administrator.delivery_attempt(&tenant.organization.id, &tenant.binding, delivery, attempt).await?;
    Ok(Data::ok((&found).into()))
}

/// Sends a delivery once more, at once and whatever its status is.
///
/// If the receiver accepts it, the delivery is successful. Otherwise only the list of its attempts changes. Paused, suspended
/// and disabled endpoints get it as well. The request is a conflict if the endpoint was deleted or the event's data was
/// removed. It is forbidden while the organization is suspended.
#[utoipa::path(
    post, path = "/webhooks/deliveries/{delivery}/resend", operation_id = "resend_delivery",
    responses((status = 202, body = DeliveryOut), (status = 409)),
)]
async fn resend(
    tenant: BoundTenant<DeliveriesWrite>,
    PathId(delivery): PathId<DeliveryId>,
    State(administrator): Api,
) -> Result<Data<DeliveryOut>, ApiError> {
    let detail = administrator.resend_delivery(&tenant.organization, &tenant.binding, delivery).await?;
    Ok(Data::accepted((&detail.delivery).into()))
}

/// A page of attempts. It ends before the first attempt that does not fit into the response.
fn page(found: AttemptPage, limit: usize) -> Page {
    let AttemptPage { items, next, previous } = found;
    let (mut shown, mut last) = (Items::default(), None);
    for attempt in items {
        if !shown.push(&DeliveryAttemptOut::from(&attempt))? {
            return Ok(Data::page(shown, &PaginationOut::new(limit, last).with_previous(previous)));
        }
        last = Some(attempt.id.to_string());
    }
    Ok(Data::page(shown, &PaginationOut::new(limit, next).with_previous(previous)))
}
