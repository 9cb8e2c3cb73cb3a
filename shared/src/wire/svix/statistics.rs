//! Statistics over applications. Their task is computed when it is read, so its identifier contains what it asks for, and
//! nothing is stored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{Reference, parse_application, print_application, reference};
use super::task::{TASK, TaskOut};
use crate::domain::Invalid;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::usage::{Day, Days, Usage};
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader, each};
use crate::wire::openapi::Millisecond;

/// Most applications that a request names. The identifier of the task contains them.
const MAX_APPLICATIONS: usize = 100;
/// The task that lists event types, after [`TASK`].
const EVENT_TYPES: &str = "event-types";
/// The beginning of the task that counts messages, after [`TASK`]. The days and the applications follow, separated by dots.
const USAGE: &str = "usage.";
const SEPARATOR: char = '.';
const APPLICATION: &str = "app_";

/// What a task of statistics asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The event types that the endpoints of each application name.
    EventTypes,
    /// How many messages went to endpoints of each application on these days.
    Usage(Days, Vec<OrganizationId>),
}

/// Prints the identifier of the task.
pub fn print_report(report: &Report) -> String {
    let Report::Usage(days, applications) = report else { return format!("{TASK}{EVENT_TYPES}") };
    let applications = applications.iter().map(|id| print_application(id).replacen(APPLICATION, "", 1));
    let parts = [days.first().to_string(), days.last().to_string()].into_iter().chain(applications);
    format!("{TASK}{USAGE}{}", parts.collect::<Vec<_>>().join("."))
}

/// Parses the identifier of a task of statistics.
pub fn parse_report(text: &str) -> Option<Report> {
    let rest = text.strip_prefix(TASK)?;
    if rest == EVENT_TYPES {
        return Some(Report::EventTypes);
    }
    let mut parts = rest.strip_prefix(USAGE)?.split(SEPARATOR);
    let (first, last) = (Day::parse(parts.next()?).ok()?, Day::parse(parts.next()?).ok()?);
    let days = Days::new(Some(first), Some(last), last).ok()?;
    let applications = parts.map(|digits| parse_application(&format!("{APPLICATION}{digits}")));
    let applications = applications.collect::<Option<Vec<_>>>()?;
    (applications.len() <= MAX_APPLICATIONS).then_some(Report::Usage(days, applications))
}

/// The body of `POST /stats/usage/app`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::AppUsageStatsIn)]
pub struct UsageIn {
    /// The whole day in UTC is counted.
    #[schema(value_type = String, required)]
    since: Field<String>,
    /// The whole day in UTC is counted.
    #[schema(value_type = String, required)]
    until: Field<String>,
    /// Identifiers or uids, at most 100; by default all applications.
    #[schema(value_type = Option<Vec<String>>)]
    app_ids: Field<Vec<String>>,
}

impl UsageIn {
    /// Validates the fields. The applications are `None` for all. They need not exist.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<(Days, Option<Vec<Named>>), Vec<Problem>> {
        let mut read = Reader::default();
        let since = read.required("since", self.since, |since| Timestamp::parse(&since));
        let until = read.required("until", self.until, |until| Timestamp::parse(&until));
        let days = since.zip(until).and_then(|(since, until)| {
            let last = Day::of(until);
            match Days::new(Some(Day::of(since)), Some(last), last) {
                Ok(days) => Some(days),
                Err(_) => {
                    read.problem("since", "must be before until, by at most 366 days");
                    None
                }
            }
        });
        let named = read.optional("appIds", self.app_ids, |ids| match ids.len() {
            1..=MAX_APPLICATIONS => each(&ids, Named::parse),
            _ => Err(Invalid::new(format!("must name 1 to {MAX_APPLICATIONS} applications"))),
        });
        read.finish(days.map(|days| (days, named)))
    }
}

/// An application as a request names it.
#[derive(Debug)]
pub struct Named {
    /// The text of the request.
    pub text: String,
    /// What it denotes.
    pub reference: Reference<OrganizationId>,
}

