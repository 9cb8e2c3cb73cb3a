//! The list of organizations, for operators.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::tenancy::organization::{Organization, OrganizationStatus};
use shared::domain::tenancy::organization_list::{OrganizationFilter, OrganizationPosition};
use shared::edge::{ApiError, Platform, Search};
use shared::wire::error::Problem;

use super::Section;
use crate::components::{Tone, badge, pager, time};
use crate::page::Page;
use crate::text::operator as text;
use crate::{Routes, Shared};

const PATH: &str = "/portal/operator";
/// Organizations of a page.
const LIMIT: usize = 50;

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/operator", get(list))
}

async fn list(_: Platform, State(portal): Shared, Search(mut query): Search) -> Result<Page, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let bad_cursor = || ApiError::invalid(vec![Problem::new("cursor", "is not one that a list returned")]);
    let after = paging.cursor.as_deref().map(|text| OrganizationPosition::parse(text).ok_or_else(bad_cursor));
    let after = after.transpose()?;
    let first = after.is_some().then_some(PATH);
    let found = portal.administrator().list_organizations(&OrganizationFilter::default(), after, LIMIT).await?;
    let next = found.next.map(|cursor| format!("{PATH}?cursor={cursor}"));
    let body = html! {
        @if found.items.is_empty() { p { (text::NONE) } } @else { (table(&found.items)) }
        (pager(first, next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::Organizations))
}

fn table(organizations: &[Organization]) -> Markup {
    html! {
        div.scroll {
            table.cards {
                thead {
                    tr {
                        th scope="col" { (text::NAME) }
                        th scope="col" { (text::STATE) }
                        th scope="col" { (text::CREATED) }
                    }
                }
                tbody {
                    @for organization in organizations {
                        tr {
                            th scope="row" {
                                a href={ "/portal/" (organization.id) "/endpoints" } { (organization.name) }
                            }
                            td { (state(organization.status)) }
                            td { (time(organization.created_at)) }
                        }
                    }
                }
            }
        }
    }
}

fn state(status: OrganizationStatus) -> Markup {
    match status {
        OrganizationStatus::Active => badge(Tone::Good, text::ACTIVE),
        OrganizationStatus::Suspended => badge(Tone::Warning, text::SUSPENDED),
        OrganizationStatus::Deleting => badge(Tone::Neutral, text::DELETING),
    }
}
