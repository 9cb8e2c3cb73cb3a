//! The catalogue of event types.

mod event_type;
mod schema;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::catalogue::{CatalogueType, Visibility};
use shared::edge::{ApiError, Authenticated, PublicOrigin};
use shared::service::{Caller, TypeFilter};

use super::Section;
use crate::components::Column::Text;
use crate::components::{Field, Filters, Tone, badge, checkbox, empty, pager, styled_table};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::event_types as text;
use crate::{Portal, Routes, Shared};
use event_type::read;

/// Types of a page.
const LIMIT: usize = 100;
/// How many pages of types a search examines.
const MOST_PAGES: usize = 10;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/event-types", get(list))
        .route("/portal/{organization}/event-types/{event_type}", get(read))
}

async fn list(
    Authenticated(caller): Authenticated,
    State(portal): Shared,
    signed_in: SignedIn,
    origin: PublicOrigin,
    filters: Filters,
) -> Result<Page, ApiError> {
    let mut query = filters.query();
    let words = query.take("q", |text| Ok(text.to_lowercase()));
    let (archived, group) = query.type_filter();
    let cursor = query.take("cursor", |text| Ok(text.to_owned()));
    let (words, filter, cursor) = query.finish((words, TypeFilter { archived, group }, cursor))?;
    let (types, next) = find(&portal, &caller, &filter, words.as_deref(), cursor).await?;
    let entered = filters.entered(Vec::new());
    let path = format!("{}/event-types", signed_in.base());
    let next = next.map(|cursor| filters.link(&path, Some(&cursor)));
    let body = html! {
        form.filters method="get" action=(path) role="search" {
            (Field::line("q", text::SEARCH, "").kind("search").show(&entered))
            (checkbox(&entered, "archived", "true", &html! { (text::SHOW_ARCHIVED) }))
            button.button.plain type="submit" { (text::FIND) }
        }
        @match (types.is_empty(), filters.are_set()) {
            (true, true) => (empty(text::NONE_FOUND, None)),
            (true, false) => (none(&caller, &origin)),
            (false, _) => (groups(&path, &types)),
        }
        (pager(filters.first(&path).as_deref(), next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::EventTypes))
}

/// Only the platform can add types, so only an operator gets the command for it.
fn none(caller: &Caller, origin: &PublicOrigin) -> Markup {
    match caller.is_platform() {
        true => empty(text::NONE, Some((text::CREATE, &text::create_command(origin.as_str())))),
        false => empty(text::NONE, None),
    }
}

/// The types of a page whose name, group or description has these words. A search examines a bounded number of types; the
/// next page continues behind them.
async fn find(
    portal: &Portal,
    caller: &Caller,
    filter: &TypeFilter,
    words: Option<&str>,
    mut cursor: Option<String>,
) -> Result<(Vec<CatalogueType>, Option<String>), ApiError> {
    let mut found = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = portal.administrator().list_event_types(caller, filter, cursor.as_deref(), LIMIT).await?;
        found.extend(page.items.into_iter().filter(|kind| words.is_none_or(|words| has_words(kind, words))));
        cursor = page.next;
        if words.is_none() || cursor.is_none() || found.len() >= LIMIT {
            break;
        }
    }
    Ok((found, cursor))
}

fn has_words(kind: &CatalogueType, words: &str) -> bool {
    let texts = [&kind.settings.group, &kind.settings.description].into_iter().flatten().map(|text| text.as_str());
    let all = std::iter::once(kind.name.as_str()).chain(texts).map(str::to_lowercase).collect::<Vec<_>>();
    words.split_whitespace().all(|word| all.iter().any(|text| text.contains(word)))
}

fn groups(path: &str, types: &[CatalogueType]) -> Markup {
    let mut groups: BTreeMap<Option<&str>, Vec<&CatalogueType>> = BTreeMap::new();
    for kind in types {
        groups.entry(kind.settings.group.as_ref().map(|group| group.as_str())).or_default().push(kind);
    }
    // Types without a group come last.
    let ungrouped = groups.remove(&None);
    html! {
        @for (group, types) in &groups {
            @if let Some(group) = group { h2 { (group) } }
            (table_of(path, types))
        }
        @if let Some(types) = ungrouped {
            @if !groups.is_empty() { h2 { (text::OTHERS) } }
            (table_of(path, &types))
        }
    }
}

fn table_of(path: &str, types: &[&CatalogueType]) -> Markup {
    let rows = html! {
        @for kind in types {
            tr {
                th scope="row" {
                    a href={ (path) "/" (kind.name) } { (kind.name) }
                    (marks(kind))
                }
                td { @if let Some(description) = &kind.settings.description { (first_line(description.as_str())) } }
            }
        }
    };
    styled_table("cards types", &[Text(text::TYPE), Text(text::DESCRIPTION)], &rows)
}

/// What a person must know about a type at once.
fn marks(kind: &CatalogueType) -> Markup {
    let settings = &kind.settings;
    html! {
        @if settings.is_deprecated { " " (badge(Tone::Warning, text::DEPRECATED)) }
        @if settings.is_archived { " " (badge(Tone::Neutral, text::ARCHIVED)) }
        @if settings.visibility == Visibility::Internal { " " (badge(Tone::Neutral, text::INTERNAL)) }
    }
}

/// The first line, shortened.
fn first_line(text: &str) -> String {
    const MOST: usize = 160;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
