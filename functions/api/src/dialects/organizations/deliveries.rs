//! Deliveries.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::{DeliveryId, EndpointId};
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite};
use shared::edge::{ApiError, AppState, Data, PathId, Search, Tenant};
use shared::wire::organizations::{DeliveryDetailOut, DeliveryOut, PaginationOut};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/webhooks/endpoints/{endpoint}/deliveries", get(list))
        .route("/webhooks/deliveries/{delivery}", get(read))
        .route("/webhooks/deliveries/{delivery}/retry", post(retry))
}

async fn list(
    tenant: Tenant<DeliveriesRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    Search(mut query): Search,
) -> Result<Data<Vec<DeliveryOut>>, ApiError> {
    let wanted = (query.paging(), query.delivery_filter());
    let (paging, filter) = query.finish(wanted)?;
    let cursor = paging.cursor.as_deref();
    let page = core.list_deliveries(&tenant.organization.id, endpoint, &filter, cursor, paging.limit).await?;
    let deliveries = page.items.iter().map(DeliveryOut::from).collect();
    Ok(Data::page(deliveries, PaginationOut::new(paging.limit, page.next)))
}

async fn read(
    tenant: Tenant<DeliveriesRead>,
    PathId(delivery): PathId<DeliveryId>,
    State(core): State<AppState>,
) -> Result<Data<DeliveryDetailOut>, ApiError> {
    let detail = core.delivery(&tenant.organization.id, delivery).await?;
    Ok(Data::ok(DeliveryDetailOut::new(&detail.delivery, detail.payload)))
}

async fn retry(
    tenant: Tenant<DeliveriesWrite>,
    PathId(delivery): PathId<DeliveryId>,
    State(core): State<AppState>,
) -> Result<Data<DeliveryOut>, ApiError> {
    let detail = core.retry_delivery(&tenant.organization.id, delivery).await?;
    Ok(Data::accepted((&detail.delivery).into()))
}
