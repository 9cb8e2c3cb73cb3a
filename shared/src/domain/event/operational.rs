//! The types of events that the service itself publishes.

/// The types of the events about endpoints and deliveries of an organization. Only the service publishes them.
pub const OPERATIONAL_EVENTS: [&str; 5] =
    ["webhook.created", "webhook.disabled", "webhook.suspended", "webhook.resumed", "delivery.exhausted"];

/// The types of the events that the platform's own organization receives about all others, beside the
/// [`OPERATIONAL_EVENTS`]. Their data has the form of the `svix` dialect.
pub const PLATFORM_EVENTS: [&str; 8] = [
    ENDPOINT_CREATED,
    ENDPOINT_UPDATED,
    ENDPOINT_ENABLED,
    ENDPOINT_DISABLED,
    ENDPOINT_DELETED,
    MESSAGE_FAILING,
    MESSAGE_EXHAUSTED,
    MESSAGE_RECOVERED,
];

/// An endpoint was created.
pub const ENDPOINT_CREATED: &str = "endpoint.created";
/// The owner changed the settings of an endpoint.
pub const ENDPOINT_UPDATED: &str = "endpoint.updated";
/// The owner enabled an endpoint.
pub const ENDPOINT_ENABLED: &str = "endpoint.enabled";
/// The owner or the service disabled an endpoint.
pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
/// The owner deleted an endpoint.
pub const ENDPOINT_DELETED: &str = "endpoint.deleted";
/// The attempts of a delivery have failed [`FAILING_AFTER`] times, and another one will be made.
pub const MESSAGE_FAILING: &str = "message.attempt.failing";
/// A delivery has used up its schedule.
pub const MESSAGE_EXHAUSTED: &str = "message.attempt.exhausted";
/// A delivery succeeded after more than [`FAILING_AFTER`] attempts.
pub const MESSAGE_RECOVERED: &str = "message.attempt.recovered";

/// After how many failed attempts the platform learns that a delivery fails.
pub const FAILING_AFTER: u32 = 4;
