//! The list of API keys.

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use shared::domain::ids::KeyId;
use shared::domain::tenancy::api_key::{ApiKey, KeyStatus};
use shared::domain::time::Timestamp;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, PathId, Tenant};

use super::{LIMIT, List, Tab, may_write, rights, shown_once};
use crate::Shared;
use crate::components::{Column, Filters, Tone, badge, confirmed, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::access as text;

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
    let limit = paging.limit.min(LIMIT);
    let keys = administrator.list_keys(&tenant.organization.id, paging.cursor.as_deref(), limit).await?;
    let now = administrator.clock().now();
    let rows: Vec<_> = keys.items.iter().map(|key| row(&signed_in, key, now)).collect();
    let list = List {
        tab: Tab::Keys,
        create: ("/keys/new", text::NEW_KEY),
        none: text::NO_KEYS,
        columns: [text::NAME, text::RIGHTS, text::STATE, text::LAST_USED, text::EXPIRES].map(Column::Text),
        filters: &filters,
        next: keys.next,
    };
    Ok(list.page(&signed_in, &rows))
}

fn row(signed_in: &SignedIn, key: &ApiKey, now: Timestamp) -> Markup {
    let path = format!("{}/keys/{}", Tab::Keys.path(signed_in), key.id);
    html! {
        tr {
            th scope="row" { (key.name) br; code.muted { (key.preview) } }
            td { (rights(&key.rights)) }
            td { (state(key, now)) }
            td data-label=(text::LAST_USED) { @if let Some(at) = key.last_used_at { (time(at)) } @else { (text::NEVER) } }
            td data-label=(text::EXPIRES) { @if let Some(at) = expires_at(key) { (time(at)) } @else { (text::NEVER) } }
            @if may_write(signed_in) {
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
