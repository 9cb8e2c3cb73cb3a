//! Pausing, resuming, disabling and enabling an endpoint.

use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, PathId, Tenant};
use shared::wire::organizations::EndpointPatchIn;

use crate::api_body::ApiBody;
use crate::form::Form;
use crate::pages::endpoint_path;
use crate::session::SignedIn;
use crate::{Routes, Shared};

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints/{endpoint}/status", post(change))
}

async fn change(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Redirect, ApiError> {
    let administrator = portal.administrator();
    let mut wanted = ApiBody::default();
    wanted.set("status", form.text("status"));
    let patch = wanted.finish::<EndpointPatchIn>()?.read(|patch| patch.parse(administrator.deployment(), false))?;
    administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Redirect::to(&endpoint_path(&signed_in, endpoint)))
}
