//! The list of endpoints.

use std::collections::HashMap;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::future::join_all;
use maud::{Markup, html};
use shared::domain::endpoint::Endpoint;
use shared::domain::ids::EndpointId;
use shared::domain::statistics::{Interval, Span, Statistics};
use shared::domain::tenancy::access::Scope;
use shared::domain::time::Timestamp;
use shared::edge::scopes::EndpointsRead;
use shared::edge::{ApiError, BoundTenant, Search};
use shared::service::HealthOf;
use tracing::warn;

use super::create;
use super::frame::{since, state};
use super::overview::{OUTCOMES, bars, share};
use crate::components::Column::{Number, Text};
use crate::components::{Axis, Chart, copyable, pager, table};
use crate::page::Page;
use crate::pages::{Section, endpoint_path};
use crate::session::SignedIn;
use crate::text::endpoints as text;
use crate::{Portal, Routes, Shared};

/// Endpoints of a page. The statistics of each are read.
const LIMIT: usize = 20;
/// Hours of a bar, so that a page stays small.
const HOURS: usize = 2;

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints", get(list))
}

/// The statistics of the last 24 hours, by hour.
type OfDay = HashMap<EndpointId, Vec<(Timestamp, Statistics)>>;

async fn list(
    tenant: BoundTenant<EndpointsRead>,
    signed_in: SignedIn,
    State(portal): Shared,
    Search(mut query): Search,
) -> Result<Page, ApiError> {
    let after =
        query.take("cursor", |id| EndpointId::parse(id).map_err(|e| shared::domain::Invalid::new(e.to_string())));
    let after = query.finish(after)?;
    let administrator = portal.administrator();
    let page = administrator.endpoints_after(&tenant.organization.id, &tenant.binding, after, LIMIT).await?;
    let endpoints = page.items;
    let own = format!("{}/endpoints", signed_in.base());
    let next = page.next.map(|last| format!("{own}?cursor={last}"));
    let health = administrator.health_of(&endpoints).await;
    let statistics = match signed_in.may(Scope::DeliveriesRead) {
        true => statistics(&portal, &endpoints).await,
        false => OfDay::new(),
    };
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
            (table_of(&portal, &signed_in, &endpoints, &health, &statistics))
        }
        (pager(after.map(|_| own.as_str()), next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::Endpoints))
}

/// Reads the statistics of these endpoints. What cannot be read is left out.
async fn statistics(portal: &Portal, endpoints: &[Endpoint]) -> OfDay {
    let administrator = portal.administrator();
    let now = administrator.clock().now();
    let span = Span::new(None, None, Interval::Hour, now).unwrap_or_else(|_| Span::of_now(Interval::Hour, now));
    let read = endpoints.iter().map(async |endpoint| {
        let found = administrator.endpoint_statistics(&endpoint.organization, endpoint.id, span).await;
        (endpoint.id, found)
    });
    let readable = join_all(read).await.into_iter().filter_map(|(endpoint, found)| {
        found
            .map_err(|error| warn!(%endpoint, %error, "the statistics of a listed endpoint were not read"))
            .ok()
            .map(|it| (endpoint, it))
    });
    readable.collect()
}

fn table_of(
    portal: &Portal,
    signed_in: &SignedIn,
    endpoints: &[Endpoint],
    health: &HealthOf,
    statistics: &OfDay,
) -> Markup {
    let rows = html! {
        @for endpoint in endpoints {
            @let health = portal.administrator().health_in(health, endpoint);
            tr {
                th scope="row" {
                    a href=(endpoint_path(signed_in, endpoint.id)) { (endpoint.settings.name) }
                    div.muted { (copyable(endpoint.settings.destination.as_str(), text::URL)) }
                }
                td { (state(endpoint, &health)) " " (since(endpoint, &health)) }
                td { @if let Some(of_day) = statistics.get(&endpoint.id) { (chart(of_day)) } }
                td.number data-label=(text::SHARE) {
                    @if let Some(of_day) = statistics.get(&endpoint.id) { (share(&sum(of_day))) }
                }
            }
        }
    };
    table(&[Text(text::NAME), Text(text::STATE), Text(text::LAST_DAY), Number(text::SHARE)], &rows)
}

fn chart(of_day: &[(Timestamp, Statistics)]) -> Markup {
    let sums: Vec<_> = of_day.chunks(HOURS).filter_map(|hours| Some((hours.first()?.0, sum(hours)))).collect();
    Chart { title: text::LAST_DAY, axis: Axis::Times, series: &OUTCOMES, bars: &bars(&sums) }.mini()
}

fn sum(of_day: &[(Timestamp, Statistics)]) -> Statistics {
    let mut total = Statistics::default();
    of_day.iter().for_each(|(_, of_hour)| total += *of_hour);
    total
}
