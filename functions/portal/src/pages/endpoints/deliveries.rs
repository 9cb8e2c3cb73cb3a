//! The deliveries of an endpoint.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::delivery::attempt::{Cause, Failure};
use shared::domain::delivery::{Delivery, DeliveryStatus};
use shared::domain::ids::EndpointId;
use shared::edge::scopes::DeliveriesRead;
use shared::edge::{ApiError, PathId, Tenant};

use super::frame::{Frame, Tab};
use crate::components::Column::{Number, Text};
use crate::components::{Entered, Field, Filters, countdown, delivery_status, pager, status_name, table, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::deliveries as words;
use crate::text::endpoint as text;
use crate::{Routes, Shared};

/// Deliveries of a page.
const LIMIT: usize = 25;
/// The fields of the filter, which are also the parameters of the API.
const FILTERS: [&str; 5] = ["status", "event_type", "error", "since", "until"];

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints/{endpoint}/deliveries", get(list))
}

async fn list(
    tenant: Tenant<DeliveriesRead>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    filters: Filters,
) -> Result<Page, ApiError> {
    let frame = Frame::read(&portal, &signed_in, &tenant.organization.id, endpoint).await?;
    let own = format!("{}/deliveries", frame.path());
    let mut query = filters.query();
    let wanted = (query.paging(), query.delivery_filter());
    let (paging, filter) = match query.finish(wanted) {
        Ok(wanted) => wanted,
        Err(problems) => {
            let entered = filters.entered(problems);
            let body = html! { (entered.notice(&FILTERS)) (filter_form(&own, &entered)) };
            return Ok(frame.page(Tab::Deliveries, &body).with_status(entered.status()));
        }
    };
    let entered = filters.entered(Vec::new());
    let (administrator, cursor) = (portal.administrator(), paging.cursor.as_deref());
    let limit = paging.limit.min(LIMIT);
    let found = administrator.list_deliveries(&tenant.organization.id, endpoint, &filter, cursor, limit).await?;
    let first = filters.first(&own);
    let next = found.next.map(|cursor| filters.link(&own, Some(&cursor)));
    let body = html! {
        (filter_form(&own, &entered))
        @if first.is_none() {
            p {
                button.link type="button" hidden data-pause=(text::PAUSE_LIST) data-resume=(text::RESUME_LIST) { (text::PAUSE_LIST) }
            }
        }
        div #deliveries data-live[first.is_none()] data-version=(version(&found.items)) {
            @if found.items.is_empty() { (empty(&frame, filters.are_set())) } @else { (table_of(&signed_in, &found.items)) }
        }
        (pager(first.as_deref(), next.as_deref()))
    };
    Ok(frame.page(Tab::Deliveries, &body))
}

/// Changes when the list does.
fn version(items: &[Delivery]) -> String {
    let latest = items.iter().map(|delivery| delivery.updated_at).max();
    format!("{}-{}", items.len(), latest.map_or(0, shared::domain::time::Timestamp::unix_micros))
}

fn filter_form(own: &str, entered: &Entered) -> Markup {
    let statuses = DeliveryStatus::ALL.map(|status| (status.as_str(), status_name(status)));
    let statuses: Vec<_> = std::iter::once(("", text::ANY)).chain(statuses).collect();
    let causes: Vec<_> =
        std::iter::once(("", text::ANY)).chain(Cause::ALL.map(|it| (it.as_str(), it.as_str()))).collect();
    html! {
        form.filters method="get" action=(own) {
            (Field::choice("status", words::STATUS, "", &statuses).show(entered))
            (Field::line("event_type", text::TYPE, "").show(entered))
            (Field::choice("error", text::ERROR, "", &causes).show(entered))
            (Field::line("since", text::SINCE_UTC, "").kind("datetime-local").show(entered))
            (Field::line("until", text::UNTIL_UTC, "").kind("datetime-local").show(entered))
            button.button.plain type="submit" { (text::FILTER) }
            @if FILTERS.iter().any(|name| !entered.value(name).is_empty()) { a href=(own) { (text::ALL) } }
        }
    }
}

fn empty(frame: &Frame<'_>, is_filtered: bool) -> Markup {
    html! {
        div.empty {
            @if is_filtered { p { (text::NONE_MATCH) } } @else {
                p { (text::NO_DELIVERIES) }
                @if frame.signed_in.may(shared::domain::tenancy::access::Scope::EndpointsWrite) {
                    p { a.button href={ (frame.path()) "/test" } { (text::TEST) } }
                }
            }
        }
    }
}

fn table_of(signed_in: &SignedIn, deliveries: &[Delivery]) -> Markup {
    let rows = html! {
        @for delivery in deliveries {
            tr {
                th scope="row" {
                    a href={ (signed_in.base()) "/deliveries/" (delivery.id) } { (delivery.event_type) }
                }
                td { (delivery_status(delivery)) }
                td data-label=(text::LAST_RESULT) { (result(delivery)) }
                td.number data-label=(words::ATTEMPTS) { (delivery.attempts) }
                td data-label=(words::PUBLISHED) { (time(delivery.id.created_at())) }
                td data-label=(words::NEXT_ATTEMPT) {
                    @if let Some(at) = delivery.next_attempt_at { (countdown(at)) }
                }
            }
        }
    };
    table(
        &[
            Text(text::TYPE),
            Text(words::STATUS),
            Text(text::LAST_RESULT),
            Number(words::ATTEMPTS),
            Text(words::PUBLISHED),
            Text(words::NEXT_ATTEMPT),
        ],
        &rows,
    )
}

/// The status of the response, or the error.
fn result(delivery: &Delivery) -> Markup {
    let failure = delivery.failure().filter(|_| delivery.status != DeliveryStatus::Success);
    let name = |failure: Failure| failure.detail.map_or(failure.cause.as_str(), |detail| detail.as_str());
    html! {
        @match (delivery.response_status(), failure) {
            (Some(status), _) => (status),
            (None, Some(failure)) => code { (name(failure)) },
            (None, None) => (text::NOTHING),
        }
    }
}
