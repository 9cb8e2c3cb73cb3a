//! The parameters of query strings for the OpenAPI document.

use utoipa::IntoParams;

use crate::domain::delivery::DeliveryStatus;
use crate::domain::delivery::attempt::Cause;
use crate::domain::event::event_type::EventType;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::statistics::Interval;
use crate::domain::tenancy::usage::Day;
use crate::domain::text::Slug;
use crate::domain::time::Timestamp;
use crate::wire::openapi::{Channel, ResponseStatus, ShownOrganizationStatus};

/// The parameters of [`super::Query::paging`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PagingParameters {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// The parameters of [`super::Query::permanent`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeletionParameters {
    /// Deletes the endpoint instead of disabling it.
    #[param(default = false)]
    pub permanent: Option<bool>,
}

/// The parameters of [`super::Query::force`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ForceParameters {
    /// Deletes the organization although it is active.
    #[param(default = false)]
    pub force: Option<bool>,
}

/// The parameters of [`super::Query::permanent`] for event types.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemovalParameters {
    /// Removes the event type with all its versions instead of archiving it.
    #[param(default = false)]
    pub permanent: Option<bool>,
}

/// The parameters of [`super::Query::dry_run`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportParameters {
    /// Tells what the import would do, and changes nothing.
    #[param(default = false)]
    pub dry_run: Option<bool>,
}

/// The parameters of [`super::Query::dry_run`] for replays.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReplayParameters {
    /// Counts what the replay would do, and changes nothing.
    #[param(default = false)]
    pub dry_run: Option<bool>,
}

/// The parameters of [`super::Query::type_filter`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TypeParameters {
    /// Whether archived types are included.
    #[param(default = false)]
    pub archived: Option<bool>,
    /// Only types of this group.
    pub group: Option<String>,
}

/// The parameters of [`super::Query::event_selection`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParameters {
    /// Only events of this type.
    #[param(rename = "type", value_type = Option<EventType>)]
    pub event_type: Option<String>,
    /// Only events that have a delivery to this endpoint.
    #[param(value_type = Option<EndpointId>)]
    pub endpoint_id: Option<String>,
    /// Only events published at this time or later.
    #[param(value_type = Option<Timestamp>)]
    pub since: Option<String>,
    /// Only events published before this time.
    #[param(value_type = Option<Timestamp>)]
    pub until: Option<String>,
    /// Only events that have this channel.
    #[param(value_type = Option<Channel>)]
    pub channel: Option<String>,
    /// Only the event with this external id.
    #[param(value_type = Option<ExternalId>)]
    pub external_id: Option<String>,
    /// Only events whose delivery to the endpoint got such a response to its last attempt. Requires `endpoint_id`.
    #[param(value_type = Option<ResponseStatus>)]
    pub response_status: Option<String>,
    /// Only events whose delivery to the endpoint has this error. Requires `endpoint_id`.
    #[param(value_type = Option<Cause>)]
    pub error: Option<String>,
}

/// The parameters of [`super::Query::organization_filter`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrganizationParameters {
    /// Only organizations with this status.
    #[param(value_type = Option<ShownOrganizationStatus>)]
    pub status: Option<String>,
    /// Only the organization with this id.
    #[param(value_type = Option<OrganizationId>)]
    pub id: Option<String>,
    /// Only the organization with this slug.
    #[param(value_type = Option<Slug>)]
    pub slug: Option<String>,
    /// Only the organization with this external id.
    #[param(value_type = Option<ExternalId>)]
    pub external_id: Option<String>,
}

/// The parameters of [`super::Query::days`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageParameters {
    /// The first day (UTC); by default 29 days before the last one. At most 366 days are allowed.
    #[param(value_type = Option<Day>)]
    pub from: Option<String>,
    /// The last day (UTC); by default today.
    #[param(value_type = Option<Day>)]
    pub to: Option<String>,
}

/// The parameters of [`super::Query::span`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatisticsParameters {
    /// The first interval is the one of this time; by default 24 hours or 30 days before `until`. At most 32 days are
    /// allowed.
    #[param(value_type = Option<Timestamp>)]
    pub since: Option<String>,
    /// The last interval is the one that contains or ends at this time; by default the current time.
    #[param(value_type = Option<Timestamp>)]
    pub until: Option<String>,
    /// The length of the intervals.
    #[param(value_type = Option<Interval>)]
    pub interval: Option<String>,
}

/// The parameters of [`super::Query::delivery_filter`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParameters {
    /// Only deliveries with this status.
    #[param(value_type = Option<DeliveryStatus>)]
    pub status: Option<String>,
    /// Only deliveries of events of this type.
    #[param(value_type = Option<EventType>)]
    pub event_type: Option<String>,
    /// Only deliveries of events published at this time or later.
    #[param(value_type = Option<Timestamp>)]
    pub since: Option<String>,
    /// Only deliveries of events published before this time.
    #[param(value_type = Option<Timestamp>)]
    pub until: Option<String>,
    /// Only deliveries of events that have this channel.
    #[param(value_type = Option<Channel>)]
    pub channel: Option<String>,
    /// Only the delivery of the event with this external id.
    #[param(value_type = Option<ExternalId>)]
    pub external_id: Option<String>,
    /// Only deliveries whose last attempt got such a response.
    #[param(value_type = Option<ResponseStatus>)]
    pub response_status: Option<String>,
    /// Only deliveries with this error.
    #[param(value_type = Option<Cause>)]
    pub error: Option<String>,
}
