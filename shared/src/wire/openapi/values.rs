//! The schemas of single values: what each accepts, so that a client need not try. The rules themselves are the domain
//! types'; a test below holds the two together.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::access::{Role, Scope};
use crate::domain::api_key::{KeySecret, KeyStatus};
use crate::domain::delivery::{Cause, DeliveryStatus};
use crate::domain::endpoint::{DisabledReason, EndpointStatus};
use crate::domain::event_type::{EventType, MAX_EVENT_TYPE_CHARS, MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::fields::{EditionId, EndpointUrl, Headers, IdempotencyKey, Name, Slug, SubjectPart, TimeoutSeconds};
use crate::domain::ids::{DeliveryId, EndpointId, EventId, KeyId, OrganizationId, RecoveryId, RequestId};
use crate::domain::organization::OrganizationStatus;
use crate::domain::schedule::{MAX_DELAY_SECONDS, MAX_RETRIES, RetrySchedule};
use crate::domain::secret::SigningSecret;
use crate::domain::time::Timestamp;
use crate::wire::error::ErrorCode;

/// Values that only the wire tells from others.
macro_rules! wire_values {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug)]
        pub enum $name {}
    )+};
}

wire_values! {
    /// An endpoint's id as the `endpoints` dialect prints it.
    HyphenatedEndpointId;
    /// The id that a caller may bring for an organization.
    BroughtOrganizationId;
    /// A URL as it was accepted and normalised.
    StoredUrl;
    /// What an endpoint wants.
    Subscriptions;
    /// An instant as most dialects print it.
    Millisecond;
    /// An instant as the `endpoints` dialect prints it.
    WholeSecond;
    /// The `X-Webhook-Signature` of a request.
    BodyDigest;
    /// The statuses of deliveries that can be asked for again.
    DeadStatus;
    /// The `endpoints` dialect's spelling of an endpoint's status.
    CapitalStatus;
    /// The statuses that the `endpoints` dialect can set.
    PausedOrActive;
    /// The only type of API key.
    SecretKey;
    /// The only environment of API keys.
    Live;
}

