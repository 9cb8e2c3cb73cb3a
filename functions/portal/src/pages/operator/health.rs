//! The state of the deployment, as far as it can be read at little cost. The rest is in the metrics.

use axum::extract::State;
use maud::html;
use shared::edge::{ApiError, Platform};

use super::Section;
use crate::Shared;
use crate::components::Column::Text;
use crate::components::{Tone, badge, table};
use crate::page::Page;
use crate::text::{number, operator as text};

/// Suspended endpoints that the page shows.
const LIMIT: usize = 50;

pub(super) async fn read_health(_: Platform, State(portal): Shared) -> Result<Page, ApiError> {
    let mut suspended = portal.administrator().suspended_endpoints(LIMIT + 1).await?;
    let has_more = suspended.len() > LIMIT;
    suspended.truncate(LIMIT);
    let body = html! {
        h2 { (text::SUSPENDED_ENDPOINTS) }
        @if suspended.is_empty() {
            p { (badge(Tone::Good, text::NO_SUSPENDED_ENDPOINTS)) }
        } @else {
            p { (badge(Tone::Warning, &text::suspended_endpoints(&number(suspended.len() as u64), has_more))) }
            (table(&[Text(text::ENDPOINT), Text(text::ORGANIZATION)], &html! {
                @for found in &suspended {
                    tr {
                        th scope="row" {
                            a href={ "/portal/" (found.organization) "/endpoints/" (found.endpoint) } {
                                code { (found.endpoint) }
                            }
                        }
                        td { a href={ "/portal/" (found.organization) "/endpoints" } { code { (found.organization) } } }
                    }
                }
            }))
        }
        h2 { (text::METRICS) }
        p { (text::METRICS_HELP) }
        (table(&[Text(text::METRIC), Text(text::MEANING)], &html! {
            @for (metric, meaning) in text::ALL_METRICS {
                tr { th scope="row" { code { (metric) } } td { (meaning) } }
            }
        }))
    };
    Ok(Page::new(text::HEALTH, body).of(Section::Health))
}
