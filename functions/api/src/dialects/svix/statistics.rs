//! Statistics over applications. Each is a background task that is computed when it is read.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use shared::domain::ids::OrganizationId;
use shared::edge::{ApiError, Bare, Body, Platform};
use shared::service::Administrator;
use shared::wire::error::Problem;
use shared::wire::svix::{Named, Reference, Report, ReportOut, SubscribedOut, TaskOut, UsageIn, UsageOut};
use utoipa::OpenApi;

use super::repetitions::NotStored;
use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(usage, event_types))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/stats/usage/app", post(usage)).route("/stats/usage/event-types", put(event_types))
}

/// Begins to count the messages that went to endpoints of each application.
#[utoipa::path(
    post, path = "/stats/usage/app", operation_id = "statistics_aggregate_app_stats", request_body = UsageIn,
    responses((status = 202, body = ReportOut)),
)]
async fn usage(_: Platform, State(administrator): Api, body: Body<UsageIn>) -> Result<Response, ApiError> {
    let (days, named) = body.read_known(UsageIn::parse)?;
    let (applications, unresolved) = match named {
        Some(named) => resolved(&administrator, named).await?,
        None => (Vec::new(), Vec::new()),
    };
    if applications.is_empty() && !unresolved.is_empty() {
        return Err(ApiError::invalid(vec![Problem::new("appIds", "must name an application that exists")]));
    }
    let now = administrator.clock().now();
    let begun = ReportOut::new(&Report::Usage(days, applications), Some(unresolved), now);
    let mut response = Bare::accepted(begun).into_response();
    // It names applications, whose deletion does not remove what is stored for the deployment.
    response.extensions_mut().insert(NotStored);
    Ok(response)
}

/// The applications that exist, and the texts that name the others.
async fn resolved(
    administrator: &Administrator,
    named: Vec<Named>,
) -> Result<(Vec<OrganizationId>, Vec<String>), ApiError> {
    let mut ids = Vec::new();
    for Named { text, reference } in named {
        let id = match reference {
            Reference::Id(id) => Some(id),
            Reference::Uid(uid) => administrator.access().organization_named(&uid).await?,
        };
        ids.push((text, id));
    }
    let wanted: Vec<_> = ids.iter().filter_map(|(_, id)| id.clone()).collect();
    let existing = administrator.existing_organizations(&wanted).await?;
    let exists = |id: &OrganizationId| existing.iter().any(|organization| organization.id == *id);
    let (found, missing): (Vec<_>, Vec<_>) = ids.into_iter().partition(|(_, id)| id.as_ref().is_some_and(exists));
    Ok((found.into_iter().filter_map(|(_, id)| id).collect(), missing.into_iter().map(|(text, _)| text).collect()))
}

/// Begins to list the event types that the endpoints of each application name.
#[utoipa::path(
    put, path = "/stats/usage/event-types", operation_id = "statistics_aggregate_event_types",
    responses((status = 202, body = ReportOut)),
)]
async fn event_types(_: Platform, State(administrator): Api) -> Bare<ReportOut> {
    Bare::accepted(ReportOut::new(&Report::EventTypes, None, administrator.clock().now()))
}

/// Computes the result of a task.
pub(super) async fn computed(administrator: &Arc<Administrator>, report: &Report) -> Result<TaskOut, ApiError> {
    let now = administrator.clock().now();
    Ok(match report {
        Report::Usage(days, applications) => {
            let found = administrator.usage_report(*days, applications).await?;
            let shown: Vec<_> = found.iter().map(|(id, uid, usage)| UsageOut::new(id, uid.as_ref(), *usage)).collect();
            TaskOut::of_usage(report, &shown, now)
        }
        Report::EventTypes => {
            let found = administrator.subscription_report().await?;
            let shown: Vec<_> = found.iter().map(|(id, subscribed)| SubscribedOut::new(id, subscribed)).collect();
            TaskOut::of_event_types(report, &shown, now)
        }
    })
}