impl Named {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let reference = reference(text, parse_application);
        let reference = reference.ok_or_else(|| Invalid::new("must have identifiers or uids of applications"))?;
        Ok(Self { text: text.to_owned(), reference })
    }
}

/// A task of statistics that was begun.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::StatsTaskOut)]
pub struct ReportOut {
    id: String,
    /// `finished`: the result is computed when the task is read.
    status: &'static str,
    /// `application.stats` or `event-type.aggregate`.
    task: &'static str,
    #[schema(value_type = Millisecond)]
    updated_at: String,
    /// The applications of the request that do not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    unresolved_app_ids: Option<Vec<String>>,
}

impl ReportOut {
    /// The task. `unresolved` are the applications that do not exist, if the request may name some.
    pub fn new(report: &Report, unresolved: Option<Vec<String>>, now: Timestamp) -> Self {
        let (id, updated_at) = (print_report(report), now.rfc3339());
        Self { id, status: "finished", task: report.task(), updated_at, unresolved_app_ids: unresolved }
    }
}

impl Report {
    const fn task(&self) -> &'static str {
        match self {
            Self::EventTypes => "event-type.aggregate",
            Self::Usage(..) => "application.stats",
        }
    }
}

/// The messages of an application.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageOut {
    app_id: String,
    app_uid: Option<String>,
    message_destinations: u64,
}

impl UsageOut {
    /// The usage of an application.
    pub fn new(id: &OrganizationId, uid: Option<&ExternalId>, usage: Usage) -> Self {
        let app_uid = uid.map(ExternalId::to_string);
        Self { app_id: print_application(id), app_uid, message_destinations: usage.deliveries }
    }
}

/// The event types of an application.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribedOut {
    app_id: String,
    explicitly_subscribed_event_types: Vec<String>,
    has_catch_all_endpoint: bool,
}

impl SubscribedOut {
    /// The subscriptions of an application's endpoints.
    pub fn new(id: &OrganizationId, subscriptions: &[Subscription]) -> Self {
        let named = subscriptions.iter().filter(|it| **it != Subscription::All);
        Self {
            app_id: print_application(id),
            explicitly_subscribed_event_types: named.map(Subscription::to_string).collect(),
            has_catch_all_endpoint: subscriptions.contains(&Subscription::All),
        }
    }
}

impl TaskOut {
    /// The task that has counted messages.
    pub fn of_usage(report: &Report, applications: &[UsageOut], now: Timestamp) -> Self {
        Self::of_report(report, serde_json::json!({"appStats": applications}), now)
    }

    /// The task that has listed event types.
    pub fn of_event_types(report: &Report, applications: &[SubscribedOut], now: Timestamp) -> Self {
        Self::of_report(report, serde_json::json!({"event_types": applications}), now)
    }

    fn of_report(report: &Report, data: serde_json::Value, now: Timestamp) -> Self {
        Self { id: print_report(report), status: "finished", task: report.task(), data, updated_at: now.rfc3339() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_report_is_parsed_to_the_same_report() {
        let day = |text: &str| Day::parse(text).unwrap();
        let last = day("2026-03-24");
        let days = Days::new(Some(day("2026-03-01")), Some(last), last).unwrap();
        let all = ["org_01h2xcejqtf2nbrexx3vqjhp41", "550e8400-e29b-41d4-a716-446655440000"];
        let all = all.map(|id| OrganizationId::parse(id).unwrap());
        for report in [Report::EventTypes, Report::Usage(days, Vec::new()), Report::Usage(days, all.to_vec())] {
            assert_eq!(parse_report(&print_report(&report)), Some(report));
        }
        let many = vec![all[0].clone(); MAX_APPLICATIONS + 1];
        for text in [
            "",
            "qtask_",
            "event-types",
            "qtask_usage.2026-03-24",
            "qtask_usage.2026-03-24.2026-03-01",
            "qtask_usage.2026-03-01.2026-03-24.x",
            "qtask_usage.2020-01-01.2026-03-24",
            &print_report(&Report::Usage(days, many)),
        ] {
            assert_eq!(parse_report(text), None, "{text}");
        }
    }
}
