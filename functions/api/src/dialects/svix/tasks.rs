//! Recoveries and replays of endpoints, the tasks that they are, and examples.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::ids::{EndpointId, JobId};
use shared::domain::job::{Job, Replay};
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite, EndpointsWrite};
use shared::edge::{
    ApiError, Bare, Body, BoundTenant, Listed, OfApplication, OfTask, OfTaskList, PathId, PathReference, PathReport,
    PathTask, Platform, SvixEndpointId, SvixSearch, Tenant,
};
use shared::service::Administrator;
use shared::wire::error::ErrorCode;
use shared::wire::svix::{
    BulkReplayIn, ExampleIn, ListOut, MessageOut, PagingParameters, Reference, Report, SpanIn, TaskOut, parse_task,
    print_task,
};
use utoipa::OpenApi;

use super::repetitions::NotStored;
use super::statistics::computed;
use crate::{Api, Routes};

type Started = Result<Bare<TaskOut>, ApiError>;
type Writer = Tenant<DeliveriesWrite, OfApplication>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(recover, replay_missing, bulk_replay, send_example, list, read))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/endpoint/{endpoint_id}/recover", post(recover))
        .route("/app/{app_id}/endpoint/{endpoint_id}/replay-missing", post(replay_missing))
        .route("/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", post(bulk_replay))
        .route("/app/{app_id}/endpoint/{endpoint_id}/send-example", post(send_example))
        .route("/background-task", get(list))
        .route("/background-task/{task_id}", get(read))
}

fn started(job: &Job) -> Started {
    let task = TaskOut::new(job).ok_or_else(|| ApiError::new(ErrorCode::Internal, "the job is no task"))?;
    Ok(Bare::accepted(task))
}

/// Retries the failed messages of an endpoint in a span of time, with their whole retry schedule.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint/{endpoint_id}/recover", operation_id = "endpoint_recover",
    request_body = SpanIn,
    responses((status = 202, body = TaskOut)),
)]
async fn recover(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<SpanIn>,
) -> Started {
    let now = administrator.clock().now();
    let recovery = body.read_known(|body| body.parse_recovery(now))?;
    started(&administrator.recover(&tenant.organization, endpoint, recovery).await?.job)
}

/// Sends an endpoint the messages of a span of time that it missed.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint/{endpoint_id}/replay-missing", operation_id = "endpoint_replay_missing",
    request_body = SpanIn,
    responses((status = 202, body = TaskOut)),
)]
async fn replay_missing(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<SpanIn>,
) -> Started {
    let now = administrator.clock().now();
    let replay = body.read_known(|body| body.parse_missing(now))?;
    begin(&administrator, &tenant, endpoint, replay).await
}

/// Sends an endpoint the messages of a span of time again, also those that it accepted.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", operation_id = "endpoint_bulk_replay",
    request_body = BulkReplayIn,
    responses((status = 202, body = TaskOut)),
)]
async fn bulk_replay(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<BulkReplayIn>,
) -> Started {
    let now = administrator.clock().now();
    let replay = body.read_known(|body| body.parse(now))?;
    begin(&administrator, &tenant, endpoint, replay).await
}

async fn begin(administrator: &Administrator, tenant: &Writer, endpoint: EndpointId, replay: Replay) -> Started {
    started(&administrator.replay(&tenant.organization, &tenant.caller, endpoint, replay).await?)
}

/// Sends an example of an event type to one endpoint.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint/{endpoint_id}/send-example", operation_id = "endpoint_send_example",
    request_body = ExampleIn,
    responses((status = 200, body = MessageOut)),
)]
async fn send_example(
    tenant: Tenant<EndpointsWrite, OfApplication>,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<ExampleIn>,
) -> Result<Response, ApiError> {
    let test = body.read_known(ExampleIn::parse)?;
    let sent = administrator.send_test(&tenant.organization, tenant.caller.key(), endpoint, test).await?;
    let mut response = Bare::ok(MessageOut::new(&sent.event, true)).into_response();
    // The answer would keep the payload when it is removed from the message.
    response.extensions_mut().insert(NotStored);
    Ok(response)
}

/// Lists the tasks of the key's own application, newest first.
///
/// With the platform's key, the query must have the application as `app_id`.
#[utoipa::path(
    get, path = "/background-task", operation_id = "background_task_list",
    params(PagingParameters, ("app_id" = Option<String>, Query)),
    responses((status = 200, body = ListOut<TaskOut>)),
)]
async fn list(
    tenant: BoundTenant<DeliveriesRead, OfTaskList>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<ListOut<TaskOut>>, ApiError> {
    let paging = query.paging(parse_task);
    let paging = query.finish(paging)?;
    let walk = paging.walk.map(|(_, job)| job);
    let page = administrator.walk_tasks(&tenant.organization.id, &tenant.binding, &walk, paging.limit).await?;
    let mut listed = Listed::new(walk.is_backward());
    for job in &page.items {
        if let Some(task) = TaskOut::new(job) {
            listed.push(&task, print_task(job))?;
        }
    }
    let further = page.further.and_then(|id| page.items.iter().find(|job| job.id == id)).map(print_task);
    Ok(listed.finish(further))
}

/// The task that a path names, for a caller that may read it.
enum Asked {
    Job(Box<BoundTenant<DeliveriesRead, OfTask>>, JobId),
    Report(Report),
}

impl FromRequestParts<Arc<Administrator>> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, administrator: &Arc<Administrator>) -> Result<Self, ApiError> {
        let report = PathReference::<PathReport>::from_request_parts(parts, administrator).await;
        if let Ok(PathReference(Reference::Id(PathReport(report)))) = report {
            Platform::from_request_parts(parts, administrator).await?;
            return Ok(Self::Report(report));
        }
        let tenant = BoundTenant::from_request_parts(parts, administrator).await?;
        let PathId(PathTask(job)) = PathId::from_request_parts(parts, administrator).await?;
        Ok(Self::Job(Box::new(tenant), job))
    }
}

/// Reads a task.
///
/// Tasks of statistics are for the platform's key.
#[utoipa::path(
    get, path = "/background-task/{task_id}", operation_id = "background_task_get",
    responses((status = 200, body = TaskOut)),
)]
async fn read(asked: Asked, State(administrator): Api) -> Started {
    let (tenant, job) = match asked {
        Asked::Report(report) => return Ok(Bare::ok(computed(&administrator, &report).await?)),
        Asked::Job(tenant, job) => (tenant, job),
    };
    let job = administrator.job(&tenant.organization.id, &tenant.binding, job).await?;
    TaskOut::new(&job).map(Bare::ok).ok_or_else(|| ApiError::not_found("task"))
}
