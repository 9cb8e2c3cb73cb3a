//! The overview of an endpoint: whether deliveries arrive, and what happened in the last 24 hours.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::endpoint::EndpointStatus;
use shared::domain::endpoint::health::HealthState;
use shared::domain::ids::EndpointId;
use shared::domain::statistics::{Interval, Span, Statistics};
use shared::domain::tenancy::access::Scope;
use shared::domain::time::Timestamp;
use shared::edge::scopes::EndpointsRead;
use shared::edge::{ApiError, PathId, Tenant};

use super::frame::{Frame, Tab};
use crate::components::{Axis, Bar, Chart, Series, Tone, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::{self as texts, endpoint as text};
use crate::{Routes, Shared};

/// The outcomes of deliveries.
pub(super) const OUTCOMES: [Series; 2] =
    [Series { name: text::DELIVERED, tone: Tone::Good }, Series { name: text::NOT_DELIVERED, tone: Tone::Bad }];

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints/{endpoint}", get(read))
}

async fn read(
    tenant: Tenant<EndpointsRead>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Page, ApiError> {
    let administrator = portal.administrator();
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    let now = administrator.clock().now();
    let statistics = async {
        if !signed_in.may(Scope::DeliveriesRead) {
            return Ok(None);
        }
        let span = Span::new(None, None, Interval::Hour, now).unwrap_or_else(|_| Span::of_now(Interval::Hour, now));
        administrator.endpoint_statistics(&tenant.organization.id, endpoint.id, span).await.map(Some)
    };
    let waiting = async {
        if !endpoint.parks() {
            return Ok(None);
        }
        administrator.count_held(endpoint.id).await.map(Some)
    };
    let (health, statistics, waiting) = tokio::join!(administrator.full_health_of(&endpoint), statistics, waiting);
    let (statistics, waiting) = (statistics?, waiting?);
    let frame = Frame { signed_in: &signed_in, endpoint, health };
    let body = html! {
        (sentence(&frame))
        @if let Some((count, is_all)) = waiting.filter(|(count, _)| *count > 0) {
            p { strong { (texts::number(count as u64)) @if !is_all { "+" } } " " (text::WAITING) }
        }
        @if let Some(statistics) = &statistics { (numbers(statistics, &frame)) }
    };
    Ok(frame.page(Tab::Overview, &body))
}

/// Says in a sentence whether deliveries arrive, and what to do if they do not.
fn sentence(frame: &Frame<'_>) -> Markup {
    let Frame { endpoint, health, .. } = frame;
    let (tone, sentence) = match (endpoint.status, health.state) {
        (EndpointStatus::Paused { .. }, _) => ("neutral", text::IS_PAUSED),
        (EndpointStatus::Disabled { .. }, _) => ("bad", text::IS_DISABLED),
        (EndpointStatus::Active, HealthState::Suspended) => ("bad", text::IS_SUSPENDED),
        (EndpointStatus::Active, HealthState::Failing) => ("warning", text::IS_FAILING),
        (EndpointStatus::Active, HealthState::Healthy) if health.last_success_at.is_some() => {
            ("good", text::IS_HEALTHY)
        }
        (EndpointStatus::Active, HealthState::Healthy) => ("neutral", text::IS_NEW),
    };
    html! {
        div class={ "notice " (tone) } {
            p {
                (sentence)
                @if let Some(at) = health.last_success_at { " " (text::LAST_SUCCESS) " " (time(at)) "." }
            }
        }
    }
}

fn numbers(statistics: &[(Timestamp, Statistics)], frame: &Frame<'_>) -> Markup {
    let mut total = Statistics::default();
    statistics.iter().for_each(|(_, of_hour)| total += *of_hour);
    let bars = bars(statistics);
    let chart = Chart { title: text::CHART, axis: Axis::Times, series: &OUTCOMES, bars: &bars };
    let mut errors: Vec<_> = total.attempt_errors.iter().filter(|(_, count)| *count > 0).collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    html! {
        h2 { (text::LAST_DAY) }
        dl.tiles {
            div { dt { (text::SUCCESS_SHARE) } dd { (share(&total)) } }
            div { dt { (text::ENDED) } dd { (texts::number(total.ended())) } }
            div { dt { (text::P50) } dd { (duration(total.durations.percentile(50))) } }
            div { dt { (text::P95) } dd { (duration(total.durations.percentile(95))) } }
        }
        (chart.full())
        @if !errors.is_empty() {
            h2 { (text::ERRORS) }
            ul.counts {
                @for (cause, count) in errors {
                    li {
                        a href={ (frame.path()) "/deliveries?error=" (cause.as_str()) } { code { (cause.as_str()) } } " "
                        span.muted { (texts::number(count)) }
                    }
                }
            }
        }
        p.muted { (text::STATISTICS_ARE_LATE) }
    }
}

/// A bar for each interval.
pub(super) fn bars(statistics: &[(Timestamp, Statistics)]) -> Vec<Bar> {
    let bar = |(start, it): &(Timestamp, Statistics)| Bar {
        start: *start,
        values: vec![it.succeeded, it.exhausted + it.failed],
    };
    statistics.iter().map(bar).collect()
}

/// The share of deliveries that succeeded. It is never rounded up to all of them.
pub(super) fn share(total: &Statistics) -> String {
    let ended = total.ended();
    if ended == 0 {
        return text::NOTHING.to_owned();
    }
    let tenths = u128::from(total.succeeded) * 1_000 / u128::from(ended);
    if tenths.is_multiple_of(10) { format!("{} %", tenths / 10) } else { format!("{}.{} %", tenths / 10, tenths % 10) }
}

fn duration(ms: Option<u32>) -> String {
    ms.map_or_else(|| text::NOTHING.to_owned(), texts::deliveries::milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up() {
        for (succeeded, failed, expected) in
            [(0, 0, "–"), (5, 0, "100 %"), (0, 5, "0 %"), (2, 1, "66.6 %"), (99_999, 1, "99.9 %"), (1, 1, "50 %")]
        {
            assert_eq!(share(&Statistics { succeeded, failed, ..Statistics::default() }), expected);
        }
    }
}
