//! The list of portal sessions.

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use shared::domain::ids::PortalSessionId;
use shared::domain::portal::session::{PortalSession, PortalSessionStatus, PortalTenant};
use shared::domain::tenancy::access::Scope;
use shared::domain::time::Timestamp;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, PathId, Tenant};

use super::{Section, Tab, tabs};
use crate::Shared;
use crate::components::{Filters, Tone, badge, confirmed, empty, pager, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::access as text;

/// Entries of a page. Each has forms.
const LIMIT: usize = 20;

pub(super) async fn list_sessions(
    tenant: Tenant<KeysRead>,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<Page, ApiError> {
    let mut query = filters.query();
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let (administrator, organization) = (portal.administrator(), &tenant.organization.id);
    let sessions = administrator
        .list_portal_sessions(
            &PortalTenant::Organization(organization.clone()),
            paging.cursor.as_deref(),
            paging.limit.min(LIMIT),
        )
        .await?;
    let now = administrator.clock().now();
    let path = Tab::Sessions.path(&signed_in);
    let next = sessions.next.map(|cursor| filters.link(&path, Some(&cursor)));
    let may_write = signed_in.may(Scope::KeysWrite);
    let body = html! {
        (tabs(&signed_in, Tab::Sessions))
        @if may_write { div.actions { a.button href={ (path) "/new" } { (text::NEW_SESSION) } } }
        @if sessions.items.is_empty() { (empty(text::NO_SESSIONS, None)) } @else {
            div.scroll {
                table.cards {
                    thead {
                        tr {
                            th scope="col" { (text::PERSON) }
                            th scope="col" { (text::ROLE) }
                            th scope="col" { (text::STATE) }
                            th scope="col" { (text::CREATED) }
                            th scope="col" { (text::UNTIL) }
                            @if may_write { th scope="col" { (text::ACTIONS) } }
                        }
                    }
                    tbody { @for session in &sessions.items { (row(&signed_in, session, now, may_write)) } }
                }
            }
        }
        (pager(filters.first(&path).as_deref(), next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::Access))
}

fn row(signed_in: &SignedIn, session: &PortalSession, now: Timestamp, may_write: bool) -> Markup {
    let path = format!("{}/{}", Tab::Sessions.path(signed_in), session.id);
    let status = session.status(now);
    let is_open = matches!(status, PortalSessionStatus::Active | PortalSessionStatus::Pending);
    html! {
        tr {
            th scope="row" {
                @match &session.actor {
                    Some(actor) => (actor),
                    None => span.muted { (text::UNNAMED) },
                }
                @if session.id == signed_in.session.id { " " (badge(Tone::Neutral, text::THIS_SESSION)) }
                br; span.muted { (text::CREATED_BY) " " code { (session.created_by) } }
            }
            td {
                (session.role.as_str())
                @if let Some(endpoints) = session.binding.endpoints() {
                    br; span.muted { (text::bound(endpoints.len())) }
                }
            }
            td { (state(status)) }
            td data-label=(text::CREATED) { (time(session.created_at)) }
            td data-label=(text::UNTIL) { (time(until(session))) }
            @if may_write {
                td.row-actions {
                    @if is_open {
                        (confirmed(signed_in, &format!("{path}/revoke"), text::REVOKE, text::REVOKE_SESSION_CONSEQUENCE))
                    }
                }
            }
        }
    }
}

/// Until when the session works, or its link before it was used.
fn until(session: &PortalSession) -> Timestamp {
    if session.signed_in.is_some() { session.expires_at } else { session.link_until }
}

fn state(status: PortalSessionStatus) -> Markup {
    match status {
        PortalSessionStatus::Pending => badge(Tone::Neutral, text::NOT_OPENED),
        PortalSessionStatus::Active => badge(Tone::Good, text::ACTIVE),
        PortalSessionStatus::Expired => badge(Tone::Neutral, text::EXPIRED),
        PortalSessionStatus::Revoked => badge(Tone::Neutral, text::REVOKED),
    }
}

pub(super) async fn revoke_session(
    tenant: Tenant<KeysWrite>,
    PathId(session): PathId<PortalSessionId>,
    State(portal): Shared,
    signed_in: SignedIn,
) -> Result<Redirect, ApiError> {
    let organization = PortalTenant::Organization(tenant.organization.id);
    portal.administrator().revoke_portal_session(&organization, session).await?;
    Ok(Redirect::to(&Tab::Sessions.path(&signed_in)))
}