macro_rules! schemas {
    ($($name:literal: $type:ty = $description:literal, $schema:expr;)+) => {
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
const EVENT_TYPE: &str = r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*";

schemas! {
    "EndpointId": EndpointId = "A webhook endpoint.", id(EndpointId::PREFIX);
    "endpoints.EndpointId": HyphenatedEndpointId =
        "A webhook endpoint. The same one is `we_` and the digits without hyphens in the other dialects.",
        pattern("^ep_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            "ep_550e8400-e29b-41d4-a716-446655440000");
    "EventId": EventId = "A published event.", id(EventId::PREFIX);
    "DeliveryId": DeliveryId = "One event for one endpoint.", id(DeliveryId::PREFIX);
    "ApiKeyId": KeyId = "An API key. It is not a secret.", id(KeyId::PREFIX);
    "RecoveryId": RecoveryId = "A recovery.", id(RecoveryId::PREFIX);
    "RequestId": RequestId = "One request to this API.", id(RequestId::PREFIX);
    "OrganizationId": OrganizationId = "An organization: generated, or a UUID that its maker brought.",
        pattern(&format!("^(org_[0-9a-hjkmnp-tv-z]{{26}}|{UUID})$"), "org_01jq4z8s3tf6v9x0b2c4d6e8ga");
    "BroughtOrganizationId": BroughtOrganizationId = "An id of your own for the organization. Generated if not said.",
        pattern(&format!("^{UUID}$"), "550e8400-e29b-41d4-a716-446655440000").format(format("uuid"));

    "Name": Name = "What people call it.", text(1, 255, "Acme Growth Workspace");
    "Slug": Slug = "A short name, unique in the deployment.",
        pattern("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "acme").max_length(Some(63));
    "EditionId": EditionId =
        "An endpoint with an edition gets only events published with the same; one without gets all.",
        text(1, 128, "emea");
    "SubjectPart": SubjectPart = "The type, or the id, of what an event is about.", text(1, 255, "member");
    "IdempotencyKey": IdempotencyKey =
        "The same key with the same body, within 24 hours, is answered as the first time, and nothing is sent twice. \
         The same key with another body is refused.",
        pattern("^[!-~]([ -~]*[!-~])?$", "order-1234-paid").max_length(Some(255));

    "EndpointUrl": EndpointUrl =
        "Where deliveries go: `https`, and `http` only where the deployment allows it; without user name, password \
         and fragment; not a private or reserved address.",
        pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^#]+$", "https://app.acme.co/signup")
            .format(format("uri")).max_length(Some(2_048));
    "StoredUrl": StoredUrl = "Where deliveries go.",
        pattern("^https?://[^#]+$", "https://app.acme.co/signup").format(format("uri"));
    "EventType": EventType = "Segments of letters, digits and `_`, joined by dots.",
        pattern(&format!("^{EVENT_TYPE}$"), "session.fingerprint.calculated").max_length(Some(MAX_EVENT_TYPE_CHARS));
    "Subscription": Subscription =
        "An event type; `prefix.*` for all that start so; or `*` for all but the operational ones.",
        pattern(&format!(r"^(\*|{EVENT_TYPE}(\.\*)?)$"), "session.fingerprint.calculated")
            .max_length(Some(MAX_EVENT_TYPE_CHARS + ".*".len()));
    "Subscriptions": Subscriptions = "Which events the endpoint gets.",
        ArrayBuilder::new().items(Subscription::schema()).min_items(Some(1)).max_items(Some(MAX_SUBSCRIPTIONS));
    "Headers": Headers =
        "Headers added to every request. Not those that the delivery itself sets: `host`, `content-length`, \
         `content-type`, `connection`, `transfer-encoding`, `te`, `upgrade`, `expect`, `proxy-*`, `webhook-*`, \
         `x-webhook-*`.",
        ObjectBuilder::new()
            .max_properties(Some(16))
            .property_names(Some(pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "X-Tenant").max_length(Some(1_024)).build()))
            .additional_properties(Some(AdditionalProperties::from(Schema::from(
                pattern(r"^[\t -~]*$", "acme").max_length(Some(1_024)),
            ))))
            .examples([serde_json::json!({"X-Tenant": "acme"})]);
    "TimeoutSeconds": TimeoutSeconds =
        "How long one attempt may take, in seconds, from resolving the name to the last byte of the answer.",
        number(1, 30, 10).default(Some(TimeoutSeconds::default().get().into()));
    "RetrySchedule": RetrySchedule =
        "The delays, in seconds, before each retry. Null for the deployment's; empty for no retries.",
        ArrayBuilder::new().items(number(1, MAX_DELAY_SECONDS, 30)).max_items(Some(MAX_RETRIES))
            .examples([serde_json::json!([1, 5, 30])]);
    "SigningSecret": SigningSecret = "What deliveries are signed with. Generated if not brought.",
        pattern("^[ -~]+$", "whsec_0123456789abcdef0123456789abcdef").min_length(Some(16)).max_length(Some(256));
    "ApiKeySecret": KeySecret = "What the key's holder presents.",
        pattern("^sk_live_[0-9A-Za-z]{43}$", "sk_live_3fLc8tqXyW0pZ5vJm2nR7sKd9hBgQ1uEa4iTo6rNbCx");
    "BodyDigest": BodyDigest = "HMAC-SHA256 of the body.",
        pattern("^[0-9a-f]{64}$", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");

    "Timestamp": Timestamp = "An RFC 3339 instant between 1970 and 9999, with any offset.",
        moment(None, "2026-03-24T20:00:00Z");
    "Millisecond": Millisecond = "An RFC 3339 instant in UTC, with milliseconds.",
        moment(Some(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$".to_owned()), "2026-03-24T20:00:00.000Z");
    "WholeSecond": WholeSecond = "An RFC 3339 instant in UTC, with whole seconds.",
        moment(Some(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$".to_owned()), "2024-01-01T00:00:00Z");

    "Role": Role = "What the key's holder may do.", one_of(Role::ALL.map(Role::as_str));
    "Scope": Scope = "One kind of action.", one_of(Scope::ALL.map(Scope::as_str));
    "ApiKeyStatus": KeyStatus = "A rotating key has a successor and works until its grace period ends.",
        one_of(["active", "rotating", "revoked"]);
    "SecretKey": SecretKey = "The only type there is.", one_of(["secret"]);
    "Live": Live = "The only environment there is.", one_of(["live"]);
    "OrganizationStatus": OrganizationStatus =
        "A suspended organization cannot publish, and nothing is delivered for it.", one_of(["active", "suspended"]);
    "EndpointStatus": EndpointStatus =
        "Deliveries of a paused endpoint wait until it is active again; for a disabled one none are made.",
        one_of(["active", "paused", "disabled"]);
    "endpoints.EndpointStatus": CapitalStatus =
        "Deliveries of a paused endpoint wait until it is active again; for a disabled one none are made.",
        one_of(["ACTIVE", "PAUSED", "DISABLED"]);
    "endpoints.WantedStatus": PausedOrActive = "Pausing sets `paused_at`, resuming clears it.",
        one_of(["ACTIVE", "PAUSED"]);
    "DisabledReason": DisabledReason = "Its owner did it, or it answered 410 Gone.", one_of(["owner", "gone"]);
    "DeliveryStatus": DeliveryStatus =
        "An exhausted delivery used up its retry schedule; a failed one will not be tried again for another reason.",
        one_of(DeliveryStatus::ALL.map(DeliveryStatus::as_str));
    "DeadStatus": DeadStatus = "The deliveries that can be asked for again.",
        one_of(DeliveryStatus::ALL.into_iter().filter(|status| status.is_dead()).map(DeliveryStatus::as_str));
    "DeliveryError": Cause = "Why an attempt failed, or why none was made.", one_of(Cause::ALL.map(Cause::as_str));
    "ErrorCode": ErrorCode = "What went wrong, for programs.",
        one_of(ErrorCode::ALL.iter().map(|code| code.as_str()));
}

fn describe(schema: &mut Schema, text: &str) {
    let description = match schema {
        Schema::Object(object) => &mut object.description,
        Schema::Array(array) => &mut array.description,
        _ => return,
    };
    *description = Some(text.to_owned());
}

fn pattern(pattern: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example])
}

fn text(min: usize, max: usize, example: &str) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::String);
    object.min_length(Some(min)).max_length(Some(max)).examples([example])
}

fn number(min: u32, max: u32, example: u32) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Integer);
    object.minimum(Some(min)).maximum(Some(max)).examples([example])
}

fn id(prefix: &str) -> ObjectBuilder {
    pattern(&format!("^{prefix}[0-9a-f]{{32}}$"), &format!("{prefix}550e8400e29b41d4a716446655440000"))
}

fn moment(pattern: Option<String>, example: &str) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::String).pattern(pattern).examples([example]);
    object.format(format("date-time"))
}

fn format(name: &str) -> Option<SchemaFormat> {
    Some(SchemaFormat::Custom(name.to_owned()))
}

fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}

/// What became of an entry of a batch.
pub(crate) fn accepted_or_refused() -> Object {
    one_of(["accepted", "refused"]).build()
}

/// How endpoints can be sorted.
pub(crate) fn endpoints_ordering() -> Object {
    let orders = ["created", "-created", "modified", "-modified", "name", "-name"];
    one_of(orders).default(Some("created".into())).build()
}

/// How deliveries can be sorted.
pub(crate) fn deliveries_ordering() -> Object {
    one_of(["created", "-created"]).default(Some("-created".into())).build()
}

/// What an `object` field says.
pub(crate) mod object {
    use super::{Object, one_of};

    macro_rules! objects {
        ($($name:ident),+) => {$(
            pub(crate) fn $name() -> Object {
                one_of([stringify!($name)]).build()
            }
        )+};
    }

    objects!(
        api_key,
        batch_result,
        event,
        organization,
        webhook_delivery,
        webhook_endpoint,
        webhook_recovery,
        webhook_test
    );
}
