//! Requests and responses that contain a secret, in the format of debug logs.

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::endpoint::Endpoint as Stored;
use shared::domain::endpoint::circuit_breaker::Counters;
use shared::domain::endpoint::health::Health;
use shared::edge::Data;
use shared::wire::headers::HeaderValues;
use shared::wire::{body, endpoints, hooks, organizations, pages, svix};

/// Responses that contain a secret, in the format of debug logs.
pub(super) fn outgoing(endpoint: &Stored) -> String {
    let health = Health::of(endpoint, &Counters::default(), Clock::system().now());
    let shown = organizations::EndpointOut::new(endpoint, &health, HeaderValues::Shown).revealing(endpoint);
    let others = (
        organizations::SecretsOut::new(endpoint.id, &endpoint.secrets, endpoint.created_at),
        hooks::HookOut::from(endpoint).revealing(endpoint),
        endpoints::EndpointOut::new(endpoint, HeaderValues::Shown).revealing(endpoint),
        pages::EndpointOut::from(endpoint).revealing(endpoint),
        svix::SecretOut::new(&endpoint.secrets.newest.secret),
        svix::HeadersOut::new(&endpoint.settings.headers, HeaderValues::Shown),
    );
    let id = endpoint.id.to_string();
    let printed = format!("{:?} {others:?}", Data::created(shown));
    assert!(printed.contains(&id), "{printed}");
    printed
}

/// Request bodies that contain a secret, in the format of debug logs.
pub(super) fn incoming(fields: &Value) -> String {
    let body = fields.to_string();
    let new = body::parse::<organizations::EndpointIn>(body.as_bytes()).unwrap();
    let patch = body::parse::<organizations::EndpointPatchIn>(body.as_bytes()).unwrap();
    let other = body::parse::<endpoints::EndpointIn>(body.as_bytes()).unwrap();
    let other_patch = body::parse::<endpoints::EndpointPatchIn>(body.as_bytes()).unwrap();
    let rotation = body::parse::<organizations::RotationIn>(body.as_bytes()).unwrap();
    let dialect = (
        body::parse::<svix::EndpointIn>(body.as_bytes()).unwrap(),
        body::parse::<svix::EndpointPatchIn>(body.as_bytes()).unwrap(),
        body::parse::<svix::HeadersIn>(body.as_bytes()).unwrap(),
        body::parse::<svix::HeadersPatchIn>(body.as_bytes()).unwrap(),
        body::parse::<svix::RotationIn>(json!({"key": fields["secret"]}).to_string().as_bytes()).unwrap(),
    );
    format!("{new:?} {patch:?} {other:?} {other_patch:?} {rotation:?} {dialect:?}")
}
