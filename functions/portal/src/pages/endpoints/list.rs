//! The list of endpoints.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::endpoint::Endpoint;
use shared::domain::tenancy::access::Scope;
use shared::edge::scopes::EndpointsRead;
use shared::edge::{ApiError, BoundTenant};
use shared::service::HealthOf;

use super::create;
use super::frame::{since, state};
use crate::components::time;
use crate::page::Page;
use crate::pages::{Section, endpoint_path};
use crate::session::SignedIn;
use crate::text::endpoints as text;
use crate::{Portal, Routes, Shared};

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints", get(list))
}

async fn list(
    tenant: BoundTenant<EndpointsRead>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Page, ApiError> {
    let endpoints = portal.administrator().list_endpoints(&tenant.organization.id, &tenant.binding).await?;
    let health = portal.administrator().health_of(&endpoints).await;
    let may_create = signed_in.may(Scope::EndpointsWrite) && !tenant.binding.is_bound();
    let create = html! { a.button href=(create::path(&signed_in)) { (text::CREATE) } };
    let body = html! {
        @if endpoints.is_empty() {
            div.empty {
                p { (text::NONE) }
                @if may_create { p { (create) } }
            }
        } @else {
            @if may_create { div.actions { (create) } }
            (table(&portal, &signed_in, &endpoints, &health))
        }
    };
    Ok(Page::new(text::TITLE, body).of(Section::Endpoints))
}

fn table(portal: &Portal, signed_in: &SignedIn, endpoints: &[Endpoint], health: &HealthOf) -> Markup {
    html! {
        div.scroll {
            table.cards {
                thead {
                    tr {
                        th scope="col" { (text::NAME) }
                        th scope="col" { (text::URL) }
                        th scope="col" { (text::STATE) }
                        th scope="col" { (text::CREATED) }
                    }
                }
                tbody {
                    @for endpoint in endpoints {
                        @let health = portal.administrator().health_in(health, endpoint);
                        tr {
                            th scope="row" {
                                a href=(endpoint_path(signed_in, endpoint.id)) { (endpoint.settings.name) }
                            }
                            td { code { (endpoint.settings.url.as_str()) } }
                            td { (state(endpoint, &health)) " " (since(endpoint, &health)) }
                            td data-label=(text::CREATED) { (time(endpoint.created_at)) }
                        }
                    }
                }
            }
        }
    }
}
