//! Routes for jobs.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::JobId;
use shared::domain::job::JobPosition;
use shared::domain::walk::Walk;
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite};
use shared::edge::{ApiError, BoundTenant, Data, PathId, Search};
use shared::service::JobSelection;
use shared::wire::organizations::JobOut;
use shared::wire::query::PagingParameters;
use utoipa::OpenApi;

use super::{after, page};
use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, read, cancel))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/jobs", get(list)).route("/jobs/{job}", get(read)).route("/jobs/{job}/cancel", post(cancel))
}

/// Lists jobs, newest first.
///
/// The list has all open jobs and the jobs that ended in the last 30 days; removals of data only if they ended in the last day. A
/// page can have fewer entries than `limit` and still not be the last page.
#[utoipa::path(
    get, path = "/jobs", operation_id = "list_jobs",
    params(PagingParameters),
    responses((status = 200, body = Vec<JobOut>)),
)]
async fn list(
    tenant: BoundTenant<DeliveriesRead>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<JobOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let after = after(&paging, JobPosition::parse)?;
    let selection = JobSelection { binding: &tenant.binding, endpoint: None, only_restarts: false };
    let walk = after.map_or(Walk::First, Walk::After);
    let found = administrator.walk_jobs(&tenant.organization.id, &selection, walk, paging.limit).await?;
    let next = found.further.map(|position| position.to_string());
    page(&found.items, next, paging.limit, |job| JobOut::from(*job), |job| JobPosition::of(job).to_string())
}

/// Reads a job.
#[utoipa::path(
    get, path = "/jobs/{job}", operation_id = "read_job",
    responses((status = 200, body = JobOut)),
)]
async fn read(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(job): PathId<JobId>,
    State(administrator): Api,
) -> Result<Data<JobOut>, ApiError> {
    Ok(Data::ok((&administrator.job(&tenant.organization.id, &tenant.binding, job).await?).into()))
}

/// Cancels a job.
///
/// Completed work is kept. The request is a conflict if the job has ended, or if its deliveries would stay held forever
/// without it.
#[utoipa::path(
    post, path = "/jobs/{job}/cancel", operation_id = "cancel_job",
    responses((status = 200, body = JobOut), (status = 409)),
)]
async fn cancel(
    tenant: BoundTenant<DeliveriesWrite>,
    PathId(job): PathId<JobId>,
    State(administrator): Api,
) -> Result<Data<JobOut>, ApiError> {
    Ok(Data::ok((&administrator.cancel_job(&tenant.organization.id, &tenant.binding, job).await?).into()))
}
