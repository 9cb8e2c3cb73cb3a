//! The page of an event: its data, and its deliveries to every endpoint.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use maud::{Markup, html};
use shared::domain::delivery::Delivery;
use shared::domain::endpoint::Endpoint;
use shared::domain::event::Event;
use shared::domain::event::payload::Data;
use shared::domain::ids::{EndpointId, EventId};
use shared::domain::time::Timestamp;
use shared::edge::scopes::{EventsRead, OrganizationWrite};
use shared::edge::{ApiError, BoundTenant, PathId, Tenant};
use shared::service::EventPart;
use shared::wire::error::Problem;

use super::Section;
use crate::Shared;
use crate::components::Column::{Number, Text};
use crate::components::{
    Filters, block, confirmed, copyable, delivery_status, in_short, live, pager, pause, pretty, table, time,
};
use crate::page::Page;
use crate::pages::deliveries::PAYLOAD_POLICY;
use crate::pages::host;
use crate::session::SignedIn;
use crate::text::{deliveries, events as text};

/// Deliveries of a page.
const LIMIT: usize = 50;
/// Most bytes of the data in the page.
const SHOWN_DATA_BYTES: usize = 8 * 1024;

pub(super) async fn read(
    tenant: BoundTenant<EventsRead>,
    PathId(event): PathId<EventId>,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<Page, ApiError> {
    let from = match filters.get("cursor") {
        "" => 0,
        cursor => cursor.parse().map_err(|_| bad_cursor())?,
    };
    let (organization, binding) = (&tenant.organization.id, &tenant.binding);
    let part = portal.administrator().event_part(organization, binding, event, from, LIMIT).await?;
    let EventPart { published, endpoints, next } = part;
    let event = &published.event;
    let path = format!("{}/events/{}", signed_in.base(), event.id);
    let deliveries = table_of(&signed_in, &published.deliveries, &endpoints);
    let next = next.map(|next| filters.link(&path, Some(&next.to_string())));
    let may_remove = tenant.caller.is_owner() && event.expunged_at.is_none();
    let body = html! {
        p { a href={ (signed_in.base()) "/events" } { (text::ALL) } }
        (facts(event))
        h2 { (text::DATA) }
        @match (event.expunged_at, event.data()) {
            (Some(at), _) => p { (text::DATA_WAS_REMOVED) " " (time(at)) },
            (None, data) => (payload(data, &format!("{path}/data"))),
        }
        div.heading { h2 { (text::DELIVERIES) } (pause()) }
        (live("deliveries", &version(&published.deliveries), &deliveries))
        (pager(filters.first(&path).as_deref(), next.as_deref()))
        @if may_remove {
            (confirmed(&signed_in, &format!("{path}/remove-data"), text::REMOVE_DATA, text::REMOVE_DATA_CONSEQUENCE))
        }
    };
    Ok(Page::new(event.event_type.as_str(), body).of(Section::Events))
}

/// The whole data as a file of plain text.
pub(super) async fn download(
    tenant: BoundTenant<EventsRead>,
    PathId(event): PathId<EventId>,
    State(portal): Shared,
) -> Result<Response, ApiError> {
    // Whether a bound person may read the event depends on its deliveries; anybody else needs none of them.
    let limit = if tenant.binding.is_bound() { LIMIT } else { 1 };
    let part = portal.administrator().event_part(&tenant.organization.id, &tenant.binding, event, 0, limit).await?;
    let event = part.published.event;
    let (Data::Json(content) | Data::Text(content)) = event.data();
    let disposition = format!("attachment; filename=\"{}.txt\"", event.id);
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, disposition),
        (CONTENT_SECURITY_POLICY, PAYLOAD_POLICY.to_owned()),
    ];
    Ok((headers, content.to_owned()).into_response())
}

pub(super) async fn remove_data(
    tenant: Tenant<OrganizationWrite>,
    PathId(event): PathId<EventId>,
    State(portal): Shared,
    signed_in: SignedIn,
) -> Result<Redirect, ApiError> {
    portal.administrator().expunge_event(&tenant.organization.id, &tenant.caller, event).await?;
    Ok(Redirect::to(&format!("{}/events/{event}", signed_in.base())))
}

