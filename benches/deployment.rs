//! A deployment in this process on the embedded engines, with a meter for its use of AWS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use axum::routing::post;
use pigeonpost::aws::{EmbeddedAws, Storage};
use pigeonpost::{Poller, gateway};
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::config::Settings;
use shared::domain::endpoint::lane::{ByLane, Lane};
use shared::domain::tenancy::access::{PlatformRole, Role};
use shared::domain::tenancy::api_key::{KeySecret, NewKey, PlatformKey};
use shared::domain::tenancy::organization::NewOrganization;
use shared::domain::tenancy::rights::Rights;
use shared::domain::text::{Name, Slug};
use shared::queue::schema::{CONSUMER_BATCH, create_ingest_queues, create_queues};
use shared::sender::Sender;
use shared::service::{Caller, Parts};
use shared::store::schema::create_table;
use tokio::net::TcpListener;
use tower::ServiceExt;

#[path = "../tests/meter/mod.rs"]
mod meter;

use meter::Meter;

pub(crate) use meter::Bill;

pub(crate) const TABLE: &str = "pigeonpost";
/// The event type to which all endpoints subscribe.
pub(crate) const EVENT_TYPE: &str = "order.updated";

/// An organization with endpoints, and the functions in one process.
pub(crate) struct Deployment {
    /// A client for the table whose calls are not metered.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    organization: String,
    key: String,
    receiver: SocketAddr,
    router: Router,
    poller: Poller,
    /// A client for the queues whose calls are not metered.
    sqs: aws_sdk_sqs::Client,
    ingest_queue_url: String,
    ingest_poller: Poller,
    meter: Meter,
}

/// The use of AWS and the duration of an operation.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) bill: Bill,
    pub(crate) took: Duration,
}

impl Deployment {
    /// Creates a deployment with an organization without endpoints.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        // No measured operation depends on the time.
        let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", Arc::new(|| SystemTime::UNIX_EPOCH))?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
        create_table(&dynamodb, TABLE).await?;
        let unmetered = aws_sdk_sqs::Client::new(&aws.sdk_config());
        let queue_urls = create_queues(&unmetered, "deliveries").await?;
        let ingest_queues = create_ingest_queues(&unmetered, "ingest").await?;
        let (sdk, meter) = Meter::install(&aws.sdk_config()).context("the configuration has no HTTP client")?;
        let Settings { table, queue_urls, deployment } = settings(&queue_urls)?;
        let sender = Sender::new(deployment.urls.addresses.clone(), Clock::system())?;
        let parts = Parts::new(&sdk, &table, queue_urls.clone(), deployment, Clock::system());
        let deliverer = parts.deliverer(sender);
        let administrator = parts.administrator();
        let sqs = aws_sdk_sqs::Client::new(&sdk);
        let (ingest_queue_url, ingestor) = (ingest_queues.queue.clone(), parts.ingestor(&sdk, ingest_queues));
        let ingest_poller = Poller::of_ingest_queue(sqs.clone(), &ingest_queue_url, ingestor, Clock::system());
        let new = NewOrganization::new(Name::parse("Bench")?, Some(Slug::parse("bench")?));
        let organization = administrator.create_organization(new).await?.id;
        let key = NewKey { name: Name::parse("Bench")?, rights: Rights::of_role(Role::Owner) };
        let key = administrator.issue_key(&organization, &platform(), key).await?;
        Ok(Self {
            dynamodb,
            organization: organization.to_string(),
            key: key.secret.reveal().to_owned(),
            receiver: receiver().await?,
            router: gateway(&parts),
            poller: Poller::new(sqs, Lane::Fast, queue_urls.fast, deliverer, Clock::system()),
            sqs: unmetered,
            ingest_queue_url,
            ingest_poller,
            meter,
        })
    }

    /// Creates another endpoint and returns its id.
    pub(crate) async fn endpoint(&self, event_type: &str) -> anyhow::Result<String> {
        let url = format!("http://{}/", self.receiver);
        let endpoint = json!({"name": "Bench", "url": url, "event_types": [event_type]});
        let created = self.call(Method::POST, &self.path("/webhooks/endpoints"), &HeaderMap::new(), &endpoint).await?;
        Ok(created["data"]["id"].as_str().context("the response has no id")?.to_owned())
    }

    /// A path within the organization.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/organizations/{}{rest}", self.organization)
    }

    /// The path that creates messages in the dialect `svix`.
    pub(crate) fn messages(&self) -> String {
        format!("/api/v1/app/{}/msg", self.organization.replace("org_", "app_"))
    }

    /// Calls the API and measures the call.
    pub(crate) async fn measure(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<(Value, Used)> {
        self.measure_with(method, path, &HeaderMap::new(), body).await
    }

    /// Calls the API with these headers and measures the call.
    pub(crate) async fn measure_with(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: &Value,
    ) -> anyhow::Result<(Value, Used)> {
        self.meter.take();
        let began = Instant::now();
        let answer = self.call(method, path, headers, body).await?;
        Ok((answer, Used { took: began.elapsed(), bill: self.meter.take() }))
    }

    /// Processes one batch of the queue and measures it. Returns `None` if the queue is empty.
    pub(crate) async fn deliver(&self) -> anyhow::Result<Option<(usize, Used)>> {
        self.meter.take();
        let began = Instant::now();
        let handled = self.poller.poll_once(CONSUMER_BATCH).await?;
        Ok((handled > 0).then(|| (handled, Used { took: began.elapsed(), bill: self.meter.take() })))
    }

    /// Sends messages to the ingest queue for the organization, and measures how they are published as one batch.
    pub(crate) async fn ingest(&self, messages: &[Value]) -> anyhow::Result<Used> {
        for message in messages {
            let mut message = message.clone();
            message["organization"] = json!(self.organization);
            let send = self.sqs.send_message().queue_url(&self.ingest_queue_url).message_body(message.to_string());
            send.send().await?;
        }
        self.meter.take();
        let began = Instant::now();
        let handled = self.ingest_poller.poll_once(CONSUMER_BATCH).await?;
        ensure!(handled == messages.len(), "{handled} messages of {}", messages.len());
        Ok(Used { took: began.elapsed(), bill: self.meter.take() })
    }

    async fn call(&self, method: Method, path: &str, headers: &HeaderMap, body: &Value) -> anyhow::Result<Value> {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = request.body(body)?;
        request.headers_mut().extend(headers.clone());
        let answer = self.router.clone().oneshot(request).await?;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }
}

/// The settings of a deployment without restrictions.
pub(crate) fn settings(queues: &ByLane<String>) -> anyhow::Result<Settings> {
    let hash = KeySecret::generate(&clock::secret_bytes()).hash().to_string();
    let variables = [
        ("TABLE_NAME", TABLE),
        ("QUEUE_URL", &*queues.fast),
        ("SLOW_QUEUE_URL", &*queues.slow),
        ("PLATFORM_KEY_SHA256", &hash),
        ("ALLOW_HTTP", "true"),
        ("SECRETS_READABLE", "true"),
        ("ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("MAX_ENDPOINTS", "8000"),
    ];
    Ok(Settings::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))?)
}

/// The caller that issues the keys.
pub(crate) fn platform() -> Caller {
    Caller::Platform(PlatformKey { hash: KeySecret::presented("platform").hash(), role: PlatformRole::Full })
}

/// A receiver that responds immediately.
async fn receiver() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(async || ""))).await });
    Ok(address)
}
