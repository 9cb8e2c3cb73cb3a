//! What the pages of an endpoint have in common: its state, what can be done with it, and the tabs.

use maud::{Markup, html};
use shared::domain::endpoint::health::{Health, HealthState};
use shared::domain::endpoint::{DisabledReason, Endpoint, EndpointStatus};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::tenancy::access::Scope;
use shared::edge::ApiError;

use crate::Portal;
use crate::components::{Tone, badge, copyable, countdown, time};
use crate::page::{Page, form_token};
use crate::pages::{Section, endpoint_path};
use crate::session::SignedIn;
use crate::text::endpoint as text;

/// A page of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Deliveries,
    Test,
    Settings,
    Signing,
    Replay,
}

impl Tab {
    const ALL: [Self; 6] = [Self::Overview, Self::Deliveries, Self::Test, Self::Settings, Self::Signing, Self::Replay];

    const fn name(self) -> &'static str {
        match self {
            Self::Overview => text::OVERVIEW,
            Self::Deliveries => text::DELIVERIES,
            Self::Test => text::TEST,
            Self::Settings => text::SETTINGS,
            Self::Signing => text::SIGNING,
            Self::Replay => text::REPLAY,
        }
    }

    /// The part of the path behind that of the endpoint.
    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Deliveries => "/deliveries",
            Self::Test => "/test",
            Self::Settings => "/settings",
            Self::Signing => "/signing",
            Self::Replay => "/replay",
        }
    }

    fn is_for(self, signed_in: &SignedIn) -> bool {
        match self {
            Self::Overview => true,
            Self::Deliveries => signed_in.may(Scope::DeliveriesRead),
            Self::Replay => signed_in.may(Scope::DeliveriesWrite),
            Self::Test | Self::Settings | Self::Signing => signed_in.may(Scope::EndpointsWrite),
        }
    }
}

/// What the pages of an endpoint show above their own contents.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) signed_in: &'a SignedIn,
    pub(super) endpoint: Endpoint,
    pub(super) health: Health,
}

impl<'a> Frame<'a> {
    /// Reads an endpoint and its health.
    ///
    /// # Errors
    /// 404 if the organization does not have it.
    pub(super) async fn read(
        portal: &Portal,
        signed_in: &'a SignedIn,
        organization: &OrganizationId,
        id: EndpointId,
    ) -> Result<Self, ApiError> {
        let endpoint = portal.administrator().endpoint(organization, id).await?;
        let health = portal.administrator().current_health_of(&endpoint).await;
        Ok(Self { signed_in, endpoint, health })
    }

    /// The path of the endpoint's pages.
    pub(super) fn path(&self) -> String {
        endpoint_path(self.signed_in, self.endpoint.id)
    }

    /// A page with these contents.
    pub(super) fn page(&self, tab: Tab, body: &Markup) -> Page {
        let path = self.path();
        let body = html! {
            div.about {
                p { (state(&self.endpoint, &self.health)) " " (since(&self.endpoint, &self.health)) }
                p { (copyable(self.endpoint.settings.destination.as_str(), text::URL)) }
                @if let Some(description) = &self.endpoint.settings.description { p.muted { (description) } }
            }
            @if self.signed_in.may(Scope::EndpointsWrite) { (self.actions()) }
            nav.tabs aria-label=(text::TABS) {
                @for each in Tab::ALL.into_iter().filter(|each| each.is_for(self.signed_in)) {
                    a href={ (path) (each.path()) } aria-current=[(each == tab).then_some("page")] { (each.name()) }
                }
            }
            (body)
        };
        Page::new(self.endpoint.settings.name.as_str(), body).of(Section::Endpoints)
    }

    fn actions(&self) -> Markup {
        let is_suspended = self.health.state == HealthState::Suspended;
        html! {
            div.actions {
                @match self.endpoint.status {
                    EndpointStatus::Active => {
                        @if is_suspended { (self.change("active", text::RESUME_NOW, "")) }
                        (self.change("paused", text::PAUSE, ""))
                    }
                    EndpointStatus::Paused { .. } => { (self.change("active", text::RESUME, "")) }
                    EndpointStatus::Disabled { .. } => { (self.change("active", text::ENABLE, "")) }
                }
                @if !self.endpoint.is_disabled() {
                    (self.change("disabled", text::DISABLE, text::DISABLE_QUESTION))
                }
                a.button.danger href={ (self.path()) "/delete" } { (text::DELETE) }
            }
        }
    }

    fn change(&self, status: &str, name: &str, question: &str) -> Markup {
        html! {
            form method="post" action={ (self.path()) "/status" } {
                (form_token(self.signed_in))
                button.button.plain type="submit" name="status" value=(status)
                    data-confirm=[(!question.is_empty()).then_some(question)] { (name) }
            }
        }
    }
}

/// The state of an endpoint as a word.
pub(super) fn state(endpoint: &Endpoint, health: &Health) -> Markup {
    match (endpoint.status, health.state) {
        (EndpointStatus::Paused { .. }, _) => badge(Tone::Neutral, text::PAUSED),
        (EndpointStatus::Disabled { .. }, _) => badge(Tone::Bad, text::DISABLED),
        (EndpointStatus::Active, HealthState::Healthy) => badge(Tone::Good, text::ACTIVE),
        (EndpointStatus::Active, HealthState::Failing) => badge(Tone::Warning, text::FAILING),
        (EndpointStatus::Active, HealthState::Suspended) => badge(Tone::Bad, text::SUSPENDED),
    }
}

/// Since when, or why, or until when an endpoint is in its state.
pub(super) fn since(endpoint: &Endpoint, health: &Health) -> Markup {
    html! {
        span.muted {
            @match endpoint.status {
                EndpointStatus::Paused { at } => { (text::SINCE) " " (time(at)) }
                EndpointStatus::Disabled { reason } => (disabled_because(reason)),
                EndpointStatus::Active => {
                    @if let Some(at) = health.next_probe_at { (text::NEXT_PROBE) " " (countdown(at)) }
                    @else if let Some(at) = health.failing_since { (text::SINCE) " " (time(at)) }
                }
            }
        }
    }
}

const fn disabled_because(reason: Option<DisabledReason>) -> &'static str {
    match reason {
        Some(DisabledReason::Owner) => text::BY_OWNER,
        Some(DisabledReason::Gone) => text::BY_GONE,
        Some(DisabledReason::Failing) => text::BY_FAILING,
        None => "",
    }
}
