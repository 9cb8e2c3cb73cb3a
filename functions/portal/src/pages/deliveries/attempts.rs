//! The attempts of a delivery as a time line, newest first.

use maud::{Markup, html};
use shared::domain::delivery::recorded::RecordedAttempt;
use shared::domain::delivery::response::Response;
use shared::domain::delivery::trigger::Trigger;

use super::path;
use super::view::View;
use crate::components::{Tone, badge, in_short, pager, pretty, time};
use crate::text::deliveries as text;

/// How much of a response is shown. Attempts keep less; only the line breaks add to it.
const SHOWN_BODY_BYTES: usize = 8 * 1024;

pub(super) fn list(view: View<'_>, is_older_page: bool) -> Markup {
    let attempts = &view.history.attempts;
    let own = path(view.signed_in, view.history.delivery.id);
    let next = attempts.next.as_ref().map(|cursor| format!("{own}?cursor={cursor}"));
    html! {
        @if attempts.items.is_empty() { p.muted { (text::NO_ATTEMPTS) } }
        ol.timeline {
            @for (index, attempt) in attempts.items.iter().enumerate() {
                @let id = attempt.id.to_string();
                li id=(id) {
                    (head(attempt))
                    @if let Some(response) = &attempt.response {
                        // One response is shown at a time, so that a page stays small.
                        @if view.open.map_or(index == 0, |open| open == id) {
                            (response_of(response, attempt.entry.body_cut))
                        } @else {
                            a href={ (own) "?attempt=" (id) "#" (id) } { (text::SHOW_RESPONSE) }
                        }
                    }
                }
            }
        }
        (pager(is_older_page.then_some(own.as_str()), next.as_deref()))
    }
}

fn head(attempt: &RecordedAttempt) -> Markup {
    let entry = &attempt.entry;
    let is_success = entry.error.is_none();
    let result = match entry.response_status {
        Some(status) => status.to_string(),
        None if is_success => text::SUCCESS.to_owned(),
        None => text::NO_RESPONSE.to_owned(),
    };
    html! {
        p.attempt {
            (badge(if is_success { Tone::Good } else { Tone::Bad }, &result)) " "
            strong { (entry.number.map_or_else(|| text::RESEND_ATTEMPT.to_owned(), text::attempt)) } " "
            (time(entry.started_at)) " "
            span.muted { (text::milliseconds(entry.duration_ms)) " · " (trigger(entry.trigger)) }
        }
        @if let Some(failure) = entry.failure() {
            p {
                (in_short(failure)) " "
                a href=(failure.docs_url()) {
                    code { (failure.detail.map_or(failure.cause.as_str(), |detail| detail.as_str())) }
                }
            }
        }
    }
}

const fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => text::BY_SCHEDULE,
        Trigger::Manual => text::BY_RETRY,
        Trigger::Resend => text::BY_RESEND,
        Trigger::HalfOpen => text::BY_PROBE,
        Trigger::Test => text::BY_TEST,
    }
}

fn response_of(response: &Response, is_cut: bool) -> Markup {
    let (body, _) = pretty(response.body(), SHOWN_BODY_BYTES);
    html! {
        details open {
            summary { (text::RESPONSE) }
            @if response.headers().next().is_some() {
                table.plain {
                    caption.unseen { (text::RESPONSE_HEADERS) }
                    tbody {
                        @for (name, value) in response.headers() {
                            tr { th scope="row" { code { (name) } } td { code { (value) } } }
                        }
                    }
                }
            }
            @if body.is_empty() { p.muted { (text::EMPTY_BODY) } } @else {
                pre tabindex="0" aria-label=(text::RESPONSE_BODY) { code { (body) } }
            }
            @if is_cut { p.muted { (text::BODY_BROKEN) } }
        }
    }
}