fn bad_cursor() -> ApiError {
    ApiError::invalid(vec![Problem::new("cursor", "is not one that a list returned")])
}

/// The beginning of the data, and a link to all of it.
fn payload(data: Data<'_>, download: &str) -> Markup {
    let (Data::Json(content) | Data::Text(content)) = data;
    let (shown, is_all) = match data {
        Data::Json(json) => pretty(json, SHOWN_DATA_BYTES),
        Data::Text(plain) => {
            let end = plain.floor_char_boundary(SHOWN_DATA_BYTES);
            (plain[..end].to_owned(), end == plain.len())
        }
    };
    html! {
        p.muted {
            (deliveries::bytes(content.len())) " · "
            a href=(download) download { (deliveries::DOWNLOAD) }
            @if !is_all { " · " (deliveries::CUT) }
        }
        (block("data", &shown, text::DATA))
    }
}

fn facts(event: &Event) -> Markup {
    html! {
        dl.facts {
            dt { (text::ID) } dd { (copyable(&event.id.to_string(), text::ID)) }
            dt { (text::PUBLISHED) } dd { (time(event.id.created_at())) }
            @if let Some(external_id) = &event.external_id {
                dt { (text::EXTERNAL_ID) } dd { (copyable(&external_id.to_string(), text::EXTERNAL_ID)) }
            }
            @if !event.channels.is_empty() { dt { (text::CHANNELS) } dd { (event.channels.names().join(", ")) } }
            @if let Some(subject) = &event.subject {
                dt { (text::SUBJECT) } dd { (subject.kind.as_str()) " " code { (subject.id.as_str()) } }
            }
            @if let Some(version) = event.schema_version { dt { (text::SCHEMA_VERSION) } dd { (version) } }
            @if event.is_test { dt { (text::TEST) } dd { (text::IS_TEST) } }
        }
    }
}

/// Differs whenever a delivery changes.
fn version(deliveries: &[Delivery]) -> String {
    let latest = deliveries.iter().map(|delivery| delivery.updated_at).max();
    let attempts: u64 = deliveries.iter().map(|delivery| u64::from(delivery.attempts)).sum();
    let finals = deliveries.iter().filter(|delivery| delivery.status.is_final()).count();
    format!("{}-{}-{attempts}-{finals}", deliveries.len(), latest.map_or(0, Timestamp::unix_micros))
}

fn table_of(signed_in: &SignedIn, deliveries: &[Delivery], endpoints: &HashMap<EndpointId, Endpoint>) -> Markup {
    if deliveries.is_empty() {
        return html! { p.muted { (text::NO_DELIVERIES) } };
    }
    let base = signed_in.base();
    let rows = html! {
        @for delivery in deliveries {
            tr {
                th scope="row" {
                    a href={ (base) "/deliveries/" (delivery.id) } {
                        (endpoints.get(&delivery.endpoint).map_or("", |it| it.settings.name.as_str()))
                    }
                    @if let Some(endpoint) = endpoints.get(&delivery.endpoint) {
                        br; span.muted { (host(endpoint)) }
                    }
                }
                td {
                    (delivery_status(delivery))
                    @if let Some(failure) = delivery.failure() { " " span.muted { (in_short(failure)) } }
                }
                td.number data-label=(text::ATTEMPTS) { (delivery.attempts) }
                td data-label=(text::NEXT_ATTEMPT) {
                    @if let Some(at) = delivery.next_attempt_at { (time(at)) } @else { "–" }
                }
                td data-label=(text::UPDATED) { (time(delivery.updated_at)) }
            }
        }
    };
    let columns = [
        Text(text::ENDPOINT),
        Text(text::STATE),
        Number(text::ATTEMPTS),
        Text(text::NEXT_ATTEMPT),
        Text(text::UPDATED),
    ];
    table(&columns, &rows)
}
