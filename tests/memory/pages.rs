//! The largest pages of all lists, as the API's function builds and returns them. The table is in another process.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use axum::Router;
use axum::body::Body;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{Request, header};
use http_body_util::BodyExt;
use lambda_http::Body as LambdaBody;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use pigeonpost::Credentials;
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::config::{Settings, aws_clients};
use shared::domain::delivery::attempt::{AttemptEntry, Cause};
use shared::domain::delivery::response::Response;
use shared::domain::delivery::{Delivery, DeliveryStatus, MAX_LOG};
use shared::domain::endpoint::Endpoint;
use shared::domain::event::channel::Channels;
use shared::domain::event::event_type::EventType;
use shared::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use shared::domain::time::Timestamp;
use shared::service::Parts;
use shared::store::{PendingList, Store};
use tower::ServiceExt as _;

use crate::{HEAP, MEASURING};

/// The maximum number of bytes that the function may hold for one page.
const MOST_PER_PAGE: usize = 40 * 1024 * 1024;
/// More large events than fit into one response.
const LARGE_EVENTS: usize = 60;
/// More endpoints than fit into one response, if each has sixteen headers of quotes.
const ENDPOINTS: usize = 90;
const PATIENCE: Duration = Duration::from_secs(60);

/// The host, which is killed when the test ends.
pub(crate) struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a host, and returns the credentials of its demo organization.
pub(crate) async fn start(data: &Path) -> (Host, Credentials) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeonpost"));
    command.arg("--data").arg(data).args(["--port", "0", "--aws-port", "0", "--in-memory", "--no-triggers"]);
    let host = Host(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    let file = data.join(Credentials::FILE);
    let started = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, started).await.expect("the host starts");
    (host, serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

/// The API's function in this process, and the credentials of its caller.
struct Api {
    router: Router,
    store: Store,
    credentials: Credentials,
}

/// The functions' parts in this process, on the host's table and queues.
pub(crate) fn parts(credentials: &Credentials) -> (Parts, Store) {
    let hash = "0".repeat(64);
    let [fast, slow] = ["deliveries", "deliveries-slow"].map(|it| format!("{}/000000000000/{it}", credentials.aws_url));
    let variables = [
        ("TABLE_NAME", "pigeonpost"),
        ("QUEUE_URL", &fast),
        ("SLOW_QUEUE_URL", &slow),
        ("PLATFORM_KEY_SHA256", &hash),
        ("ALLOW_HTTP", "true"),
    ];
    let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let Settings { table, queue_urls, deployment } = Settings::read(variable).unwrap();
    let none = aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "tests");
    let sdk = aws_clients()
        .into_builder()
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(none))
        .endpoint_url(&credentials.aws_url)
        .build();
    let store = Store::new(&sdk, &table, deployment.retention);
    let parts = Parts::new(&sdk, &table, queue_urls, deployment, Clock::system());
    (parts, store)
}

impl Api {
    fn new(credentials: Credentials) -> Self {
        let (parts, store) = parts(&credentials);
        Self { router: api::router(parts.administrator()), store, credentials }
    }

    fn organization(&self) -> OrganizationId {
        OrganizationId::parse(&self.credentials.organization_id).unwrap()
    }

    /// Calls the host, whose memory is not measured.
    async fn post(&self, path: &str, body: String) -> Value {
        let Credentials { base_url, organization_id, api_key, .. } = &self.credentials;
        let request = reqwest::Client::new().post(format!("{base_url}/v1/organizations/{organization_id}{path}"));
        let request = request.header("content-type", "application/json").bearer_auth(api_key).body(body);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.json::<Value>().await.unwrap()["data"].take()
    }

    /// The status of a response and the size of what the function returns to Lambda for it.
    async fn get(&self, path: &str) -> (u16, usize) {
        let Credentials { organization_id, api_key, .. } = &self.credentials;
        let path = path.replace("{organization}", &format!("/v1/organizations/{organization_id}"));
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {api_key}"));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut returned = ApiGatewayV2httpResponse::default();
        returned.body = Some(LambdaBody::Text(std::str::from_utf8(&body).unwrap().to_owned()));
        drop(body);
        (status, serde_json::to_vec(&returned).unwrap().len())
    }

    /// Asserts that a page takes at most the allowed memory and has at most the size that Lambda returns.
    async fn measure(&self, path: &str, expected: u16) {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let (status, bytes) = self.get(path).await;
        let held = HEAP.peak_usage().saturating_sub(before);
        assert_eq!(status, expected, "{path}");
        println!("{path}: {status}, {bytes} bytes, held {} KiB at most", held / 1024);
        assert!(held < MOST_PER_PAGE, "{path}: {held} bytes");
        assert!(bytes < 6_000_000, "{path}: {bytes} bytes");
    }

