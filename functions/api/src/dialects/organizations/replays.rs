//! The route for replays.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::DeliveriesWrite;
use shared::edge::{ApiError, Body, Data, PathId, Search, Tenant};
use shared::wire::organizations::{JobOut, ReplayCountOut, ReplayIn};
use shared::wire::query::ReplayParameters;
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The OpenAPI description of this route.
#[derive(OpenApi)]
#[openapi(paths(replay))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/webhooks/endpoints/{endpoint}/replay", post(replay))
}

/// Sends events of a span of time to an endpoint again, or for the first time.
///
/// A job does it. The same request joins it while it is open; one of `failed` while it is in its first pass. It also joins a
/// replay of `missed` or `all` that has ended and was requested less than a minute ago. The request is a conflict if the
/// endpoint is disabled, if another replay of `missed` or `all` is open for it, or if the organization has 100 open
/// recoveries and replays. It is forbidden while the organization is suspended. For a key that is bound to endpoints, `missed`
/// and `all` also need the scope `events:read`.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{endpoint}/replay", operation_id = "replay_endpoint", request_body = ReplayIn,
    params(ReplayParameters),
    responses(
        (status = 200, body = ReplayCountOut, description = "What the replay would do, because the request has `dry_run=true`."),
        (status = 202, body = JobOut, description = "The job that replays."),
        (status = 409)
    ),
)]
async fn replay(
    tenant: Tenant<DeliveriesWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    Search(mut query): Search,
    body: Body<ReplayIn>,
) -> Result<Response, ApiError> {
    let dry_run = query.dry_run();
    let dry_run = query.finish(dry_run)?;
    let replay = body.read(ReplayIn::parse)?;
    let (organization, caller) = (&tenant.organization, &tenant.caller);
    if dry_run {
        let counted = administrator.count_replay(organization, caller, endpoint, &replay).await?;
        return Ok(Data::ok(ReplayCountOut::new(endpoint, replay.what, counted)).into_response());
    }
    let job = administrator.replay(organization, caller, endpoint, replay).await?;
    Ok(Data::accepted(JobOut::from(&job)).into_response())
}
