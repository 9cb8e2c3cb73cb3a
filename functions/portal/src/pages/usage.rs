//! The page of usage: events, deliveries and attempts by day, and how near the limits are.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::tenancy::usage::{Day, Days, Usage};
use shared::edge::scopes::OrganizationRead;
use shared::edge::{ApiError, Tenant};
use shared::service::CurrentState;

use super::Section;
use crate::components::{Axis, Bar, Chart, Series, Tone};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::{number, usage as text};
use crate::{Routes, Shared};

const SECONDS_OF_DAY: i64 = 24 * 60 * 60;

const EVENTS: Series = Series { name: text::EVENTS, tone: Tone::Neutral };
const DELIVERIES: Series = Series { name: text::DELIVERIES, tone: Tone::Neutral };
const ATTEMPTS: Series = Series { name: text::ATTEMPTS, tone: Tone::Neutral };

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/usage", get(read))
}

async fn read(
    tenant: Tenant<OrganizationRead>,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: crate::components::Filters,
) -> Result<Page, ApiError> {
    let (administrator, organization) = (portal.administrator(), &tenant.organization.id);
    let today = Day::of(administrator.clock().now());
    let mut query = filters.query();
    let days = query.take("to", Day::parse).filter(|to| *to <= today);
    let to = query.finish(days)?.unwrap_or(today);
    let days = Days::new(None, Some(to), today).unwrap_or_else(|_| Days::only(today));
    let usage = administrator.meter().usage(organization, days).await?;
    let month = administrator.meter().usage(organization, Days::of_month(today)).await?;
    let state = administrator.current_state(organization).await?;
    let events_of_month = month.iter().map(|(_, usage)| usage.events).sum();
    let all = [EVENTS, DELIVERIES, ATTEMPTS];
    let bars: Vec<_> = usage.iter().map(|(day, usage)| Bar { start: day.start(), values: numbers(usage) }).collect();
    let path = format!("{}/usage", signed_in.base());
    let body = html! {
        h2 { (text::LIMITS) }
        (limits(&state, events_of_month))
        h2 { (text::by_day(&days.first().to_string(), &days.last().to_string())) }
        @for (index, series) in all.into_iter().enumerate() {
            @let single: Vec<_> = bars.iter().map(|bar| Bar { start: bar.start, values: vec![bar.values[index]] }).collect();
            (Chart { title: text::TITLES[index], axis: Axis::Days, series: &[series], bars: &single }.plain())
        }
        (Chart { title: text::ALL, axis: Axis::Days, series: &all, bars: &bars }.numbers())
        nav.pager aria-label=(text::DAYS) {
            a href={ (path) "?to=" (before(days.first())) } rel="prev" { (text::EARLIER) }
            @if to < today { a href=(path) { (text::LATEST) } }
        }
    };
    Ok(Page::new(text::TITLE, body).of(Section::Usage))
}

fn numbers(usage: &Usage) -> Vec<u64> {
    vec![usage.events, usage.deliveries, usage.attempts]
}

fn before(day: Day) -> Day {
    let start = day.start().unix_seconds();
    Day::of(shared::domain::time::Timestamp::from_unix_seconds((start - SECONDS_OF_DAY).max(0)))
}

fn limits(state: &CurrentState, events_of_month: u64) -> Markup {
    let limits = state.limits();
    html! {
        dl.facts.limits {
            dt { (text::EVENTS_OF_MONTH) }
            dd { (near(text::EVENTS_OF_MONTH, events_of_month, limits.events_per_month)) }
            dt { (text::ENDPOINTS) }
            dd { (near(text::ENDPOINTS, state.endpoints(), Some(limits.max_endpoints.into()))) }
            dt { (text::RATE) }
            dd {
                @match limits.rate {
                    Some(rate) => (text::per_second(rate.per_second(), rate.burst())),
                    None => (text::UNLIMITED),
                }
            }
            dt { (text::DATA_BYTES) }
            dd { (text::kilobytes(limits.max_event_bytes)) }
        }
    }
}

/// How much of a limit is used.
fn near(what: &str, used: u64, limit: Option<u64>) -> Markup {
    let Some(limit) = limit else { return html! { (number(used)) " " span.muted { (text::UNLIMITED) } } };
    let percent = u64::try_from(u128::from(used) * 100 / u128::from(limit.max(1))).unwrap_or(u64::MAX);
    html! {
        meter min="0" max=(limit) high=(limit / 10 * 8) optimum="0" value=(used.min(limit)) aria-label=(what) {}
        " " (text::of(used, limit, percent))
    }
}
