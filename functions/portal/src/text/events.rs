//! The pages of events.

pub(crate) const TITLE: &str = "Events";
pub(crate) const ALL: &str = "All events";
pub(crate) const NONE: &str = "No event was published yet.";
pub(crate) const PUBLISH: &str = "Publish the first event with an API key:";
pub(crate) const NONE_FOUND: &str = "No event matches these filters.";
pub(crate) const TYPE: &str = "Type";
pub(crate) const CHANNEL: &str = "Channel";
pub(crate) const CHANNELS: &str = "Channels";
pub(crate) const EXTERNAL_ID: &str = "External id";
pub(crate) const SINCE: &str = "Since (UTC)";
pub(crate) const UNTIL: &str = "Until (UTC)";
pub(crate) const FILTER: &str = "Filter";
pub(crate) const PUBLISHED: &str = "Published";
pub(crate) const ID: &str = "Id";
pub(crate) const ENDPOINT: &str = "Endpoint";
pub(crate) const ENDPOINTS: &str = "Endpoints";
pub(crate) const SUBJECT: &str = "Subject";
pub(crate) const SCHEMA_VERSION: &str = "Schema version";
pub(crate) const TEST: &str = "Test";
pub(crate) const IS_TEST: &str = "Sent to one endpoint only";
pub(crate) const REMOVED: &str = "Data removed";
pub(crate) const DATA: &str = "Data";
pub(crate) const DATA_WAS_REMOVED: &str = "The data was removed on";
pub(crate) const DELIVERIES: &str = "Deliveries";
pub(crate) const NO_DELIVERIES: &str = "No endpoint receives this event.";
pub(crate) const STATE: &str = "State";
pub(crate) const ATTEMPTS: &str = "Attempts";
pub(crate) const NEXT_ATTEMPT: &str = "Next attempt";
pub(crate) const UPDATED: &str = "Updated";
pub(crate) const REMOVE_DATA: &str = "Remove the data";
pub(crate) const REMOVE_DATA_CONSEQUENCE: &str = "The data of this event, the responses to its deliveries and their signatures \
    are removed for good. Deliveries that wait fail.";

/// The command that publishes an event.
pub(crate) fn publish_command(origin: &str, organization: &str) -> String {
    format!(
        "curl {origin}/v1/organizations/{organization}/events \\\n  -H \"Authorization: Bearer $API_KEY\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  -d '{{\"type\": \"order.created\", \"data\": {{\"id\": 1}}}}'"
    )
}
