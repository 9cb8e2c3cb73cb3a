//! Request bodies of every dialect, and messages of the ingest queue. Parsing never panics, and the canonical dialect accepts what a dialect shows of an
//! accepted endpoint.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use serde_json::{to_string, to_value};
use shared::domain::delivery::schedule::RetrySchedule;
use shared::domain::deployment::Deployment;
use shared::domain::encryption::KeySource;
use shared::domain::endpoint::circuit_breaker::Counters;
use shared::domain::endpoint::destination::internal_targets::InternalTargets;
use shared::domain::endpoint::health::Health;
use shared::domain::endpoint::lane::ByLane;
use shared::domain::endpoint::url::UrlPolicy;
use shared::domain::endpoint::{Endpoint, NewEndpoint};
use shared::domain::event::event_type::Catalogue;
use shared::domain::event::payload::Format;
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::network::AddressPolicy;
use shared::domain::portal::PortalSettings;
use shared::domain::signing::key::{NewSecret, SigningKey, SigningKeyId};
use shared::domain::signing::secret::{Algorithm, SigningSecret};
use shared::domain::tenancy::limits::Limits;
use shared::domain::time::Timestamp;
use shared::wire::body::parse;
use shared::wire::headers::HeaderValues;
use shared::wire::{endpoints, hooks, organizations, pages};

// The first byte, a letter in the seeds, selects the kind of the body.
fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    read(kind.wrapping_sub(b'a') % 17, body, &deployment());
});

fn deployment() -> Deployment {
    Deployment {
        platform_keys: Vec::new(),
        retry_schedule: RetrySchedule::default(),
        catalogue: Catalogue::default(),
        urls: UrlPolicy { allow_http: true, addresses: AddressPolicy::default() },
        internal_targets: internal_targets(),
        limits: Limits { rate: None, events_per_month: None, max_endpoints: 100, max_event_bytes: 262_144 },
        statistics: false,
        secrets_readable: false,
        portal: PortalSettings::default(),
        retention: std::time::Duration::from_secs(86_400),
        encryption_keys: KeySource::None,
        only_process_since: None,
    }
}

/// One queue is allowed, so that an endpoint with its ARN is accepted.
fn internal_targets() -> InternalTargets {
    let url = |name: &str| format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}");
    let queues = ByLane { fast: url("deliveries"), slow: url("deliveries-slow") };
    InternalTargets::parse("arn:aws:sqs:eu-west-1:123456789012:audit", &queues).expect("it is valid")
}

/// `accepted!(Shape, body, |shape| result)`: the result of parsing a body of this shape, if it is accepted.
macro_rules! accepted {
    ($shape:ty, $body:expr, $read:expr) => {
        parse::<$shape>($body).ok().and_then(|parsed| parsed.read($read).ok())
    };
}

fn read(kind: u8, body: &[u8], deployment: &Deployment) {
    match kind {
        0 => check(accepted!(organizations::EndpointIn, body, |it| it.parse(deployment, true)), deployment),
        1 => check(accepted!(hooks::HookIn, body, |it| it.parse(deployment)), deployment),
        2 => check(accepted!(endpoints::EndpointIn, body, |it| it.parse(&deployment.urls)), deployment),
        3 => check(accepted!(pages::EndpointIn, body, |it| it.parse(deployment)).map(|it| it.endpoint), deployment),
        4 => drop(accepted!(organizations::EndpointPatchIn, body, |it| it.parse(deployment, true))),
        5 => drop(accepted!(hooks::HookPatchIn, body, |it| it.parse(deployment))),
        6 => drop(accepted!(endpoints::EndpointPatchIn, body, |it| it.parse(&deployment.urls))),
        7 => drop(accepted!(pages::EndpointPatchIn, body, |it| it.parse(deployment))),
        8 => drop(accepted!(organizations::OrganizationIn, body, organizations::OrganizationIn::parse)),
        9 => drop(accepted!(organizations::ApiKeyIn, body, |it| it.parse(Timestamp::from_unix_seconds(0)))),
        10 => drop(accepted!(organizations::RotationIn, body, organizations::RotationIn::parse)),
        11 => drop(accepted!(organizations::TestIn, body, |it| it.parse(&deployment.catalogue))),
        12 => drop(accepted!(organizations::RecoverIn, body, organizations::RecoverIn::parse)),
        13 => drop(accepted!(organizations::BatchIn, body, organizations::BatchIn::entries)),
        15 => drop(accepted!(organizations::ReplayIn, body, organizations::ReplayIn::parse)),
        16 => {
            let Ok(request) = organizations::IngestRequest::read(body) else { return };
            if let organizations::Entries::Batch(events) = &request.entries {
                let message = request.with_events(events.iter().map(String::as_str));
                let again = organizations::IngestRequest::read(message.as_bytes()).expect("it is read back");
                assert_eq!((again.entries, again.organization), (request.entries, request.organization));
            }
        }
        _ => {
            let event = accepted!(organizations::EventIn, body, |it| it.parse(Format::Envelope));
            if let Some(event) = event.filter(|event| event.content_type.is_none()) {
                let data: &RawValue = serde_json::from_str(&event.data).expect("the data is JSON");
                assert!(data.get().starts_with('{') && data.get().ends_with('}'));
            }
        }
    }
}

/// Checks that the representation of an accepted endpoint is JSON, contains no secret, and has fields that are accepted
/// again.
fn check(accepted: Option<NewEndpoint>, deployment: &Deployment) {
    let Some(new) = accepted else { return };
    let now = Timestamp::from_unix_seconds(1_774_382_400);
    let secret = match new.secret {
        NewSecret::Supplied(secret) => secret,
        NewSecret::Generated(Algorithm::HmacSha256) => SigningSecret::generate([7; 16]),
        NewSecret::Generated(Algorithm::Ed25519) => SigningSecret::generate_ed25519([7; 32]),
    };
    let key = SigningKeyId::new([7; 8]);
    let (id, organization) = (EndpointId::new(now, [1; 8]), OrganizationId::new(now, [2; 8]));
    let endpoint = Endpoint::new(id, &organization, new.settings, SigningKey::new(key, secret), new.status, now);
    to_value(hooks::HookOut::from(&endpoint)).expect("it renders");
    to_value(endpoints::EndpointOut::new(&endpoint, HeaderValues::Shown)).expect("it renders");
    to_value(pages::EndpointOut::from(&endpoint)).expect("it renders");
    let health = Health::of(&endpoint, &Counters::default(), now);
    // The values keep their text: a filter's number 1.50 must not become 1.5.
    let shown =
        to_string(&organizations::EndpointOut::new(&endpoint, &health, HeaderValues::Shown)).expect("it renders");
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(&shown).expect("it is an object");
    assert_eq!(fields["signing_secret"].get(), "null");
    let own = [
        "name",
        "external_id",
        "description",
        "metadata",
        "url",
        "event_types",
        "headers",
        "timeout_seconds",
        "edition_id",
        "channels",
        "filter",
        "retry_schedule",
        "status",
    ];
    fields.retain(|name, _| own.contains(&name.as_str()));
    let again = to_string(&fields).expect("it renders");
    let patch = parse::<organizations::EndpointPatchIn>(again.as_bytes()).expect("the text was rendered above");
    let patched = endpoint.clone().patched(
        patch.read(|it| it.parse(deployment, true)).expect("the shown fields are valid"),
        now,
        key,
    );
    assert_eq!(patched.settings, endpoint.settings);
}
