//! The operators' pages.

pub(crate) const TITLE: &str = "Organizations";
pub(crate) const NONE: &str = "There is no organization yet. Each tenant of your product is one.";
pub(crate) const NONE_FOUND: &str = "No organization matches.";
pub(crate) const NEW: &str = "New organization";
pub(crate) const CREATE: &str = "Create";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const FIND: &str = "Search";
pub(crate) const NAME: &str = "Name";
pub(crate) const ID: &str = "Id";
pub(crate) const SLUG: &str = "Slug";
pub(crate) const SLUG_HELP: &str = "A short name for URLs, unique in the deployment.";
pub(crate) const EXTERNAL_ID: &str = "External id";
pub(crate) const EXTERNAL_ID_HELP: &str = "The identifier of the tenant in your product.";
pub(crate) const DESCRIPTION: &str = "Description";
pub(crate) const STATE: &str = "State";
pub(crate) const ANY_STATE: &str = "Any";
pub(crate) const VOLUME: &str = "Events of the last 7 days";
pub(crate) const EVENTS: &str = "events";
pub(crate) const CREATED: &str = "Created";
pub(crate) const ACTIONS: &str = "Actions";
pub(crate) const ACTIVE: &str = "Active";
pub(crate) const SUSPENDED: &str = "Suspended";
pub(crate) const DELETING: &str = "Being deleted";
pub(crate) const SUSPEND: &str = "Suspend";
pub(crate) const SUSPEND_CONSEQUENCE: &str = "Publishing is refused, deliveries that wait fail, and the organization's \
    portal sessions end at once.";
pub(crate) const REACTIVATE: &str = "Reactivate";
pub(crate) const HEALTH: &str = "Health";
pub(crate) const SUSPENDED_ENDPOINTS: &str = "Suspended endpoints";
pub(crate) const NO_SUSPENDED_ENDPOINTS: &str = "None";
pub(crate) const ENDPOINT: &str = "Endpoint";
pub(crate) const ORGANIZATION: &str = "Organization";
pub(crate) const METRICS: &str = "Backlog";
pub(crate) const METRICS_HELP: &str = "Counting what waits means reading all of it, so this page does not. The sweep counts it \
    and writes these metrics to CloudWatch, in the namespace Pigeonpost; the local host writes none.";
pub(crate) const METRIC: &str = "Metric";
pub(crate) const MEANING: &str = "Meaning";
pub(crate) const ALL_METRICS: [(&str, &str); 4] = [
    ("Parked", "How many deliveries wait for a time or for a suspended endpoint; every five minutes"),
    ("SuspendedEndpoints", "How many endpoints are suspended; every five minutes"),
    ("SweepOverdueSeconds", "How late the oldest delivery is that is due; up to 60 seconds is usual"),
    (
        "ApproximateNumberOfMessagesVisible",
        "Dead letters: the metric of the queue DeadLetterQueue in the namespace AWS/SQS. It is zero in a healthy deployment",
    ),
];

/// How many endpoints are suspended.
pub(crate) fn suspended_endpoints(number: &str, has_more: bool) -> String {
    if has_more { format!("More than {number}") } else { number.to_owned() }
}
