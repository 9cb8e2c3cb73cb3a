//! The page of an event type: what it means, and what its data looks like.

use axum::extract::State;
use maud::{Markup, html};
use shared::domain::catalogue::{CatalogueType, Contents, TypeVersion};
use shared::domain::event::event_type::EventType;
use shared::edge::{ApiError, Authenticated, PathId};

use super::schema::{self, Row};
use super::{Section, marks};
use crate::Shared;
use crate::components::Column::Text;
use crate::components::{Filters, Tone, badge, block, pretty, styled_table, time};
use crate::page::Page;
use crate::session::SignedIn;
use crate::text::event_types as text;

/// Most bytes of the example and of the schema's text that the page shows.
const MOST_SHOWN: usize = 8 * 1024;
/// Versions that the page links to.
const MOST_VERSIONS: usize = 20;

pub(super) async fn read(
    Authenticated(caller): Authenticated,
    PathId(name): PathId<EventType>,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<Page, ApiError> {
    let administrator = portal.administrator();
    let found = administrator.event_type(&caller, &name).await?;
    let newest = found.newest.as_ref().map(|version| version.number);
    let shown = match filters.get("version").parse::<u32>() {
        Ok(number) if Some(number) != newest => Some(administrator.type_version(&caller, &name, number).await?),
        _ => found.newest,
    };
    let path = format!("{}/event-types", signed_in.base());
    let body = html! {
        p { a href=(path) { (text::ALL) } }
        (about(&found.kind))
        @if let Some(version) = &shown {
            (versions(&path, &found.kind, version))
            (contents(&version.contents))
        } @else {
            p.muted { (text::NO_SCHEMA) }
        }
    };
    Ok(Page::new(name.as_str(), body).of(Section::EventTypes))
}

fn about(kind: &CatalogueType) -> Markup {
    let settings = &kind.settings;
    html! {
        @if let Some(description) = &settings.description {
            @for paragraph in description.as_str().split("\n\n") { p { (paragraph) } }
        }
        @if settings.is_deprecated { p.notice.warning { span { (text::IS_DEPRECATED) } } }
        dl.facts {
            @if let Some(group) = &settings.group { dt { (text::GROUP) } dd { (group) } }
            @if settings.is_archived || settings.is_deprecated || settings.visibility.as_str() == "internal" {
                dt { (text::STATE) } dd { (marks(kind)) }
            }
            dt { (text::UPDATED) } dd { (time(kind.updated_at)) }
        }
    }
}

fn versions(path: &str, kind: &CatalogueType, shown: &TypeVersion) -> Markup {
    let newest = kind.latest.unwrap_or(shown.number);
    html! {
        nav.versions aria-label=(text::VERSIONS) {
            span { (text::VERSION) }
            @for number in (1..=newest).rev().take(MOST_VERSIONS) {
                " "
                a href={ (path) "/" (kind.name) "?version=" (number) }
                    aria-current=[(number == shown.number).then_some("page")] { (number) }
            }
            " " span.muted { (time(shown.created_at)) }
        }
    }
}

fn contents(contents: &Contents) -> Markup {
    html! {
        @if let Some(schema) = &contents.schema {
            h2 { (text::FIELDS) }
            @let found = schema::read(schema.as_str());
            @if found.rows.is_empty() { p.muted { (text::NO_FIELDS) } } @else { (table_of(&found.rows)) }
            @if found.is_cut { p.muted { (text::MORE_FIELDS) } }
            details.numbers {
                summary { (text::SCHEMA) }
                (json("schema", schema.as_str(), text::SCHEMA))
            }
        }
        @if let Some(example) = &contents.example {
            h2 { (text::EXAMPLE) }
            (json("example", example.as_str(), text::EXAMPLE))
        }
    }
}

fn json(id: &str, content: &str, what: &str) -> Markup {
    let (shown, is_all) = pretty(content, MOST_SHOWN);
    html! {
        (block(id, &shown, what))
        @if !is_all { p.muted { (text::IS_CUT) } }
    }
}

fn table_of(rows: &[Row]) -> Markup {
    let rows = html! {
        @for row in rows {
            tr {
                th scope="row" {
                    code { span.muted { (row.path) } (row.name) }
                    @if row.is_deprecated { " " (badge(Tone::Warning, text::DEPRECATED)) }
                }
                td { (row.kind) }
                td { (if row.is_required { text::REQUIRED } else { text::OPTIONAL }) }
                td { (row.rules.join("; ")) }
                td { (row.description.as_deref().unwrap_or_default()) }
            }
        }
    };
    styled_table(
        "cards schema",
        &[Text(text::FIELD), Text(text::KIND), Text(text::REQUIRED), Text(text::RULES), Text(text::DESCRIPTION)],
        &rows,
    )
}
