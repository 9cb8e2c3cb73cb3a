//! The page of a delivery.

use maud::{Markup, html};
use shared::domain::Invalid;
use shared::domain::delivery::{Delivery, DeliveryStatus};
use shared::domain::tenancy::access::Scope;
use shared::service::DeliveryHistory;

use super::{attempts, curl, path};
use crate::components::{copy_button, copyable, countdown, delivery_status, explanation, pretty, time};
use crate::page::{Page, form_id, form_token};
use crate::pages::{Section, endpoint_path};
use crate::session::SignedIn;
use crate::text::deliveries as text;

/// Most bytes of the payload in the page.
const SHOWN_PAYLOAD_BYTES: usize = 8 * 1024;

/// What the person has just asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// A test event.
    Test,
    /// One more attempt.
    Resent,
    /// A new schedule.
    Retried,
}

impl Sent {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Resent => "again",
            Self::Retried => "retry",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let found = [Self::Test, Self::Resent, Self::Retried].into_iter().find(|sent| sent.as_str() == text);
        found.ok_or_else(|| Invalid::new("must be test, again or retry"))
    }

    const fn notice(self) -> &'static str {
        match self {
            Self::Test => text::SENT_TEST,
            Self::Resent => text::SENT_AGAIN,
            Self::Retried => text::SENT_RETRY,
        }
    }
}

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) signed_in: &'a SignedIn,
    pub(super) history: &'a DeliveryHistory,
    /// The attempt whose response is shown; by default the newest.
    pub(super) open: Option<&'a str>,
    pub(super) sent: Option<Sent>,
}

impl View<'_> {
    pub(super) fn page(self, is_older_page: bool) -> Page {
        let delivery = &self.history.delivery;
        let is_live = !is_older_page && (!delivery.status.is_final() || self.sent.is_some());
        let version = format!("{}-{}", delivery.updated_at.unix_micros(), self.history.attempts.items.len());
        let body = html! {
            @if let Some(sent) = self.sent { p.notice.neutral role="status" { span { (sent.notice()) } } }
            (self.actions())
            div #delivery data-live[is_live] data-version=(version) {
                (self.summary())
                @if let Some(failure) = delivery.failure().filter(|_| delivery.status != DeliveryStatus::Success) {
                    section.notice.bad aria-label=(text::WHY) { (explanation(failure)) }
                }
                h2 { (text::ATTEMPTS) }
                (attempts::list(self, is_older_page))
            }
            (self.payload())
            @if let Some(url) = self.history.endpoint.settings.destination.url() {
                h2 { (text::CURL) }
                p.muted { (text::CURL_HELP) }
                (curl::command(self.history, url))
            }
        };
        Page::new(delivery.event_type.as_str(), body).of(Section::Endpoints)
    }

    fn summary(self) -> Markup {
        let DeliveryHistory { delivery, endpoint, .. } = self.history;
        html! {
            dl.facts {
                dt { (text::STATUS) }
                dd { (delivery_status(delivery)) }
                @if !delivery.status.is_final() {
                    dt { (text::NEXT_ATTEMPT) }
                    dd { (next(delivery, endpoint.parks())) }
                }
                dt { (text::ENDPOINT) }
                dd { a href=(endpoint_path(self.signed_in, delivery.endpoint)) { (endpoint.settings.name) } }
                dt { (text::PUBLISHED) }
                dd { (time(delivery.id.created_at())) }
                dt { (text::EVENT) }
                dd {
                    @if self.signed_in.may(Scope::EventsRead) {
                        a href={ (self.signed_in.base()) "/events/" (delivery.id.event()) } { code { (delivery.id.event()) } }
                    } @else { code { (delivery.id.event()) } }
                }
                dt { (text::DELIVERY) }
                dd { (copyable(&delivery.id.to_string(), text::DELIVERY)) }
            }
        }
    }

    fn actions(self) -> Markup {
        let (delivery, path) = (&self.history.delivery, path(self.signed_in, self.history.delivery.id));
        if !self.signed_in.may(Scope::DeliveriesWrite) || delivery.is_expunged() {
            return html! {};
        }
        html! {
            div.actions {
                form method="post" action={ (path) "/resend" } {
                    (form_token(self.signed_in)) (form_id())
                    button.button type="submit" { (text::RESEND) }
                }
                @if delivery.status.is_recoverable() && !self.history.endpoint.is_disabled() {
                    form method="post" action={ (path) "/retry" } {
                        (form_token(self.signed_in))
                        button.button.plain type="submit" { (text::RETRY) }
                    }
                }
                p.hint { (text::RESEND_HELP) }
            }
        }
    }

    fn payload(self) -> Markup {
        let body = &self.history.payload.body;
        let (shown, is_all) = pretty(body, SHOWN_PAYLOAD_BYTES);
        let content_type = self.history.payload.content_type.as_ref().map_or("application/json", |it| it.as_str());
        html! {
            h2 { (text::PAYLOAD) }
            p.muted {
                (content_type) " · " (text::bytes(body.len())) " · "
                a href={ (path(self.signed_in, self.history.delivery.id)) "/payload" } download { (text::DOWNLOAD) }
                @if !is_all { " · " (text::CUT) }
            }
            @if is_all { (copy_button("payload", text::PAYLOAD)) }
            pre #payload tabindex="0" aria-label=(text::PAYLOAD) { code { (shown) } }
        }
    }
}

/// When the next attempt is made.
fn next(delivery: &Delivery, is_held: bool) -> Markup {
    match delivery.next_attempt_at {
        Some(at) => countdown(at),
        None if is_held => html! { (text::WHEN_RESUMED) },
        None => html! { (text::NOW) },
    }
}
