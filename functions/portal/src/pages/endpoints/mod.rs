//! The list of endpoints.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::endpoint::{Endpoint, EndpointStatus};
use shared::edge::scopes::EndpointsRead;
use shared::edge::{ApiError, BoundTenant};

use super::Section;
use crate::components::{Tone, badge, copyable, time};
use crate::page::Page;
use crate::text::endpoints as text;
use crate::{Routes, Shared};

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints", get(list))
}

async fn list(tenant: BoundTenant<EndpointsRead>, State(portal): Shared) -> Result<Page, ApiError> {
    let endpoints = portal.administrator().list_endpoints(&tenant.organization.id, &tenant.binding).await?;
    let body = if endpoints.is_empty() {
        html! { p { (text::NONE) } }
    } else {
        table(&endpoints)
    };
    Ok(Page::new(text::TITLE, body).of(Section::Endpoints))
}

fn table(endpoints: &[Endpoint]) -> Markup {
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
                        tr {
                            th scope="row" { (endpoint.settings.name) }
                            td { (copyable(endpoint.settings.url.as_str(), text::URL)) }
                            td { (state(endpoint)) }
                            td { (time(endpoint.created_at)) }
                        }
                    }
                }
            }
        }
    }
}

fn state(endpoint: &Endpoint) -> Markup {
    match endpoint.status {
        EndpointStatus::Active => badge(Tone::Good, text::ACTIVE),
        EndpointStatus::Paused { .. } => badge(Tone::Neutral, text::PAUSED),
        EndpointStatus::Disabled { .. } => badge(Tone::Bad, text::DISABLED),
    }
}
