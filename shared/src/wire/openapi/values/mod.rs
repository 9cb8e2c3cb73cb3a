//! The schemas of single values, with the values that each accepts. The domain types define the rules, and a test
//! compares the schemas with them.

mod builders;
mod fields;

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::catalogue::{MAX_DESCRIPTION_CHARS, MAX_GROUP_CHARS, Visibility};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::delivery::attempt::{Cause, Detail};
use crate::domain::delivery::schedule::{MAX_DELAY_SECONDS, MAX_RETRIES, RetrySchedule};
use crate::domain::delivery::trigger::Trigger;
use crate::domain::endpoint::destination::Destination;
use crate::domain::endpoint::filter::Filter;
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::health::HealthState;
use crate::domain::endpoint::subscription::{MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::endpoint::url::EndpointUrl;
use crate::domain::endpoint::{DisabledReason, EndpointStatus};
use crate::domain::event::channel::{MAX_ENDPOINT_CHANNELS, MAX_EVENT_CHANNELS};
use crate::domain::event::event_type::{EventType, MAX_EVENT_TYPE_CHARS};
use crate::domain::event::payload::{ContentType, Format, MAX_CONTENT_TYPE_CHARS};
use crate::domain::external_id::{ExternalId, MAX_EXTERNAL_ID_CHARS};
use crate::domain::ids::{
    AttemptId, DeliveryId, EndpointId, EventId, JobId, KeyId, OrganizationId, PortalSessionId, RequestId,
};
use crate::domain::job::{JobKind, JobState, Replayed};
use crate::domain::metadata::{MAX_PAIRS, Metadata};
use crate::domain::portal::origin::ReturnUrl;
use crate::domain::portal::session::{
    DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS, PortalSessionStatus, ROLES, SessionSeconds, Theme,
};
use crate::domain::signing::ed25519::Ed25519PublicKey;
use crate::domain::signing::key::SigningKeyId;
use crate::domain::signing::secret::{Algorithm, SigningSecret};
use crate::domain::statistics::Interval;
use crate::domain::tenancy::access::{Role, Scope};
use crate::domain::tenancy::api_key::{KeySecret, KeyStatus};
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::tenancy::usage::Day;
use crate::domain::text::{Description, EditionId, IdempotencyKey, Name, Slug, SubjectPart};
use crate::domain::time::Timestamp;
use crate::wire::error::ErrorCode;
use crate::wire::field::MAX_NARROW_CHARS;
use builders::{channel, channels, codes, describe, details, format, id, moment, number, one_of, pattern, text};

pub(crate) use fields::{
    accepted_or_refused, deliveries_ordering, endpoints_ordering, event_data, import_effect, jwk, object,
    shown_event_data,
};

/// Types for values that have no type of their own in the domain.
macro_rules! wire_values {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug)]
        pub enum $name {}
    )+};
}

wire_values! {
    /// An endpoint's id in the `endpoints` dialect.
    HyphenatedEndpointId;
    /// An organization's id that the caller supplies.
    SuppliedOrganizationId;
    /// A URL after it was accepted and normalized, or an ARN.
    StoredUrl;
    /// Headers in a response.
    ShownHeaders;
    /// A signing secret that a caller of the canonical dialect supplies.
    VerifiableSecret;
    /// The subscriptions of an endpoint.
    Subscriptions;
    /// The description of an event type.
    TypeDescription;
    /// The group of an event type.
    TypeGroup;
    /// The schema of an event type.
    DataSchema;
    /// The number of a version of an event type.
    SchemaVersion;
    /// The subscriptions of an endpoint in a request of the other dialects.
    NarrowSubscriptions;
    /// The name of a channel.
    Channel;
    /// The channels of an event.
    EventChannels;
    /// The channels of an endpoint.
    EndpointChannels;
    /// An instant with milliseconds.
    Millisecond;
    /// An instant with whole seconds.
    WholeSecond;
    /// The value of the `X-Webhook-Signature` header.
    BodyDigest;
    /// The statuses of deliveries that can be retried.
    RecoverableStatus;
    /// A condition on the status of a response.
    ResponseStatus;
    /// The status of an endpoint in the `endpoints` dialect.
    CapitalStatus;
    /// The statuses that a caller of the `endpoints` dialect can set.
    PausedOrActive;
    /// The status of an organization in a response.
    ShownOrganizationStatus;
    /// An organization in a path.
    OrganizationReference;
    /// An endpoint in a path.
    EndpointReference;
    /// An endpoint in a path of the `endpoints` dialect.
    HyphenatedEndpointReference;
    /// An event in a path.
    EventReference;
    /// The header `traceparent`.
    TraceParent;
    /// The header `tracestate`.
    TraceState;
    /// The role of a portal session.
    PortalRole;
    /// The link of a new portal session.
    PortalUrl;
    /// The only type of API key.
    SecretKey;
    /// The only environment of API keys.
    Live;
}

