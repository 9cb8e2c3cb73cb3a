//! Who may do what in an organization: its API keys and its portal sessions. Only owners see these pages.

mod key;
mod keys;
mod session;
mod sessions;

use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};
use shared::domain::tenancy::access::Scope;
use shared::domain::tenancy::rights::Rights;

use super::Section;
use crate::Routes;
use crate::components::{Column, Filters, block, empty, pager, table};
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

/// Entries of a page. Each has forms.
const LIMIT: usize = 20;

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

/// A page of a list.
struct List<'a> {
    tab: Tab,
    /// The path below the tab's of the page that creates an entry, and its name.
    create: (&'static str, &'static str),
    /// What is said if there is no entry.
    none: &'static str,
    /// The columns of all who may read the list.
    columns: [Column; 5],
    filters: &'a Filters,
    next: Option<String>,
}

impl List<'_> {
    fn page(self, signed_in: &SignedIn, rows: &[Markup]) -> Page {
        let path = self.tab.path(signed_in);
        let may_write = may_write(signed_in);
        let next = self.next.map(|cursor| self.filters.link(&path, Some(&cursor)));
        let actions = may_write.then_some(Column::Text(text::ACTIONS));
        let columns: Vec<_> = self.columns.into_iter().chain(actions).collect();
        let (create, name) = self.create;
        let body = html! {
            (tabs(signed_in, self.tab))
            @if may_write { div.actions { a.button href={ (path) (create) } { (name) } } }
            @if rows.is_empty() { (empty(self.none, None)) } @else {
                (table(&columns, &html! { @for row in rows { (row) } }))
            }
            (pager(self.filters.first(&path).as_deref(), next.as_deref()))
        };
        Page::new(text::TITLE, body).of(Section::Access)
    }
}

/// Whether the person may change the lists. Otherwise they have no actions.
fn may_write(signed_in: &SignedIn) -> bool {
    signed_in.may(Scope::KeysWrite)
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
