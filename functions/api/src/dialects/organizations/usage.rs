//! The route for usage by day.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use shared::domain::tenancy::usage::Day;
use shared::edge::scopes::OrganizationRead;
use shared::edge::{ApiError, Data, Search, Tenant};
use shared::wire::organizations::UsageOut;
use shared::wire::query::UsageParameters;
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(read))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/usage", get(read))
}

/// Reads the numbers of events, deliveries and attempts by day.
///
/// The oldest day is first. A day without any has zeros.
#[utoipa::path(
    get, path = "/usage", operation_id = "read_usage",
    params(UsageParameters),
    responses((status = 200, body = Vec<UsageOut>)),
)]
async fn read(
    tenant: Tenant<OrganizationRead>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<UsageOut>>, ApiError> {
    let days = query.days(Day::of(administrator.clock().now()));
    let days = query.finish(days)?;
    let usage = administrator.meter().usage(&tenant.organization.id, days).await?;
    Ok(Data::ok(usage.into_iter().map(|(day, usage)| UsageOut::new(day, usage)).collect()))
}
