//! Parsing of query strings.

mod parameters;

use std::collections::BTreeMap;

use super::error::Problem;
use crate::domain::Invalid;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::delivery::attempt::Cause;
use crate::domain::delivery::recorded::ResponseStatusFilter;
use crate::domain::delivery::selection::{DeliveryFilter, EventSelection};
use crate::domain::event::channel;
use crate::domain::event::event_type::EventType;
use crate::domain::event::selection::EventFilter;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::statistics::{Interval, Span};
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::tenancy::organization_list::OrganizationFilter;
use crate::domain::tenancy::usage::{Day, Days};
use crate::domain::text::Slug;
use crate::domain::time::Timestamp;

pub use parameters::*;

/// Most items of a page.
const MAX_LIMIT: usize = 100;
/// The number of items of a page by default.
const DEFAULT_LIMIT: usize = 50;

/// The parameters of a query string. Parameters that are not taken are unknown.
#[derive(Debug)]
pub struct Query {
    parameters: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Query {
    /// Parses a query string. A repeated parameter is a problem.
    pub fn new(query: &str) -> Self {
        let (mut parameters, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).into_owned() {
            let repeated = Problem::new(&name, "is given more than once");
            if parameters.insert(name, value).is_some() && !problems.contains(&repeated) {
                problems.push(repeated);
            }
        }
        Self { parameters, problems }
    }

    /// Takes and parses a parameter; `None` if it is absent, empty or invalid.
    pub fn take<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let text = self.parameters.remove(name).filter(|text| !text.is_empty())?;
        parse(&text).map_err(|invalid| self.problems.push(Problem::new(name, invalid))).ok()
    }

    /// Returns the value that was built from the parameters, if there are no problems.
    ///
    /// # Errors
    /// All problems, including unknown parameters.
    pub fn finish<T>(mut self, built: T) -> Result<T, Vec<Problem>> {
        let unknown = self.parameters.keys().map(|name| Problem::new(name, "is not a known parameter"));
        self.problems.extend(unknown);
        if self.problems.is_empty() { Ok(built) } else { Err(self.problems) }
    }

