//! The list of organizations.

use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use maud::{Markup, html};
use shared::domain::tenancy::organization::{Organization, OrganizationStatus};
use shared::domain::tenancy::organization_list::OrganizationPosition;
use shared::domain::tenancy::usage::{Day, Days};
use shared::edge::{ApiError, Platform};
use shared::service::ServiceError;
use shared::wire::error::Problem;

use super::{PATH, Section};
use crate::components::Column::Text;
use crate::components::{
    Axis, Bar, Chart, Entered, Field, Filters, Series, Tone, badge, confirmed, empty, pager, table, time,
};
use crate::page::{Page, form_token};
use crate::session::SignedIn;
use crate::text::number;
use crate::text::operator as text;
use crate::{Portal, Shared};

/// Organizations of a page. The usage of each is read.
const LIMIT: usize = 20;
/// The days of the small charts.
const DAYS: u64 = 7;
const SECONDS_OF_DAY: u64 = 24 * 60 * 60;
/// How many organizations' usage is read at the same time.
const AT_A_TIME: usize = 8;
const FIELDS: [&str; 4] = ["id", "slug", "external_id", "status"];
const EVENTS: Series = Series { name: text::EVENTS, tone: Tone::Neutral };

pub(super) async fn list_organizations(
    _: Platform,
    State(portal): Shared,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<Page, ApiError> {
    let mut query = filters.query();
    let wanted = (query.paging(), query.organization_filter());
    let (paging, filter) = match query.finish(wanted) {
        Ok(wanted) => wanted,
        Err(problems) => {
            let entered = filters.entered(problems);
            let body = html! { (entered.notice(&FIELDS)) (form(&entered)) };
            return Ok(Page::new(text::TITLE, body).of(Section::Organizations).with_status(entered.status()));
        }
    };
    let bad_cursor = || ApiError::invalid(vec![Problem::new("cursor", "is not one that a list returned")]);
    let after = paging.cursor.as_deref().map(|text| OrganizationPosition::parse(text).ok_or_else(bad_cursor));
    let found = portal.administrator().list_organizations(&filter, after.transpose()?, LIMIT).await?;
    let volumes = volumes(&portal, &found.items).await?;
    let next = found.next.map(|cursor| filters.link(PATH, Some(&cursor)));
    let body = html! {
        div.actions { a.button href={ (PATH) "/new" } { (text::NEW) } }
        (form(&filters.entered(Vec::new())))
        @match (found.items.is_empty(), filters.are_set()) {
            (true, true) => (empty(text::NONE_FOUND, None)),
            (true, false) => (empty(text::NONE, None)),
            (false, _) => (table_of(&signed_in, &found.items, &volumes)),
        }
        (pager(filters.first(PATH).as_deref(), next.as_deref()))
    };
    Ok(Page::new(text::TITLE, body).of(Section::Organizations))
}

/// The events of each organization in the last days.
async fn volumes(portal: &Portal, organizations: &[Organization]) -> Result<Vec<Vec<Bar>>, ServiceError> {
    let now = portal.administrator().clock().now();
    let today = Day::of(now);
    let first = Day::of(now.minus(std::time::Duration::from_secs((DAYS - 1) * SECONDS_OF_DAY)));
    let days = Days::new(Some(first), Some(today), today).unwrap_or_else(|_| Days::only(today));
    let read = async |organization: &Organization| {
        let usage = portal.administrator().meter().usage(&organization.id, days).await?;
        let bar = |(day, usage): &(Day, shared::domain::tenancy::usage::Usage)| Bar {
            start: day.start(),
            values: vec![usage.events],
        };
        Ok(usage.iter().map(bar).collect())
    };
    let reads: Vec<_> = organizations.iter().map(read).collect();
    stream::iter(reads).buffered(AT_A_TIME).try_collect().await
}

fn form(entered: &Entered) -> Markup {
    let states =
        [("", text::ANY_STATE), ("active", text::ACTIVE), ("suspended", text::SUSPENDED), ("deleting", text::DELETING)];
    html! {
        form.filters method="get" action=(PATH) role="search" {
            (Field::line("id", text::ID, "").show(entered))
            (Field::line("slug", text::SLUG, "").show(entered))
            (Field::line("external_id", text::EXTERNAL_ID, "").show(entered))
            (Field::choice("status", text::STATE, "", &states).show(entered))
            button.button.plain type="submit" { (text::FIND) }
        }
    }
}

fn table_of(signed_in: &SignedIn, organizations: &[Organization], volumes: &[Vec<Bar>]) -> Markup {
    let rows = html! {
        @for (organization, volume) in organizations.iter().zip(volumes) { (row(signed_in, organization, volume)) }
    };
    table(&[Text(text::NAME), Text(text::STATE), Text(text::VOLUME), Text(text::CREATED), Text(text::ACTIONS)], &rows)
}

fn row(signed_in: &SignedIn, organization: &Organization, volume: &[Bar]) -> Markup {
    let is_deleting = organization.status == OrganizationStatus::Deleting;
    let events: u64 = volume.iter().flat_map(|bar| &bar.values).sum();
    html! {
        tr {
            th scope="row" {
                @if is_deleting { (organization.name) } @else {
                    a href={ "/portal/" (organization.id) "/endpoints" } { (organization.name) }
                }
                br; code.muted { (organization.id) }
                @if let Some(slug) = &organization.slug { br; span.muted { (text::SLUG) " " code { (slug.as_str()) } } }
                @if let Some(id) = &organization.external_id { br; span.muted { (text::EXTERNAL_ID) " " code { (id) } } }
            }
            td { (state(organization.status)) }
            td {
                (Chart { title: text::VOLUME, axis: Axis::Days, series: &[EVENTS], bars: volume }.mini())
                br; span.muted { (number(events)) " " (text::EVENTS) }
            }
            td data-label=(text::CREATED) { (time(organization.created_at)) }
            td.row-actions { (actions(signed_in, organization)) }
        }
    }
}

fn actions(signed_in: &SignedIn, organization: &Organization) -> Markup {
    let path = format!("{PATH}/organizations/{}", organization.id);
    match organization.status {
        OrganizationStatus::Active => {
            confirmed(signed_in, &format!("{path}/suspend"), text::SUSPEND, text::SUSPEND_CONSEQUENCE)
        }
        OrganizationStatus::Suspended => html! {
            form method="post" action={ (path) "/reactivate" } {
                (form_token(signed_in))
                button.button.plain type="submit" { (text::REACTIVATE) }
            }
        },
        OrganizationStatus::Deleting => html! {},
    }
}

fn state(status: OrganizationStatus) -> Markup {
    match status {
        OrganizationStatus::Active => badge(Tone::Good, text::ACTIVE),
        OrganizationStatus::Suspended => badge(Tone::Warning, text::SUSPENDED),
        OrganizationStatus::Deleting => badge(Tone::Neutral, text::DELETING),
    }
}
