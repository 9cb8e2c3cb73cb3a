//! The log of events.

mod event;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use maud::{Markup, html};
use shared::domain::delivery::selection::{DeliveryFilter, EventSelection};
use shared::domain::endpoint::Endpoint;
use shared::domain::event::Event;
use shared::domain::tenancy::rights::Binding;
use shared::edge::scopes::EventsRead;
use shared::edge::{ApiError, BoundTenant, PublicOrigin};
use shared::store::ListedEvent;

use super::Section;
use crate::components::Column::{Number, Text};
use crate::components::{Control, Entered, Field, Filters, Tone, badge, empty, live, pager, pause, table, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::events as text;
use crate::{Routes, Shared};
use event::{download, read, remove_data};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/events", get(list))
        .route("/portal/{organization}/events/{event}", get(read))
        .route("/portal/{organization}/events/{event}/data", get(download))
        .route("/portal/{organization}/events/{event}/remove-data", post(remove_data))
}

async fn list(
    tenant: BoundTenant<EventsRead>,
    State(portal): Shared,
    signed_in: SignedIn,
    origin: PublicOrigin,
    filters: Filters,
) -> Result<Page, ApiError> {
    let (administrator, organization) = (portal.administrator(), &tenant.organization.id);
    // A person who is bound to endpoints sees the events of one of them at a time.
    let choice = match tenant.binding.is_bound() {
        true => administrator.list_endpoints(organization, &tenant.binding).await?,
        false => Vec::new(),
    };
    let mut query = filters.query();
    let wanted = (query.paging(), query.event_selection());
    let (paging, selection) = match query.finish(wanted) {
        Ok(wanted) => wanted,
        Err(problems) => {
            let entered = filters.entered(problems);
            let body = html! { (entered.notice(&FIELDS)) (form(&signed_in, &entered, &choice, false)) };
            return Ok(Page::new(text::TITLE, body).of(Section::Events).with_status(entered.status()));
        }
    };
    let entered = filters.entered(Vec::new());
    let selection = match (selection, choice.first()) {
        (EventSelection::All(event), Some(first)) => {
            EventSelection::Delivered(first.id, DeliveryFilter { event, ..DeliveryFilter::default() })
        }
        (selection, _) => selection,
    };
    let found = match tenant.binding.is_bound() && choice.is_empty() {
        true => None,
        false => {
            let cursor = paging.cursor.as_deref();
            let binding = &tenant.binding;
            Some(administrator.list_events(organization, binding, &selection, cursor, paging.limit).await?)
        }
    };
    let path = format!("{}/events", signed_in.base());
    let (items, next) = found.map_or_else(|| (Vec::new(), None), |page| (page.items, page.next));
    let next = next.map(|cursor| filters.link(&path, Some(&cursor)));
    let content = match (items.first(), filters.are_set() || !filters.get("cursor").is_empty()) {
        (Some(_), _) => table_of(&path, &items, &tenant.binding),
        (None, true) => empty(text::NONE_FOUND, None),
        (None, false) => {
            let command = text::publish_command(origin.as_str(), organization.as_str());
            empty(text::NONE, Some((text::PUBLISH, &command)))
        }
    };
    let version = items.first().map(|listed| listed.without_body().id.to_string()).unwrap_or_default();
    let first = filters.first(&path);
    let body = html! {
        (form(&signed_in, &entered, &choice, first.is_none()))
        // Later pages show the past, which does not change.
        @if first.is_none() {
            (live("events", &version, &content))
        } @else {
            (content)
        }
        (pager(first.as_deref(), next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::Events))
}

/// The filters that have fields.
const FIELDS: [&str; 6] = ["type", "channel", "external_id", "since", "until", "endpoint_id"];

fn form(signed_in: &SignedIn, entered: &Entered, choice: &[Endpoint], is_live: bool) -> Markup {
    let ids: Vec<_> = choice.iter().map(|endpoint| endpoint.id.to_string()).collect();
    let options = ids.iter().zip(choice).map(|(id, endpoint)| (id.as_str(), endpoint.settings.name.as_str()));
    let options: Vec<_> = options.collect();
    html! {
        form.filters method="get" action={ (signed_in.base()) "/events" } role="search" {
            @if !options.is_empty() {
                (Field { control: Control::Choice(&options), ..Field::line("endpoint_id", text::ENDPOINT, "") }.show(entered))
            }
            (Field::line("type", text::TYPE, "").show(entered))
            (Field::line("channel", text::CHANNEL, "").show(entered))
            (Field::line("external_id", text::EXTERNAL_ID, "").show(entered))
            (Field::line("since", text::SINCE, "").kind("datetime-local").show(entered))
            (Field::line("until", text::UNTIL, "").kind("datetime-local").show(entered))
            button.button.plain type="submit" { (text::FILTER) }
            @if is_live { (pause()) }
        }
    }
}

fn table_of(path: &str, events: &[ListedEvent], binding: &Binding) -> Markup {
    let rows = html! { @for listed in events { (row(path, listed.without_body(), binding)) } };
    table(
        &[Text(text::TYPE), Text(text::PUBLISHED), Text(text::ID), Text(text::CHANNELS), Number(text::ENDPOINTS)],
        &rows,
    )
}

/// A row of the list. A bound session does not learn how many other endpoints get the event.
fn row(path: &str, event: &Event, binding: &Binding) -> Markup {
    let endpoints = event.fan_out().filter(|(endpoint, _)| binding.includes(*endpoint)).count();
    html! {
        tr {
            th scope="row" {
                a href={ (path) "/" (event.id) } { (event.event_type) }
                @if event.is_test { " " (badge(Tone::Neutral, text::TEST)) }
                @if event.expunged_at.is_some() { " " (badge(Tone::Neutral, text::REMOVED)) }
            }
            td { (time(event.id.created_at())) }
            td {
                @match &event.external_id {
                    Some(external_id) => code { (external_id) },
                    None => code.muted { (event.id) },
                }
            }
            td data-label=(text::CHANNELS) { (event.channels.names().join(", ")) }
            td.number data-label=(text::ENDPOINTS) { (endpoints) }
        }
    }
}
