//! The pages. Each module has the routes of one page and what belongs to it.

mod deliveries;
mod endpoints;
mod operator;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use shared::domain::ids::EndpointId;
use shared::domain::portal::session::PortalTenant;
use shared::domain::tenancy::access::Scope;

use crate::Routes;
use crate::session::SignedIn;
use crate::text;

/// A part of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// All organizations, for operators.
    Organizations,
    /// The endpoints of an organization.
    Endpoints,
}

impl Section {
    /// The name in the navigation.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Organizations => text::operator::TITLE,
            Self::Endpoints => text::endpoints::TITLE,
        }
    }
}

/// The routes of all pages, for those who are signed in.
pub(crate) fn routes() -> Routes {
    Router::new()
        .route("/portal", get(first))
        .route("/portal/{organization}", get(first))
        .merge(operator::routes())
        .merge(endpoints::routes())
        .merge(deliveries::routes())
}

async fn first(signed_in: SignedIn) -> Redirect {
    let tenant = match &signed_in.organization {
        Some(organization) => PortalTenant::Organization(organization.id.clone()),
        None => signed_in.session.tenant.clone(),
    };
    Redirect::to(&first_page(&tenant))
}

/// The path of the page that a person sees first.
pub(crate) fn first_page(tenant: &PortalTenant) -> String {
    match tenant {
        PortalTenant::Organization(id) => format!("/portal/{id}/endpoints"),
        PortalTenant::Operator => "/portal/operator".to_owned(),
    }
}

/// The navigation of a page: the sections that the person may see, and their paths.
pub(crate) fn sections(signed_in: &SignedIn) -> Vec<(Section, String)> {
    let mut found = Vec::new();
    if signed_in.is_operator() {
        found.push((Section::Organizations, "/portal/operator".to_owned()));
    }
    if signed_in.organization.is_some() && signed_in.may(Scope::EndpointsRead) {
        found.push((Section::Endpoints, format!("{}/endpoints", signed_in.base())));
    }
    found
}

/// The path of an endpoint's pages.
pub(crate) fn endpoint_path(signed_in: &SignedIn, endpoint: EndpointId) -> String {
    format!("{}/endpoints/{endpoint}", signed_in.base())
}
