//! Routes for deliveries.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::{DeliveryId, EndpointId};
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite};
use shared::edge::{ApiError, BoundTenant, Data, PathId, Search, Tenant};
use shared::wire::organizations::{DeliveryDetailOut, DeliveryOut};
use shared::wire::query::{DeliveryParameters, PagingParameters};
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, read, retry))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/webhooks/endpoints/{endpoint}/deliveries", get(list))
        .route("/webhooks/deliveries/{delivery}", get(read))
        .route("/webhooks/deliveries/{delivery}/retry", post(retry))
}

/// Lists an endpoint's deliveries, newest first.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}/deliveries", operation_id = "list_deliveries",
    params(DeliveryParameters, PagingParameters),
    responses((status = 200, body = Vec<DeliveryOut>)),
)]
async fn list(
    tenant: Tenant<DeliveriesRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<DeliveryOut>>, ApiError> {
    let wanted = (query.paging(), query.delivery_filter());
    let (paging, filter) = query.finish(wanted)?;
    let cursor = paging.cursor.as_deref();
    let page = administrator.list_deliveries(&tenant.organization.id, endpoint, &filter, cursor, paging.limit).await?;
    super::page(page.items, page.next, paging.limit, |it| DeliveryOut::from(it), |it| it.id.to_string())
}

/// Reads a delivery, with the payload and each attempt.
#[utoipa::path(
    get, path = "/webhooks/deliveries/{delivery}", operation_id = "read_delivery",
    responses((status = 200, body = DeliveryDetailOut)),
)]
async fn read(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(delivery): PathId<DeliveryId>,
    State(administrator): Api,
) -> Result<Data<DeliveryDetailOut>, ApiError> {
    let detail = administrator.delivery(&tenant.organization.id, &tenant.binding, delivery).await?;
    Ok(Data::ok(DeliveryDetailOut::new(&detail.delivery, detail.payload)))
}

/// Retries a failed or exhausted delivery. Its schedule starts from the beginning.
///
/// The request is a conflict if the delivery is in progress or was successful, or if the endpoint is disabled. It is
/// forbidden while the organization is suspended.
#[utoipa::path(
    post, path = "/webhooks/deliveries/{delivery}/retry", operation_id = "retry_delivery",
    responses((status = 202, body = DeliveryOut), (status = 409)),
)]
async fn retry(
    tenant: BoundTenant<DeliveriesWrite>,
    PathId(delivery): PathId<DeliveryId>,
    State(administrator): Api,
) -> Result<Data<DeliveryOut>, ApiError> {
    let detail = administrator.retry_delivery(&tenant.organization, &tenant.binding, delivery).await?;
    Ok(Data::accepted((&detail.delivery).into()))
}
