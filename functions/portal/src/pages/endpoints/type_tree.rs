//! The types of the catalogue as a tree of boxes to tick, which the script can search. A branch is a pattern such as `order.*`.

use std::collections::BTreeMap;

use maud::{Markup, html};
use shared::domain::catalogue::CatalogueType;
use shared::edge::ApiError;
use shared::service::{Caller, TypeFilter};

use crate::Portal;
use crate::components::{Entered, Field, checkbox, group};
use crate::text::endpoint as text;

/// Most types that are boxes, so that a page stays small. Others are entered as text.
const MOST_TYPES: usize = 100;
/// The name of the boxes.
pub(super) const FIELD: &str = "event_types";

/// The types that a person can tick.
pub(super) struct TypeTree {
    types: Vec<CatalogueType>,
    has_more: bool,
}

impl TypeTree {
    /// Reads the first types that the caller sees.
    ///
    /// # Errors
    /// If they could not be read.
    pub(super) async fn read(portal: &Portal, caller: &Caller) -> Result<Self, ApiError> {
        let page = portal.administrator().list_event_types(caller, &TypeFilter::default(), None, MOST_TYPES).await?;
        Ok(Self { types: page.items, has_more: page.next.is_some() })
    }

    /// Whether there is no type to tick.
    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// Whether this type or pattern has a box.
    pub(super) fn has_box(&self, wanted: &str) -> bool {
        let is_branch = |name: &str| {
            let all = self.types.iter().filter(|kind| branch(kind) == Some(name));
            self.is_branch(name, &all.collect::<Vec<_>>())
        };
        self.types.iter().any(|kind| kind.name.as_str() == wanted) || wanted.strip_suffix(".*").is_some_and(is_branch)
    }

    /// Whether these types, of one group of the catalogue, are a branch: several, and all that begin with its name.
    fn is_branch(&self, name: &str, types: &[&CatalogueType]) -> bool {
        let groups = |kind: &&CatalogueType| kind.settings.group.clone();
        let is_of_one_group = types.windows(2).all(|two| groups(&two[0]) == groups(&two[1]));
        let all = self.types.iter().filter(|kind| branch(kind) == Some(name)).count();
        types.len() > 1 && types.len() == all && is_of_one_group && !self.has_more
    }

    /// Shows the boxes, and a field for other types and patterns.
    pub(super) fn show(&self, entered: &Entered) -> Markup {
        let mut groups: BTreeMap<&str, BTreeMap<&str, Vec<&CatalogueType>>> = BTreeMap::new();
        for kind in &self.types {
            let group = kind.settings.group.as_ref().map_or("", |group| group.as_str());
            // A type without a dot is a branch of its own.
            let branch = branch(kind).unwrap_or(kind.name.as_str());
            groups.entry(group).or_default().entry(branch).or_default().push(kind);
        }
        let label = if self.is_empty() { text::PATTERNS_ONLY } else { text::PATTERNS };
        let fields = html! {
            @if self.types.len() > 5 { (search()) }
            @for (name, branches) in groups {
                div.types {
                    @if !name.is_empty() { h3 { (name) } }
                    @for (branch, kinds) in branches { (self.branch(entered, branch, &kinds)) }
                }
            }
            @if self.has_more { p.hint { (text::MORE_TYPES) } }
            (Field::lines("patterns", label, text::PATTERNS_HELP, 3).show(entered))
        };
        group(entered, FIELD, text::TYPES, "", &fields)
    }

    fn branch(&self, entered: &Entered, name: &str, kinds: &[&CatalogueType]) -> Markup {
        let boxes = html! {
            @for kind in kinds {
                @let description = kind.settings.description.as_ref().map(|it| it.as_str().lines().next().unwrap_or_default());
                (tick(entered, kind.name.as_str(), description.unwrap_or_default()))
            }
        };
        html! {
            @if self.is_branch(name, kinds) {
                (tick(entered, &format!("{name}.*"), text::WHOLE_BRANCH))
                div.within { (boxes) }
            } @else {
                (boxes)
            }
        }
    }
}

/// The first part of a name of several parts.
fn branch(kind: &CatalogueType) -> Option<&str> {
    kind.name.as_str().split_once('.').map(|(first, _)| first)
}

fn tick(entered: &Entered, value: &str, description: &str) -> Markup {
    let label = html! { code { (value) } @if !description.is_empty() { " " span.muted { (description) } } };
    checkbox(entered, FIELD, value, &label)
}

/// The field that hides the boxes without what is entered. It is of no use without the script, which shows it.
fn search() -> Markup {
    html! {
        div.field hidden data-search={ "f-" (FIELD) } {
            label for="type-search" { (text::FIND_TYPE) }
            input #type-search type="search" autocomplete="off" spellcheck="false";
            p.hint role="status" data-none=(text::NO_TYPE_FOUND) {}
        }
    }
}
