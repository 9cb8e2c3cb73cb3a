//! The filter of lists of attempts in a query string.

use utoipa::IntoParams;

use super::query::{Query, one_of, time};
use crate::domain::delivery::attempt::Cause;
use crate::domain::delivery::recorded::AttemptFilter;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::event::event_type::EventType;
use crate::domain::time::Timestamp;
use crate::wire::openapi::{Channel, ResponseStatus};

impl Query {
    /// Takes `response_status`, `error`, `trigger`, `event_type`, `channel`, `since` and `until`.
    pub fn attempt_filter(&mut self) -> AttemptFilter {
        let (response_status, error) = self.result();
        AttemptFilter {
            response_status,
            error,
            trigger: self.take("trigger", |text| one_of(Trigger::parse(text), &Trigger::ALL.map(Trigger::as_str))),
            event_types: self.take("event_type", EventType::parse).into_iter().collect(),
            channel: self.channel(),
            since: self.take("since", time),
            until: self.take("until", time),
            ..AttemptFilter::default()
        }
    }
}

/// The parameters of [`Query::attempt_filter`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AttemptParameters {
    /// Only attempts that got such a response.
    #[param(value_type = Option<ResponseStatus>)]
    pub response_status: Option<String>,
    /// Only attempts that failed with this error.
    #[param(value_type = Option<Cause>)]
    pub error: Option<String>,
    /// Only attempts with this trigger.
    #[param(value_type = Option<Trigger>)]
    pub trigger: Option<String>,
    /// Only attempts of events of this type.
    #[param(value_type = Option<EventType>)]
    pub event_type: Option<String>,
    /// Only attempts of events that have this channel.
    #[param(value_type = Option<Channel>)]
    pub channel: Option<String>,
    /// Only attempts that began at this time or later.
    #[param(value_type = Option<Timestamp>)]
    pub since: Option<String>,
    /// Only attempts that began before this time.
    #[param(value_type = Option<Timestamp>)]
    pub until: Option<String>,
}

/// The parameters of [`Query::paging`] in lists of attempts.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AttemptPagingParameters {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// A `next_cursor`, for older attempts, or a `previous_cursor`, for newer ones, of another page.
    pub cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::recorded::ResponseStatusFilter;

    #[test]
    fn the_filter_of_attempts_is_parsed_and_every_problem_is_reported() {
        let mut query = Query::new(
            "response_status=5xx&error=dns&trigger=resend&event_type=a.b&channel=eu&since=2026-03-24T20:00:00Z",
        );
        let filter = query.attempt_filter();
        assert_eq!(filter.response_status, ResponseStatusFilter::parse("5xx").ok());
        assert_eq!((filter.error, filter.trigger), (Some(Cause::Dns), Some(Trigger::Resend)));
        assert_eq!(filter.channel.as_deref(), Some("eu"));
        assert!(filter.event_types.len() == 1 && filter.since.is_some() && filter.until.is_none());
        assert!(query.finish(()).is_ok());

        let mut query =
            Query::new("response_status=600x&error=x&trigger=y&event_type=a..b&channel=!&since=x&until=y&z=1");
        let _ = query.attempt_filter();
        let names: Vec<_> = query.finish(()).unwrap_err().into_iter().map(|problem| problem.name).collect();
        assert_eq!(names, ["response_status", "error", "trigger", "event_type", "channel", "since", "until", "z"]);
    }
}