    /// Fails if there are problems so far.
    ///
    /// # Errors
    /// All problems so far.
    pub fn problems(&mut self) -> Result<(), Vec<Problem>> {
        let problems = std::mem::take(&mut self.problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Takes `organization_id`.
    pub fn organization(&mut self) -> Option<OrganizationId> {
        self.take("organization_id", OrganizationId::parse)
    }

    /// Takes `permanent`, which is false by default.
    pub fn permanent(&mut self) -> bool {
        self.flag("permanent")
    }

    /// Takes `force`, which is false by default.
    pub fn force(&mut self) -> bool {
        self.flag("force")
    }

    fn flag(&mut self, name: &'static str) -> bool {
        let flag = |text: &str| text.parse().map_err(|_| Invalid::new("must be true or false"));
        self.take(name, flag).unwrap_or_default()
    }

    /// Takes `dry_run`, which is false by default.
    pub fn dry_run(&mut self) -> bool {
        self.flag("dry_run")
    }

    /// Takes `archived`, which is false by default, and `group`.
    pub fn type_filter(&mut self) -> (bool, Option<String>) {
        let archived = self.flag("archived");
        (archived, self.take("group", |text| Ok(text.to_owned())))
    }

    /// Takes `limit` and `cursor`.
    pub fn paging(&mut self) -> Paging {
        let limit = self.take("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
            limit.ok_or_else(|| Invalid::new(format!("must be 1 to {MAX_LIMIT}")))
        });
        Paging { limit: limit.unwrap_or(DEFAULT_LIMIT), cursor: self.take("cursor", |text| Ok(text.to_owned())) }
    }

    /// Takes `status`, `id`, `slug` and `external_id`.
    pub fn organization_filter(&mut self) -> OrganizationFilter {
        OrganizationFilter {
            status: self.take("status", |text| match text {
                "deleting" => Ok(OrganizationStatus::Deleting),
                _ => organization_status(text).map_err(|_| Invalid::new("must be active, suspended or deleting")),
            }),
            id: self.take("id", OrganizationId::parse),
            slug: self.take("slug", Slug::parse),
            external_id: self.take("external_id", ExternalId::parse),
        }
    }

    /// Takes the parameters of a list of events: `type`, `since`, `until`, `channel`, `external_id`, and `endpoint_id`,
    /// `response_status` and `error`, of which the last two require `endpoint_id`.
    pub fn event_selection(&mut self) -> EventSelection {
        let names_endpoint = self.parameters.contains_key("endpoint_id");
        let endpoint = |text: &str| EndpointId::parse(text).map_err(|e| Invalid::new(e.to_string()));
        let endpoint = self.take("endpoint_id", endpoint);
        let (response_status, error) = self.result();
        let given = [("response_status", response_status.is_some()), ("error", error.is_some())];
        for (name, _) in given.into_iter().filter(|(_, is_given)| *is_given && !names_endpoint) {
            self.problems.push(Problem::new(name, "requires endpoint_id"));
        }
        let event = self.event_filter("type");
        match endpoint {
            Some(endpoint) => EventSelection::Delivered(
                endpoint,
                DeliveryFilter { event, statuses: Vec::new(), response_status, error },
            ),
            None => EventSelection::All(event),
        }
    }

    /// Takes the parameters of a list of deliveries: `event_type`, `since`, `until`, `channel`, `external_id`, `status`,
    /// `response_status` and `error`.
    pub fn delivery_filter(&mut self) -> DeliveryFilter {
        let statuses = self.take("status", delivery_status).into_iter().collect();
        let (response_status, error) = self.result();
        DeliveryFilter { event: self.event_filter("event_type"), statuses, response_status, error }
    }

    /// Takes `channel`, the name of a channel.
    pub(super) fn channel(&mut self) -> Option<String> {
        self.take("channel", |name| channel::check_name(name).map(|()| name.to_owned()))
    }

    /// Takes the event's type, which has the name `event_type`, and `since`, `until`, `channel` and `external_id`.
    fn event_filter(&mut self, event_type: &str) -> EventFilter {
        EventFilter {
            event_types: self.take(event_type, EventType::parse).into_iter().collect(),
            since: self.take("since", time),
            until: self.take("until", time),
            channel: self.channel(),
            external_id: self.take("external_id", ExternalId::parse),
        }
    }

    /// Takes `response_status` and `error`.
    pub(super) fn result(&mut self) -> (Option<ResponseStatusFilter>, Option<Cause>) {
        let cause = |text: &str| one_of(Cause::parse(text), &Cause::ALL.map(Cause::as_str));
        (self.take("response_status", ResponseStatusFilter::parse), self.take("error", cause))
    }

    /// Takes `from` and `to`. If they are invalid, a problem is recorded and the range is today.
    pub fn days(&mut self, today: Day) -> Days {
        let (from, to) = (self.take("from", Day::parse), self.take("to", Day::parse));
        Days::new(from, to, today).unwrap_or_else(|invalid| {
            if self.problems.is_empty() {
                self.problems.push(Problem::new("from", invalid));
            }
            Days::only(today)
        })
    }

    /// Takes `since`, `until` and `interval`. If they are invalid, a problem is recorded and the span is the present
    /// interval.
    pub fn span(&mut self, now: Timestamp) -> Span {
        let (since, until) = (self.take("since", time), self.take("until", time));
        let interval = self.take("interval", Interval::parse).unwrap_or_default();
        Span::new(since, until, interval, now).unwrap_or_else(|invalid| {
            if self.problems.is_empty() {
                self.problems.push(Problem::new("since", invalid));
            }
            Span::of_now(interval, now)
        })
    }
}

/// Parses a time. An unencoded `+` of an offset arrives as a space, which times do not contain otherwise.
pub(super) fn time(text: &str) -> Result<Timestamp, Invalid> {
    Timestamp::parse(&text.replace(' ', "+"))
}

/// Parses the status of a delivery.
///
/// # Errors
/// [`Invalid`] naming the possible values.
pub fn delivery_status(text: &str) -> Result<DeliveryStatus, Invalid> {
    one_of(DeliveryStatus::parse(text), &DeliveryStatus::ALL.map(DeliveryStatus::as_str))
}

/// The value that a text names, or an error that lists the possible names.
pub(super) fn one_of<T>(found: Option<T>, names: &[&str]) -> Result<T, Invalid> {
    found.ok_or_else(|| Invalid::new(format!("must be one of {}", names.join(", "))))
}

/// Parses the status of an organization.
///
/// # Errors
/// [`Invalid`] naming the possible values.
pub fn organization_status(text: &str) -> Result<OrganizationStatus, Invalid> {
    match text {
        "active" => Ok(OrganizationStatus::Active),
        "suspended" => Ok(OrganizationStatus::Suspended),
        _ => Err(Invalid::new("must be active or suspended")),
    }
}

/// The requested page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Most items of the page.
    pub limit: usize,
    /// The cursor from the previous page; `None` for the first page.
    pub cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_of_a_query_are_reported() {
        let mut query =
            Query::new("limit=7&cursor=abc&status=exhausted&event_type=a.b&since=2026-03-24T20%3A00%3A00Z&until=");
        let (paging, filter) = (query.paging(), query.delivery_filter());
        assert_eq!(paging, Paging { limit: 7, cursor: Some("abc".to_owned()) });
        assert_eq!(filter.statuses, [DeliveryStatus::Exhausted]);
        assert!(filter.event.since.is_some() && filter.event.until.is_none());
        assert!(query.finish(()).is_ok());

        let mut query = Query::new("limit=0&status=lost&since=yesterday&foo=1");
        let _ = (query.paging(), query.delivery_filter());
        let names: Vec<_> = query.finish(()).unwrap_err().into_iter().map(|problem| problem.name).collect();
        assert_eq!(names, ["limit", "status", "since", "foo"]);

        let mut query = Query::new("status=failed&limit=1&status=failed&status=lost&limit=&foo=1&foo=2");
        let _ = (query.paging(), query.delivery_filter());
        let problems = query.finish(()).unwrap_err();
        let problems: Vec<_> = problems.iter().map(|it| (it.name.as_str(), it.message.as_str())).collect();
        let repeated = "is given more than once";
        assert_eq!(problems[..3], [("status", repeated), ("limit", repeated), ("foo", repeated)]);
        assert_eq!(problems.last(), Some(&("foo", "is not a known parameter")));

        let today = Day::parse("2026-03-24").unwrap();
        for (text, wrong) in [
            ("from=2026-03-01&to=2026-03-02", &[][..]),
            ("from=x&to=y&foo=1", &["from", "to", "foo"]),
            ("from=2026-03-02&to=2026-03-01", &["from"]),
            ("from=2026-03-25&to=x", &["to"]),
        ] {
            let mut query = Query::new(text);
            let days = query.days(today);
            let problems = query.finish(days).map_or_else(|problems| problems, |_| Vec::new());
            assert_eq!(problems.into_iter().map(|problem| problem.name).collect::<Vec<_>>(), wrong);
        }
    }