    /// Stores the maximum number of attempts and the maximum size of responses in the records of deliveries.
    async fn record_failures(&self, endpoint: EndpointId, ids: &[String]) {
        let event_type = EventType::parse("a").unwrap();
        for id in ids {
            let id = DeliveryId::parse(id).unwrap();
            let entry = |number| AttemptEntry {
                number: Some(number),
                response_status: Some(500),
                error: Some(Cause::HttpStatus),
                ..AttemptEntry::at(id.created_at())
            };
            let failed = Delivery {
                status: DeliveryStatus::Exhausted,
                attempts: MAX_LOG as u32,
                first_response: Some(Response::new([], &"\u{1}".repeat(4 * 1024))),
                error: Some(Cause::HttpStatus),
                log: (1..=MAX_LOG).map(|number| entry(number as u32)).collect(),
                ..Delivery::new(id, &self.organization(), endpoint, &event_type, false)
            };
            self.store.replace_delivery(None, &failed).await.unwrap();
        }
    }
}

/// Data of 256 KiB in three variants: one compresses to about three quarters, one consists of quotes, which double in a
/// response, and one of a single repeated character, which compresses to almost nothing.
fn large_data(number: usize) -> String {
    let random = || BASE64_STANDARD.encode(clock::secret_bytes::<1_200>());
    match number % 10 {
        0 => json!({"list": vec![""; 80_000]}).to_string(),
        1 => json!({"text": "x".repeat(262_000)}).to_string(),
        _ => json!({"text": std::iter::repeat_with(random).take(163).collect::<String>()}).to_string(),
    }
}

#[tokio::test]
async fn no_page_of_a_list_takes_more_than_forty_mebibytes() {
    let _measuring = MEASURING.lock().await;
    let data = tempfile::tempdir().unwrap();
    let (_host, credentials) = start(data.path()).await;
    let api = Api::new(credentials);
    let headers: Value = (0..16).map(|number| (format!("x-{number}"), json!("\"".repeat(1_000)))).collect();
    let new = |event_type: &str| {
        json!({"name": "n", "url": "http://127.0.0.1/", "event_types": [event_type], "headers": headers}).to_string()
    };
    let endpoint = api.post("/webhooks/endpoints", new("a")).await["id"].as_str().unwrap().to_owned();
    let other = api.post("/webhooks/endpoints", new("b")).await["id"].as_str().unwrap().to_owned();
    let other = api.store.endpoint(&api.organization(), EndpointId::parse(&other).unwrap()).await.unwrap().unwrap();
    for _ in 0..ENDPOINTS {
        let id = EndpointId::new(Clock::system().now(), clock::id_bytes());
        api.store.create_endpoint(&Endpoint { id, ..other.clone() }).await.unwrap();
    }
    let mut deliveries = Vec::new();
    for number in 0..LARGE_EVENTS {
        let event = api.post("/events", format!(r#"{{"type": "a", "data": {}}}"#, large_data(number))).await;
        let listed = event["webhook_deliveries"].as_array().unwrap().iter();
        let own = listed.filter(|delivery| delivery["endpoint_id"] == endpoint.as_str());
        deliveries.extend(own.map(|delivery| delivery["id"].as_str().unwrap().to_owned()));
    }
    let endpoint = EndpointId::parse(&endpoint).unwrap();
    api.record_failures(endpoint, &deliveries).await;
    // The first request opens connections and fills the caches.
    api.get("{organization}/api-keys").await;

    let of_endpoint = format!("{{organization}}/webhooks/endpoints/{endpoint}/deliveries");
    let numbered = format!("/v1/webhook-endpoints/{endpoint}/deliveries");
    api.measure("{organization}/events?limit=100", 200).await;
    api.measure("{organization}/events?limit=100&type=a", 200).await;
    api.measure("{organization}/events?limit=100&type=none", 200).await;
    api.measure(&format!("{{organization}}/events?limit=100&endpoint_id={endpoint}"), 200).await;
    api.measure(&format!("{of_endpoint}?limit=100"), 200).await;
    api.measure(&format!("{of_endpoint}?limit=100&status=failed"), 200).await;
    api.measure(&format!("{numbered}?page_size=1000"), 400).await;
    api.measure(&format!("{numbered}?page_size=10"), 200).await;
    api.measure("{organization}/webhooks/endpoints?limit=100", 200).await;
    api.measure("{organization}/webhooks", 200).await;
    api.measure("/v1/endpoints", 422).await;
    api.measure("/v1/webhook-endpoints?page_size=1000", 200).await;
    api.measure("{organization}/api-keys?limit=100", 200).await;

    // Each delivery gets a record, and there are more than numbered pages count.
    let event_type = EventType::parse("a").unwrap();
    let newest = Clock::system().now().unix_millis() - 1_000;
    for number in 0..110 {
        let first = EventId::new(Timestamp::from_unix_millis(newest - number), [0; 8]);
        let deliveries = (0..100).filter_map(|index| first.nth(index).delivery(0)).collect();
        let list = PendingList {
            organization: api.organization(),
            endpoint,
            event_type: event_type.clone(),
            channels: Channels::default(),
            deliveries,
        };
        api.store.put_list_if_absent(&list).await.unwrap();
    }
    api.measure(&format!("{numbered}?page_size=10"), 200).await;
    api.measure(&format!("{numbered}?page_size=10&ordering=created"), 200).await;
    api.measure(&format!("{of_endpoint}?limit=100&event_type=none"), 200).await;
}