macro_rules! schemas {
    ($($name:literal: $type:ty = $description:expr, $schema:expr;)+) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    let mut schema = Schema::from($schema);
                    describe(&mut schema, $description);
                    schema.into()
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($name)
                }
            }
        )+
    };
}

const UUID: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
const EVENT_TYPE: &str = r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*";

schemas! {
    "EndpointId": EndpointId = "A webhook endpoint.", id(EndpointId::PREFIX);
    "endpoints.EndpointId": HyphenatedEndpointId =
        "A webhook endpoint. In the other dialects its id is `we_` and the digits without hyphens.",
        pattern("^ep_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            "ep_550e8400-e29b-41d4-a716-446655440000");
    "EventId": EventId = "A published event.", id(EventId::PREFIX);
    "DeliveryId": DeliveryId = "One event for one endpoint.", id(DeliveryId::PREFIX);
    "AttemptId": AttemptId = "One request for a delivery.", id(AttemptId::PREFIX);
    "ApiKeyId": KeyId = "An API key. It is not a secret.", id(KeyId::PREFIX);
    "PortalSessionId": PortalSessionId = "A portal session. It is not a secret.", id(PortalSessionId::PREFIX);
    "JobId": JobId = "A job. Its id is derived from its work, so the same work has the same id.", id(JobId::PREFIX);
    "RequestId": RequestId = "One request to this API.", id(RequestId::PREFIX);
    "OrganizationId": OrganizationId = "An organization. The id is generated, or a UUID that its creator supplied.",
        pattern(&format!("^(org_[0-9a-hjkmnp-tv-z]{{26}}|{UUID})$"), "org_01jq4z8s3tf6v9x0b2c4d6e8ga");
    "BroughtOrganizationId": SuppliedOrganizationId = "The organization's id; generated if absent.",
        pattern(&format!("^{UUID}$"), "550e8400-e29b-41d4-a716-446655440000").format(format("uuid"));

    "Name": Name = "The name.", text(1, 255, "Acme Growth Workspace");
    "Description": Description = "A description for people.", text(1, 1_024, "The workspace of the growth team");
    "Metadata": Metadata =
        "Pairs of strings for the caller's own use: at most 20, and at most 4 KiB of keys and values together.",
        ObjectBuilder::new()
            .max_properties(Some(MAX_PAIRS))
            .property_names(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build()))
            .additional_properties(Some(AdditionalProperties::from(Schema::from(
                ObjectBuilder::new().schema_type(Type::String),
            ))))
            .examples([serde_json::json!({"region": "emea"})]);
    "ExternalId": ExternalId =
        "The caller's own id. In a path, `ext:` and this id stand for the resource's id. It does not begin with a prefix of \
         the service's ids (`org_`, `we_`, `ep_`, `wevt_`, `wdlv_`, `watt_`, `wjob_`, `key_`, `wps_`, `req_`).",
        pattern("^[A-Za-z0-9._-]+$", "crm-4711").max_length(Some(MAX_EXTERNAL_ID_CHARS));
    "OrganizationReference": OrganizationReference = "An organization's id, or `ext:` and its external id.",
        pattern(&format!("^(org_[0-9a-hjkmnp-tv-z]{{26}}|{UUID}|ext:[A-Za-z0-9._-]{{1,256}})$"), "org_01jq4z8s3tf6v9x0b2c4d6e8ga");
    "EndpointReference": EndpointReference = "An endpoint's id, or `ext:` and its external id.",
        pattern("^(we_[0-9a-f]{32}|ext:[A-Za-z0-9._-]{1,256})$", "we_550e8400e29b41d4a716446655440000");
    "endpoints.EndpointReference": HyphenatedEndpointReference = "An endpoint's id, or `ext:` and its external id.",
        pattern("^(ep_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|ext:[A-Za-z0-9._-]{1,256})$",
            "ep_550e8400-e29b-41d4-a716-446655440000");
    "EventReference": EventReference = "An event's id, or `ext:` and its external id.",
        pattern("^(wevt_[0-9a-f]{32}|ext:[A-Za-z0-9._-]{1,256})$", "wevt_550e8400e29b41d4a716446655440000");
    "Slug": Slug = "A short name, unique within the deployment.",
        pattern("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "acme").max_length(Some(63));
    "EditionId": EditionId =
        "An endpoint with an edition receives only events of the same edition. An endpoint without one receives all.",
        text(1, 128, "emea");
    "SubjectPart": SubjectPart = "The type or the id of an event's subject.", text(1, 255, "member");
    "IdempotencyKey": IdempotencyKey =
        "A repeated request with the same key and body within 24 hours gets the same response and sends nothing twice. \
         A request with the same key and another body is rejected.",
        pattern("^[!-~]([ -~]*[!-~])?$", "order-1234-paid").max_length(Some(255));

    "EndpointUrl": EndpointUrl =
        "The URL of deliveries: `https`, and `http` only if the deployment allows it; without user name, password \
         and fragment; without whitespace and backslashes; not a private or reserved address.",
        pattern(r"^https?://[^\s\\#]+$", "https://app.acme.co/signup")
            .format(format("uri")).max_length(Some(2_048));
    "StoredUrl": StoredUrl = "The URL of deliveries, or the ARN of a resource in the deployment's own account.",
        pattern("^(https?://[^#]+|arn:aws.+)$", "https://app.acme.co/signup").format(format("uri"));
    "Destination": Destination =
        "The URL of deliveries, as in the other dialects; with the platform's key also the ARN of an SQS queue, an EventBridge \
         bus or a Lambda function that the deployment allows.",
        pattern(r"^(https?://[^\s\\#]+|arn:aws[a-z-]*:(sqs|events|lambda):\S+)$", "https://app.acme.co/signup")
            .max_length(Some(2_048));
    "EventType": EventType = "Segments of letters, digits, `_` and `-`, joined by dots.",
        pattern(&format!("^{EVENT_TYPE}$"), "session.fingerprint.calculated").max_length(Some(MAX_EVENT_TYPE_CHARS));
    "Subscription": Subscription =
        "An event type, or a pattern such as `member.*`, `*.created` or `invoice.*.failed`: a `*` stands for one segment, \
         and at the end for one or more. If the first segment is `*`, operational types are not included.",
        pattern(r"^(\*|[a-zA-Z0-9_-]+)(\.(\*|[a-zA-Z0-9_-]+))*$", "session.fingerprint.calculated")
            .max_length(Some(MAX_EVENT_TYPE_CHARS));
    "Subscriptions": Subscriptions = "The event types that the endpoint receives.",
        ArrayBuilder::new().items(Subscription::schema()).min_items(Some(1)).max_items(Some(MAX_SUBSCRIPTIONS));
    "NarrowSubscriptions": NarrowSubscriptions =
        "The event types that the endpoint receives, and patterns of them. In this dialect, types have at most 128 \
         characters and no hyphens.",
        ArrayBuilder::new()
            .items(
                pattern(r"^(\*|[a-zA-Z0-9_]+)(\.(\*|[a-zA-Z0-9_]+))*$", "session.fingerprint.calculated")
                    .max_length(Some(MAX_NARROW_CHARS)),
            )
            .min_items(Some(1))
            .max_items(Some(MAX_SUBSCRIPTIONS));
    "TypeDescription": TypeDescription = "A description for people, in Markdown.",
        text(1, MAX_DESCRIPTION_CHARS, "An order was paid.");
    "TypeGroup": TypeGroup = "The group that the type belongs to.", text(1, MAX_GROUP_CHARS, "orders");
    "Visibility": Visibility =
        "An `internal` type is shown to the platform alone; to an organization's key it is unknown.",
        one_of(Visibility::ALL.map(Visibility::as_str));
    "DataSchema": DataSchema =
        "A JSON Schema of the data: draft 2020-12, or the draft that `$schema` names, from 4 on. At most 64 KiB. \
         References lead to places in the same schema. Patterns have no look-around and no back-references.",
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Object, Type::Boolean]))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .examples([serde_json::json!({
                "type": "object",
                "required": ["order"],
                "properties": {"order": {"type": "string"}, "amount": {"type": "number", "minimum": 0}},
            })]);
    "SchemaVersion": SchemaVersion = "The number of a version of an event type, from 1.", number(1, 999_999, 1);
    "Channel": Channel = "The name of a channel.", channel();
    "EventChannels": EventChannels = "The channels of the event, by which endpoints select events.",
        channels(MAX_EVENT_CHANNELS);
    "EndpointChannels": EndpointChannels =
        "An endpoint with channels receives only events that share one with it, and operational events. An endpoint \
         without channels receives events of all channels.",
        channels(MAX_ENDPOINT_CHANNELS);
    "Filter": Filter =
        "An Amazon EventBridge event pattern over an event's `type`, `subject`, `channels` and `data`. It has the \
         structure of the event. Each field that it names has an array of values and rules, of which one must match. \
         The rules are `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists` and \
         `cidr`. One of the objects in `$or` must match. At most 4 KiB, 32 levels, and 256 values and rules.",
        ObjectBuilder::new()
            .min_properties(Some(1))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .examples([serde_json::json!({
                "type": [{"prefix": "order."}],
                "data": {"amount": [{"numeric": [">=", 100]}], "country": ["DE", "FR"]},
            })]);
    "Headers": Headers =
        "Headers that are added to every request. They may replace `user-agent` and `accept`, but not the headers that \
         the delivery sets itself: `connection`, `content-encoding`, `content-length`, `content-type`, `expect`, \
         `host`, `http2-settings`, `keep-alive`, `te`, `trailer`, `transfer-encoding`, `upgrade`, `proxy-*`, \
         `webhook-*`, `x-webhook-*`. No value begins or ends with a space or a tab. Names and values have at most 32 KiB together.",
        ObjectBuilder::new()
            .max_properties(Some(16))
            .property_names(Some(pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "X-Tenant").max_length(Some(1_024)).build()))
            .additional_properties(Some(AdditionalProperties::from(Schema::from(
                pattern(r"^([^\x00-\x20\x7f]([^\x00-\x08\n-\x1f\x7f]*[^\x00-\x20\x7f])?)?$", "acme").max_length(Some(4_096)),
            ))))
            .examples([serde_json::json!({"X-Tenant": "acme"})]);
    "ShownHeaders": ShownHeaders =
        "Headers that are added to every request. The values are null if the key lacks the scope `endpoints:write`.",
        ObjectBuilder::new()
            .additional_properties(Some(AdditionalProperties::from(Schema::from(
                ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])),
            ))))
            .examples([serde_json::json!({"X-Tenant": "acme"})]);
    "TimeoutSeconds": TimeoutSeconds =
        "The time limit of one attempt, in seconds, from resolving the name to the last byte of the response.",
        number(1, 30, 10).default(Some(TimeoutSeconds::default().get().into()));
    "RetrySchedule": RetrySchedule =
        "The delay before each retry, in seconds. Null stands for the deployment's schedule, an empty list for no \
         retries.",
        ArrayBuilder::new().items(number(1, MAX_DELAY_SECONDS, 30)).max_items(Some(MAX_RETRIES))
            .examples([serde_json::json!([1, 5, 30])]);
    "SigningSecret": SigningSecret = "The secret that signs deliveries; generated if absent.",
        pattern("^[ -~]+$", "whsec_0123456789abcdef0123456789abcdef").min_length(Some(16)).max_length(Some(256));
    "VerifiableSecret": VerifiableSecret =
        "The secret that signs deliveries; generated if absent. After `whsec_` there must be the base64 of 24 to 64 \
         bytes, in the standard alphabet and padded, and after `whsk_` that of an Ed25519 seed and its public key. The \
         bytes of any other text are the key of an HMAC.",
        pattern("^[!-~][ -~]*[!-~]$", "whsec_0123456789abcdef0123456789abcdef").min_length(Some(16)).max_length(Some(256));
    "SigningAlgorithm": Algorithm =
        "The algorithm of signatures. `hmac-sha256` (`v1`): the receiver has the secret. `ed25519` (`v1a`): it has the public \
         key.",
        one_of(Algorithm::ALL.map(Algorithm::as_str));
    "SigningPublicKey": Ed25519PublicKey = "`whpk_`, and the base64 of an Ed25519 public key.",
        pattern("^whpk_[0-9A-Za-z+/]{43}=$", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=");
    "SigningKeyId": SigningKeyId = "Identifies a signing secret. It is public.",
        pattern("^wkid_[0-9a-f]{16}$", "wkid_5f1c0a9be2d34710");
    "ApiKeySecret": KeySecret = "The API key.",
        pattern("^sk_live_[0-9A-Za-z]{43}$", "sk_live_3fLc8tqXyW0pZ5vJm2nR7sKd9hBgQ1uEa4iTo6rNbCx");
    "BodyDigest": BodyDigest = "HMAC-SHA256 of the body.",
        pattern("^[0-9a-f]{64}$", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");

    "Timestamp": Timestamp =
        "An RFC 3339 instant with any offset. An instant before 1970 counts as 1970-01-01T00:00:00Z.",
        ObjectBuilder::new().schema_type(Type::String).examples(["2026-03-24T20:00:00Z"]).format(format("date-time"));
    "Day": Day = "A day in UTC.",
        pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-03-24").format(format("date"));
    "Millisecond": Millisecond = "An RFC 3339 instant in UTC, with milliseconds.",
        moment(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", "2026-03-24T20:00:00.000Z");
    "WholeSecond": WholeSecond = "An RFC 3339 instant in UTC, with whole seconds.",
        moment(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", "2024-01-01T00:00:00Z");

    "Role": Role = "A name for a set of scopes.", one_of(Role::ALL.map(Role::as_str));
    "Scope": Scope = "A permission for one kind of operation.", one_of(Scope::ALL.map(Scope::as_str));
    "ApiKeyStatus": KeyStatus = "A rotating key has a successor and works until its grace period ends. An expired or revoked key does not work.",
        one_of(["active", "rotating", "expired", "revoked"]);
    "PortalRole": PortalRole =
        "The role of the person in the portal: the scopes are those of a key with the same role.",
        one_of(ROLES.map(Role::as_str));
    "PortalTheme": Theme = "The colours of the pages. `auto` follows the person's system.",
        one_of(Theme::ALL.map(Theme::as_str)).default(Some(Theme::default().as_str().into()));
    "PortalSessionSeconds": SessionSeconds = "How long the session lasts, in seconds.",
        number(MIN_SECONDS, MAX_SECONDS, 3_600).default(Some(DEFAULT_SECONDS.into()));
    "PortalSessionStatus": PortalSessionStatus =
        "A pending session has a link that was not used yet. An expired or revoked one does not work.",
        one_of(PortalSessionStatus::ALL.map(PortalSessionStatus::as_str));
    "PortalReturnUrl": ReturnUrl =
        "Where the portal's link back leads: an `https` URL whose origin is in the deployment's setting `PortalOrigins`.",
        pattern("^https://[^\\s]+$", "https://app.acme.co/settings").format(format("uri")).max_length(Some(2_048));
    "PortalUrl": PortalUrl =
        "The link that signs a person in. It works once, within five minutes. It is a secret.",
        pattern("^https?://[^\\s]+$", "https://hooks.acme.co/portal/sign-in?token=org_01jq4z8s3tf6v9x0b2c4d6e8ga.wps_550e8400e29b41d4a716446655440000.9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
            .format(format("uri"));
    "SecretKey": SecretKey = "The only type.", one_of(["secret"]);
    "Live": Live = "The only environment.", one_of(["live"]);
    "OrganizationStatus": OrganizationStatus =
        "A suspended organization cannot publish, and its deliveries fail.", one_of(["active", "suspended"]);
    "ShownOrganizationStatus": ShownOrganizationStatus =
        "A suspended organization cannot publish, and its deliveries fail. One that is being deleted is only listed.",
        one_of(["active", "suspended", "deleting"]);
    "EndpointStatus": EndpointStatus =
        "Deliveries of a paused endpoint wait until it is active. A disabled endpoint gets no deliveries.",
        one_of(["active", "paused", "disabled"]);
    "endpoints.EndpointStatus": CapitalStatus =
        "Deliveries of a paused endpoint wait until it is active. A disabled endpoint gets no deliveries.",
        one_of(["ACTIVE", "PAUSED", "DISABLED"]);
    "endpoints.WantedStatus": PausedOrActive = "Pausing sets `paused_at`, resuming clears it.",
        one_of(["ACTIVE", "PAUSED"]);
    "EventFormat": Format =
        "`envelope`: the receiver gets a JSON object with the event's id, type, time and data. `raw`: it gets the data \
         alone, byte for byte.",
        one_of(Format::ALL.map(Format::as_str));
    "ContentType": ContentType =
        "The content type of a raw event whose `data` is a string. The receiver gets the string's text in UTF-8.",
        pattern(
            r"^(text/[a-z0-9][a-z0-9+._-]*|application/(xml|[a-z0-9][a-z0-9+._-]*\+xml|x-www-form-urlencoded))(; ?charset=utf-8)?$",
            "text/csv; charset=utf-8",
        ).max_length(Some(MAX_CONTENT_TYPE_CHARS));
    "TraceParent": TraceParent =
        "The `traceparent` of W3C Trace Context. Each request to a receiver has it unchanged. A malformed one is ignored.",
        ObjectBuilder::new().schema_type(Type::String)
            .examples(["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]);
    "TraceState": TraceState =
        "The `tracestate` of W3C Trace Context, of at most 512 characters. Each request to a receiver has it unchanged. A \
         malformed one is ignored.",
        ObjectBuilder::new().schema_type(Type::String).examples(["congo=t61rcWkgMzE"]);
    "HealthState": HealthState =
        "Whether attempts to a webhook endpoint succeed.",
        one_of(HealthState::ALL.map(HealthState::as_str));
    "Interval": Interval = "The length of the intervals of statistics. Days are those of UTC.",
        one_of(Interval::ALL.map(Interval::as_str)).default(Some(Interval::default().as_str().into()));
    "DisabledReason": DisabledReason =
        "The owner disabled it; the receiver answered 410 Gone; or no attempt succeeded for days.",
        one_of(DisabledReason::ALL.map(DisabledReason::as_str));
    "DeliveryStatus": DeliveryStatus =
        "An exhausted delivery has used up its retry schedule. A failed one is not retried for another reason.",
        one_of(DeliveryStatus::ALL.map(DeliveryStatus::as_str));
    "RecoverableStatus": RecoverableStatus = "The statuses of deliveries that can be retried.",
        one_of(DeliveryStatus::ALL.into_iter().filter(|status| status.is_recoverable()).map(DeliveryStatus::as_str));
    "JobKind": JobKind =
        "A release sends the held deliveries of an endpoint that accepts deliveries again; `fail_held` fails those \
         of an endpoint that was disabled or deleted; a recovery retries failed deliveries; a replay sends \
         deliveries again or makes those that an endpoint missed; `send_all` sends all queued deliveries again, after the \
         table was restored or the queue was lost. These three can be cancelled. \
         `expunge` removes the data of an event, and `delete_organization` removes an organization.",
        one_of(JobKind::ALL.map(JobKind::as_str));
    "Replayed": Replayed =
        "Which deliveries a replay sends. `failed`: failed and exhausted ones. `missed`: it makes a delivery of each event \
         that the endpoint would receive now and did not. `all`: it does both, and sends successful ones again.",
        one_of(Replayed::ALL.map(Replayed::as_str));
    "JobStatus": JobState = "The state of a job.", one_of(JobState::NAMES);
    "DeliveryError": Cause = "Why an attempt failed, or why no attempt was made.",
        one_of(Cause::ALL.map(Cause::as_str));
    "DeliveryErrorDetail": Detail = &details(),
        one_of(Detail::ALL.map(Detail::as_str));
    "Trigger": Trigger =
        "What caused an attempt: the publishing or a delay of the retry schedule; a manual retry or a recovery; a resend; a \
         probe of a suspended endpoint; a test event.",
        one_of(Trigger::ALL.map(Trigger::as_str));
    "ResponseStatus": ResponseStatus = "A status such as `404`, or a class such as `5xx`.",
        pattern("^([1-9][0-9]{2}|[1-9]xx)$", "5xx");
    "ErrorCode": ErrorCode = &codes(),
        one_of(ErrorCode::ALL.iter().map(|code| code.as_str()));
}

#[cfg(test)]
mod tests;
