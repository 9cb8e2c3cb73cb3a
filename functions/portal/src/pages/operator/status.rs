//! Suspending and reactivating an organization.

use axum::extract::State;
use axum::response::Redirect;
use shared::domain::ids::OrganizationId;
use shared::domain::tenancy::organization::{OrganizationPatch, OrganizationStatus};
use shared::edge::{ApiError, PlatformPath};

use super::PATH;
use crate::{Portal, Shared};

pub(super) async fn suspend(
    PlatformPath(organization): PlatformPath,
    State(portal): Shared,
) -> Result<Redirect, ApiError> {
    change(&portal, &organization, OrganizationStatus::Suspended).await
}

pub(super) async fn reactivate(
    PlatformPath(organization): PlatformPath,
    State(portal): Shared,
) -> Result<Redirect, ApiError> {
    change(&portal, &organization, OrganizationStatus::Active).await
}

async fn change(
    portal: &Portal,
    organization: &OrganizationId,
    status: OrganizationStatus,
) -> Result<Redirect, ApiError> {
    let patch = OrganizationPatch { status: Some(status), ..OrganizationPatch::default() };
    portal.administrator().update_organization(organization, patch).await?;
    Ok(Redirect::to(&format!("{PATH}?id={organization}")))
}
