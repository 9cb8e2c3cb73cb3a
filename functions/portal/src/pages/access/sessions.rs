//! The list of portal sessions.

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use shared::domain::ids::PortalSessionId;
use shared::domain::portal::session::{PortalSession, PortalSessionStatus, PortalTenant};
use shared::domain::time::Timestamp;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, PathId, Tenant};

use super::{LIMIT, List, Tab, may_write};
use crate::Shared;
use crate::components::{Column, Filters, Tone, badge, confirmed, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::access as text;

pub(super) async fn list_sessions(
    tenant: Tenant<KeysRead>,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<Page, ApiError> {
    let mut query = filters.query();
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let administrator = portal.administrator();
    let organization = PortalTenant::Organization(tenant.organization.id);
    let limit = paging.limit.min(LIMIT);
    let sessions = administrator.list_portal_sessions(&organization, paging.cursor.as_deref(), limit).await?;
    let now = administrator.clock().now();
    let rows: Vec<_> = sessions.items.iter().map(|session| row(&signed_in, session, now)).collect();
    let list = List {
        tab: Tab::Sessions,
        create: ("/new", text::NEW_SESSION),
        none: text::NO_SESSIONS,
        columns: [text::PERSON, text::ROLE, text::STATE, text::CREATED, text::UNTIL].map(Column::Text),
        filters: &filters,
        next: sessions.next,
    };
    Ok(list.page(&signed_in, &rows))
}

fn row(signed_in: &SignedIn, session: &PortalSession, now: Timestamp) -> Markup {
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
            @if may_write(signed_in) {
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
