//! Who may do what in an organization: its API keys and its portal sessions. Only owners see these pages.

mod key;
mod keys;
mod session;
mod sessions;

use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};
use shared::domain::tenancy::rights::Rights;

use super::Section;
use crate::Routes;
use crate::components::block;
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::access as text;
use key::{issue_key, new_key};
use keys::{list_keys, revoke_key, rotate_key};
use session::{create_session, new_session};
use sessions::{list_sessions, revoke_session};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/access", get(list_keys))
        .route("/portal/{organization}/access/keys/new", get(new_key).post(issue_key))
        .route("/portal/{organization}/access/keys/{key}/rotate", post(rotate_key))
        .route("/portal/{organization}/access/keys/{key}/revoke", post(revoke_key))
        .route("/portal/{organization}/access/sessions", get(list_sessions))
        .route("/portal/{organization}/access/sessions/new", get(new_session).post(create_session))
        .route("/portal/{organization}/access/sessions/{portal_session}/revoke", post(revoke_session))
}

/// The lists of the section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Keys,
    Sessions,
}

impl Tab {
    fn path(self, signed_in: &SignedIn) -> String {
        match self {
            Self::Keys => format!("{}/access", signed_in.base()),
            Self::Sessions => format!("{}/access/sessions", signed_in.base()),
        }
    }
}

fn tabs(signed_in: &SignedIn, open: Tab) -> Markup {
    html! {
        nav.tabs aria-label=(text::TITLE) {
            @for (tab, name) in [(Tab::Keys, text::KEYS), (Tab::Sessions, text::SESSIONS)] {
                a href=(tab.path(signed_in)) aria-current=[(tab == open).then_some("page")] { (name) }
            }
        }
    }
}

/// A page that shows a secret. It is not stored, so it is shown once.
fn shown_once(title: &str, warning: &str, secret: &str, what: &str, back: &str) -> Page {
    let body = html! {
        p.notice.warning role="status" { span { (warning) } }
        (block("secret", secret, what))
        p { a href=(back) { (text::DONE) } }
    };
    Page::new(title, body).of(Section::Access)
}

/// The role if the rights are exactly its scopes, else the scopes; and the endpoints.
fn rights(rights: &Rights) -> Markup {
    let role = rights.role();
    html! {
        @if role.scopes() == rights.scopes { (role.as_str()) } @else { (rights.scopes) }
        @if let Some(endpoints) = rights.binding.endpoints() { br; span.muted { (text::bound(endpoints.len())) } }
    }
}
