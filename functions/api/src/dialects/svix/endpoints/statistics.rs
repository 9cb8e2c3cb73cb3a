//! The statistics of an endpoint.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use shared::edge::scopes::DeliveriesRead;
use shared::edge::{ApiError, Bare, OfApplication, PathId, SvixEndpointId, SvixSearch, Tenant};
use shared::wire::error::ErrorCode;
use shared::wire::svix::StatsOut;
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The longest time whose messages are counted.
const MAX_SPAN: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// The OpenAPI description of this route.
#[derive(OpenApi)]
#[openapi(paths(stats))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/app/{app_id}/endpoint/{endpoint_id}/stats", get(stats))
}

/// Counts the messages of an endpoint by their status, at most the first 10,000.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/stats", operation_id = "endpoint_get_stats",
    params(("since" = Option<String>, Query), ("until" = Option<String>, Query)),
    responses((status = 200, body = StatsOut)),
)]
async fn stats(
    tenant: Tenant<DeliveriesRead, OfApplication>,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<StatsOut>, ApiError> {
    let span = (query.time("since"), query.time("until"));
    let (since, until) = query.finish(span)?;
    let until = until.unwrap_or_else(|| administrator.clock().now());
    let since = since.unwrap_or_else(|| until.minus(MAX_SPAN));
    if until.since(since) > MAX_SPAN {
        return Err(ApiError::new(ErrorCode::ValidationFailed, "since may be at most 28 days before until"));
    }
    let statuses = administrator.delivery_statuses(&tenant.organization.id, endpoint, since, until).await?;
    Ok(Bare::ok(StatsOut::new(statuses)))
}