    #[test]
    fn a_list_of_events_is_filtered_by_results_only_for_an_endpoint() {
        let endpoint = "we_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f";
        for (text, wrong) in [
            (format!("endpoint_id={endpoint}&response_status=5xx&error=timeout"), &[][..]),
            ("type=a.b&channel=x&external_id=y".to_owned(), &[]),
            ("response_status=500&error=tls".to_owned(), &["response_status", "error"]),
            ("endpoint_id=x&response_status=500".to_owned(), &["endpoint_id"]),
            (format!("endpoint_id={endpoint}&response_status=50&error=none"), &["response_status", "error"]),
        ] {
            let mut query = Query::new(&text);
            let selection = query.event_selection();
            let is_of_endpoint = matches!(selection, EventSelection::Delivered(..));
            assert_eq!(is_of_endpoint, text.contains(endpoint), "{text}");
            let problems = query.finish(()).map_or_else(|problems| problems, |()| Vec::new());
            assert_eq!(problems.into_iter().map(|problem| problem.name).collect::<Vec<_>>(), wrong, "{text}");
        }
    }

    #[test]
    fn the_plus_of_an_offset_need_not_be_percent_encoded() {
        for text in ["2026-03-24T22:00:00+02:00", "2026-03-24T22:00:00%2B02:00", "2026-03-24T22:00:00%2b02%3A00"] {
            let filter = Query::new(&format!("since={text}")).delivery_filter();
            assert_eq!(filter.event.since, Timestamp::parse("2026-03-24T20:00:00Z").ok(), "{text}");
        }
        for text in ["2026-03-24+20:00:00Z", "2026-03-24%2020:00:00Z", "+2026-03-24T20:00:00Z"] {
            let mut query = Query::new(&format!("since={text}"));
            let filter = query.delivery_filter();
            assert!(filter.event.since.is_none() && query.finish(()).is_err(), "{text}");
        }
    }
}
