//! A demo receiver. It verifies both signatures, shows the requests that it received, and fails or waits if the URL's
//! query requests that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use serde::Serialize;
use shared::domain::endpoint::confidential::Fields;
use shared::domain::ids::{EventId, OrganizationId};
use shared::domain::signing::signature;
use shared::domain::tenancy::rights::Binding;
use shared::domain::time::Timestamp;
use shared::service::Administrator;
use shared::wire::query::Query;
use subtle::ConstantTimeEq;

/// The number of latest requests that the receiver keeps.
const REMEMBERED: usize = 100;

/// The demo receiver and the requests that it keeps.
pub(crate) struct Demo {
    administrator: Arc<Administrator>,
    organization: OrganizationId,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    total: u64,
    first_attempts: u64,
    latest: VecDeque<Received>,
}

#[derive(Debug, Clone, Serialize)]
struct Received {
    received_at: String,
    webhook_id: String,
    event_type: String,
    delivery_id: String,
    attempt: String,
    standard_signature_valid: bool,
    body_signature_valid: bool,
    answered: u16,
    body: String,
}

/// The receiver's behavior, read from the query string.
#[derive(Debug)]
struct Behaviour {
    /// The status of the response.
    status: Option<u16>,
    /// The delay before the response, in milliseconds.
    delay_ms: u64,
    /// The number of first attempts of each delivery that fail, with `status` or 500.
    fail_first: Option<u32>,
}

/// The routes of `/demo/receiver`: POST receives a delivery, GET shows the kept requests, DELETE removes them.
pub(crate) fn routes(administrator: Arc<Administrator>, organization: OrganizationId) -> Router {
    let demo = Arc::new(Demo { administrator, organization, seen: Mutex::default() });
    Router::new()
        .route("/demo/receiver", get(show).post(receive).delete(forget))
        .layer(middleware::map_response(async |mut response: axum::response::Response| {
            response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            response
        }))
        .with_state(demo)
}

async fn receive(
    State(demo): State<Arc<Demo>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let behaviour = match Behaviour::read(query.as_deref().unwrap_or_default()) {
        Ok(behaviour) => behaviour,
        Err(reason) => return (StatusCode::BAD_REQUEST, reason),
    };
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let valid = demo.verify(&headers, &body).await;
    let mut received = Received {
        received_at: demo.administrator.clock().now().rfc3339(),
        webhook_id: header("webhook-id"),
        event_type: header("x-webhook-event"),
        delivery_id: header("x-webhook-delivery"),
        attempt: header("x-webhook-attempt"),
        standard_signature_valid: valid.0,
        body_signature_valid: valid.1,
        answered: 0,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let mut seen = demo.seen();
    let attempt = received.attempt.parse().unwrap_or(1_u32);
    let status = behaviour.answer(attempt.saturating_sub(1));
    received.answered = status.as_u16();
    seen.total += 1;
    seen.first_attempts += u64::from(attempt == 1);
    seen.latest.push_front(received);
    seen.latest.truncate(REMEMBERED);
    (status, status.canonical_reason().unwrap_or_default().to_owned())
}

async fn show(State(demo): State<Arc<Demo>>) -> impl IntoResponse {
    let seen = demo.seen();
    let shown = serde_json::json!({
        "received": seen.total,
        "first_attempts": seen.first_attempts,
        "latest": seen.latest,
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{shown:#}\n"))
}

async fn forget(State(demo): State<Arc<Demo>>) -> StatusCode {
    *demo.seen() = Seen::default();
    StatusCode::NO_CONTENT
}

impl Demo {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether each of the two signatures is valid for an endpoint of the demo organization.
    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> (bool, bool) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = EventId::parse(text("webhook-id"));
        let sent_at = text("webhook-timestamp").parse().map(Timestamp::from_unix_seconds);
        let (Ok(id), Ok(sent_at)) = (id, sent_at) else { return (false, false) };
        let found = self.administrator.list_endpoints(&self.organization, &Binding::default()).await;
        let mut endpoints = Vec::new();
        for endpoint in found.unwrap_or_default() {
            endpoints.extend(self.administrator.readable(endpoint, Fields::SigningSecrets(sent_at)).await);
        }
        let keys = endpoints.iter().flat_map(|endpoint| endpoint.secrets.signing_at(sent_at));
        let secrets: Vec<_> = keys.map(|key| &key.secret).collect();
        let is_standard = |presented| {
            secrets.iter().any(|it| {
                signature::standard([*it], &id.to_string(), sent_at, body).is_some_and(|it| is_same(&it, presented))
            })
        };
        let standard = text("webhook-signature").split(' ').any(is_standard);
        let presented = text("x-webhook-signature");
        let digest = |it| signature::body_digest([it], body).is_some_and(|it| is_same(&it, presented));
        let digest = secrets.iter().any(|it| digest(*it));
        (standard, digest)
    }
}

/// Compares in constant time, as a receiver should.
fn is_same(signature: &str, presented: &str) -> bool {
    signature.as_bytes().ct_eq(presented.as_bytes()).into()
}

impl Behaviour {
    fn read(query: &str) -> Result<Self, String> {
        let mut query = Query::new(query);
        let behaviour = Self {
            status: query
                .take("status", |text| number(text).filter(|status| (200..600).contains(status)).ok_or_else(unclear)),
            delay_ms: query.take("delay_ms", |text| number(text).ok_or_else(unclear)).unwrap_or(0),
            fail_first: query.take("fail_first", |text| number(text).ok_or_else(unclear)),
        };
        query.finish(behaviour).map_err(|problems| format!("{problems:?}"))
    }

    fn answer(&self, earlier: u32) -> StatusCode {
        let status = |status: Option<u16>, otherwise| {
            status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(otherwise)
        };
        match self.fail_first {
            Some(first) if earlier < first => status(self.status, StatusCode::INTERNAL_SERVER_ERROR),
            Some(_) => StatusCode::OK,
            None => status(self.status, StatusCode::OK),
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn unclear() -> shared::domain::Invalid {
    shared::domain::Invalid::new("must be a number in range")
}
