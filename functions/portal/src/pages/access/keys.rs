//! The list of API keys.

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use shared::domain::ids::KeyId;
use shared::domain::tenancy::access::Scope;
use shared::domain::tenancy::api_key::{ApiKey, KeyStatus};
use shared::domain::time::Timestamp;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, PathId, Tenant};

use super::{Section, Tab, rights, shown_once, tabs};
use crate::Shared;
use crate::components::{Filters, Tone, badge, confirmed, empty, pager, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::access as text;

/// Entries of a page. Each has forms.
const LIMIT: usize = 20;

pub(super) async fn list_keys(
    tenant: Tenant<KeysRead>,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<Page, ApiError> {
    let mut query = filters.query();
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let administrator = portal.administrator();
    let keys =
        administrator.list_keys(&tenant.organization.id, paging.cursor.as_deref(), paging.limit.min(LIMIT)).await?;
    let now = administrator.clock().now();
    let path = Tab::Keys.path(&signed_in);
    let next = keys.next.map(|cursor| filters.link(&path, Some(&cursor)));
    let may_write = signed_in.may(Scope::KeysWrite);
    let body = html! {
        (tabs(&signed_in, Tab::Keys))
        @if may_write { div.actions { a.button href={ (path) "/keys/new" } { (text::NEW_KEY) } } }
        @if keys.items.is_empty() { (empty(text::NO_KEYS, None)) } @else {
            div.scroll {
                table.cards {
                    thead {
                        tr {
                            th scope="col" { (text::NAME) }
                            th scope="col" { (text::RIGHTS) }
                            th scope="col" { (text::STATE) }
                            th scope="col" { (text::LAST_USED) }
                            th scope="col" { (text::EXPIRES) }
                            @if may_write { th scope="col" { (text::ACTIONS) } }
                        }
                    }
                    tbody { @for key in &keys.items { (row(&signed_in, key, now, may_write)) } }
                }
            }
        }
        (pager(filters.first(&path).as_deref(), next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::Access))
}

fn row(signed_in: &SignedIn, key: &ApiKey, now: Timestamp, may_write: bool) -> Markup {
    let path = format!("{}/keys/{}", Tab::Keys.path(signed_in), key.id);
    html! {
        tr {
            th scope="row" { (key.name) br; code.muted { (key.preview) } }
            td { (rights(&key.rights)) }
            td { (state(key, now)) }
            td data-label=(text::LAST_USED) { @if let Some(at) = key.last_used_at { (time(at)) } @else { (text::NEVER) } }
            td data-label=(text::EXPIRES) { @if let Some(at) = expires_at(key) { (time(at)) } @else { (text::NEVER) } }
            @if may_write {
                td.row-actions {
                    @if key.works_at(now) {
                        @if key.status == KeyStatus::Active {
                            (confirmed(signed_in, &format!("{path}/rotate"), text::ROTATE, text::ROTATE_CONSEQUENCE))
                        }
                        (confirmed(signed_in, &format!("{path}/revoke"), text::REVOKE, text::REVOKE_KEY_CONSEQUENCE))
                    }
                }
            }
        }
    }
}

fn expires_at(key: &ApiKey) -> Option<Timestamp> {
    match key.status {
        KeyStatus::Rotating { grace_expires_at, .. } => {
            Some(key.rights.expires_at.map_or(grace_expires_at, |at| at.min(grace_expires_at)))
        }
        KeyStatus::Active | KeyStatus::Revoked { .. } => key.rights.expires_at,
    }
}

fn state(key: &ApiKey, now: Timestamp) -> Markup {
    match key.status {
        KeyStatus::Revoked { .. } => badge(Tone::Neutral, text::REVOKED),
        _ if !key.works_at(now) => badge(Tone::Neutral, text::EXPIRED),
        KeyStatus::Rotating { .. } => badge(Tone::Warning, text::ROTATED),
        KeyStatus::Active => badge(Tone::Good, text::ACTIVE),
    }
}

pub(super) async fn rotate_key(
    tenant: Tenant<KeysWrite>,
    PathId(key): PathId<KeyId>,
    State(portal): Shared,
    signed_in: SignedIn,
) -> Result<Page, ApiError> {
    let issued = portal.administrator().rotate_key(&tenant.organization.id, &tenant.caller, key).await?;
    let back = Tab::Keys.path(&signed_in);
    Ok(shown_once(text::KEY_ISSUED, text::ROTATED_KEY_ONCE, issued.secret.reveal(), text::KEY, &back))
}

pub(super) async fn revoke_key(
    tenant: Tenant<KeysWrite>,
    PathId(key): PathId<KeyId>,
    State(portal): Shared,
    signed_in: SignedIn,
) -> Result<Redirect, ApiError> {
    portal.administrator().revoke_key(&tenant.organization.id, key).await?;
    Ok(Redirect::to(&Tab::Keys.path(&signed_in)))
}
