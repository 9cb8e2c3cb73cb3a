//! Deleting an endpoint, after the person has confirmed it.

use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::get;
use maud::html;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, PathId, Tenant};

use crate::page::{Page, form_token};
use crate::pages::{Section, endpoint_path};
use crate::session::SignedIn;
use crate::text::endpoint as text;
use crate::{Routes, Shared};

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints/{endpoint}/delete", get(ask).post(delete))
}

async fn ask(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Page, ApiError> {
    let endpoint = portal.administrator().endpoint(&tenant.organization.id, endpoint).await?;
    let path = endpoint_path(&signed_in, endpoint.id);
    let body = html! {
        p { strong { (endpoint.settings.name) } " · " code { (endpoint.settings.destination.as_str()) } }
        p { (text::DELETE_HELP) }
        form.actions method="post" action={ (path) "/delete" } {
            (form_token(&signed_in))
            button.button.danger type="submit" { (text::DELETE_FOREVER) }
            a.button.plain href=(path) { (text::KEEP) }
        }
    };
    Ok(Page::new(text::DELETE_TITLE, body).of(Section::Endpoints))
}

async fn delete(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Redirect, ApiError> {
    portal.administrator().delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Redirect::to(&format!("{}/endpoints", signed_in.base())))
}
