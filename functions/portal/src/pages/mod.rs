//! The pages. Each module has the routes of one page and what belongs to it.

mod access;
mod deliveries;
mod endpoints;
mod event_types;
mod events;
mod operator;
mod usage;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use shared::domain::endpoint::Endpoint;
use shared::domain::endpoint::url::EndpointUrl;
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
    /// The state of the deployment, for operators.
    Health,
    /// The endpoints of an organization.
    Endpoints,
    /// The events of an organization.
    Events,
    /// The catalogue of event types.
    EventTypes,
    /// The usage and the limits of an organization.
    Usage,
    /// The API keys and the portal sessions of an organization.
    Access,
}

impl Section {
    /// The name in the navigation.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Organizations => text::operator::TITLE,
            Self::Health => text::operator::HEALTH,
            Self::Endpoints => text::endpoints::TITLE,
            Self::Events => text::events::TITLE,
            Self::EventTypes => text::event_types::TITLE,
            Self::Usage => text::usage::TITLE,
            Self::Access => text::access::TITLE,
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
        .merge(events::routes())
        .merge(event_types::routes())
        .merge(usage::routes())
        .merge(access::routes())
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
        found.push((Section::Health, "/portal/operator/health".to_owned()));
    }
    if signed_in.organization.is_none() {
        return found;
    }
    let is_bound = signed_in.session.binding.is_bound();
    let of_organization = [
        (Section::Endpoints, "endpoints", signed_in.may(Scope::EndpointsRead)),
        (Section::Events, "events", signed_in.may(Scope::EventsRead)),
        (Section::EventTypes, "event-types", true),
        (Section::Usage, "usage", signed_in.may(Scope::OrganizationRead) && !is_bound),
        (Section::Access, "access", signed_in.may(Scope::KeysRead) && !is_bound),
    ];
    let base = signed_in.base();
    let visible = of_organization.into_iter().filter(|(.., is_visible)| *is_visible);
    found.extend(visible.map(|(section, page, _)| (section, format!("{base}/{page}"))));
    found
}

/// The host of an endpoint's URL, or its ARN.
pub(crate) fn host(endpoint: &Endpoint) -> &str {
    let destination = &endpoint.settings.destination;
    destination.url().map_or(destination.as_str(), EndpointUrl::host)
}

/// The path of an endpoint's pages.
pub(crate) fn endpoint_path(signed_in: &SignedIn, endpoint: EndpointId) -> String {
    format!("{}/endpoints/{endpoint}", signed_in.base())
}
