//! The route for the statistics of an endpoint.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::DeliveriesRead;
use shared::edge::{ApiError, Data, PathId, Search, Tenant};
use shared::wire::organizations::StatisticsOut;
use shared::wire::query::StatisticsParameters;
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(read))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/webhooks/endpoints/{endpoint}/stats", get(read))
}

/// Reads how an endpoint's deliveries and attempts ended, and how long attempts took, by hour or day.
///
/// The statistics of an hour are kept for 32 days. A process that handles requests writes its counts within about ten
/// minutes, an idle one when it ends; until then they are missing. The statistics have zeros for a time in which the
/// deployment did not count them.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}/stats", operation_id = "read_endpoint_statistics",
    params(StatisticsParameters),
    responses((status = 200, body = StatisticsOut)),
)]
async fn read(
    tenant: Tenant<DeliveriesRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<StatisticsOut>, ApiError> {
    let span = query.span(administrator.clock().now());
    let span = query.finish(span)?;
    let statistics = administrator.endpoint_statistics(&tenant.organization.id, endpoint, span).await?;
    Ok(Data::ok(StatisticsOut::new(endpoint, span, &statistics)))
}
