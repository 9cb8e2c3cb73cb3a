//! A deployment for the benchmarks of single functions. The embedded engines create it, and then in-memory responses
//! replace them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use aws_config::{Region, SdkConfig};
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use fastrand::Rng;
use pigeonpost::aws::{EmbeddedAws, REGION, Storage};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::{self, Settings};
use shared::domain::deployment::Deployment;
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::endpoint::url::EndpointUrl;
use shared::domain::endpoint::{EndpointSettings, NewEndpoint, WantedStatus};
use shared::domain::event::NewEvent;
use shared::domain::event::event_type::EventType;
use shared::domain::signing::key::NewSecret;
use shared::domain::tenancy::access::Role;
use shared::domain::tenancy::api_key::NewKey;
use shared::domain::tenancy::organization::{NewOrganization, Organization};
use shared::domain::tenancy::rights::Rights;
use shared::domain::text::{Name, Slug};
use shared::queue::schema::{CONSUMER_BATCH, create_queues};
use shared::queue::{DeliverTask, Task};
use shared::sender::Sender;
use shared::service::{Deliverer, Parts};
use shared::store::schema::create_table;
use shared::telemetry::json_lines;
use tokio::net::TcpListener;
use tracing::Level;

use crate::deployment::{TABLE, platform, settings};
use crate::instant::InstantAws;
use crate::payload;

/// The type of all events.
pub(crate) const EVENT_TYPE: &str = "order.updated";
/// The number of concurrent publish requests of the setup.
const EVENTS_PER_CALL: usize = 100;
/// The seed of the payloads, which are the same in every run.
const SEED: u64 = 7;

/// An organization with endpoints, and events with queued deliveries.
pub(crate) struct Stage {
    /// The in-memory responses of DynamoDB and SQS.
    pub(crate) aws: InstantAws,
    /// The id of the organization.
    pub(crate) organization: String,
    /// A key of the organization that can publish.
    pub(crate) key: String,
    pub(crate) sdk: SdkConfig,
    pub(crate) settings: Settings,
    messages: Vec<String>,
}

impl Stage {
    /// Creates this many endpoints at `url`, and publishes this many events for each of them.
    pub(crate) async fn set(url: &str, endpoints: usize, events: usize) -> anyhow::Result<Self> {
        // Logs as in a function and discards the output. An error means that an earlier stage has set this.
        let _ = tracing::subscriber::set_global_default(json_lines(Level::INFO, std::io::sink));
        let epoch = Arc::new(|| SystemTime::UNIX_EPOCH);
        let embedded = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", epoch)?;
        let sdk = embedded.sdk_config();
        create_table(&aws_sdk_dynamodb::Client::new(&sdk), TABLE).await?;
        let queue_urls = create_queues(&aws_sdk_sqs::Client::new(&sdk), "deliveries").await?;
        let settings = settings(&queue_urls)?;
        let parts = parts(&sdk, &settings);
        let administrator = parts.administrator();
        let new = NewOrganization::new(Name::parse("Bench")?, Some(Slug::parse("bench")?));
        let organization = administrator.create_organization(new).await?;
        let key = NewKey { name: Name::parse("bench")?, rights: Rights::of_role(Role::Publisher) };
        let key = administrator.issue_key(&organization.id, &platform(), key).await?;
        for _ in 0..endpoints {
            administrator.create_endpoint(&organization.id, endpoint(url, &settings.deployment)?).await?;
        }
        publish(&parts, &organization, events).await?;

        let messages = embedded.messages(&queue_urls.fast);
        let aws = InstantAws::new(items(embedded).await?)?;
        let sdk = as_in_a_function(&aws);
        let (organization, key) = (organization.id.to_string(), key.secret.reveal().to_owned());
        Ok(Self { aws, organization, key, sdk, settings, messages })
    }

    /// The shared state of the functions in a new process.
    pub(crate) fn parts(&self) -> Parts {
        parts(&self.sdk, &self.settings)
    }

    /// The tasks in the messages.
    pub(crate) fn tasks(&self) -> anyhow::Result<Vec<DeliverTask>> {
        self.messages.iter().map(|message| Ok(Task::decode(message)?)).collect()
    }

    /// The operations of the delivery function in a new process.
    pub(crate) fn deliverer(&self) -> anyhow::Result<Arc<Deliverer>> {
        let sender = Sender::new(self.settings.deployment.urls.addresses.clone(), Clock::system())?;
        Ok(self.parts().deliverer(sender))
    }

    /// The messages of the queue in batches, as Lambda passes them.
    pub(crate) fn batches(&self) -> Vec<SqsEvent> {
        self.messages.chunks(CONSUMER_BATCH as usize).map(batch).collect()
    }

    /// The bodies that these messages deliver.
    pub(crate) fn bodies(&self) -> anyhow::Result<Vec<Bytes>> {
        let body = |task: DeliverTask| Ok(Bytes::from(task.payload.context("the message has no body")?.body.clone()));
        self.tasks()?.into_iter().map(body).collect()
    }
}

/// The configuration of clients as in a function, with another HTTP client.
fn as_in_a_function(aws: &InstantAws) -> SdkConfig {
    let credentials = Credentials::new("A".repeat(20), "s".repeat(40), Some("t".repeat(800)), None, "bench");
    config::aws_clients()
        .into_builder()
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(aws.clone()))
        .build()
}

fn parts(sdk: &SdkConfig, settings: &Settings) -> Parts {
    let Settings { table, queue_urls, deployment } = settings.clone();
    Parts::new(sdk, &table, queue_urls, deployment, Clock::system())
}

fn endpoint(url: &str, deployment: &Deployment) -> anyhow::Result<NewEndpoint> {
    let settings = EndpointSettings::new(
        Name::parse("Bench")?,
        EndpointUrl::parse(url, &deployment.urls)?,
        vec![Subscription::parse("order.created")?, Subscription::parse(EVENT_TYPE)?],
    );
    Ok(NewEndpoint { settings, secret: NewSecret::default(), status: WantedStatus::Active })
}

async fn publish(parts: &Parts, organization: &Organization, events: usize) -> anyhow::Result<()> {
    let (publisher, administrator) = (parts.publisher(), parts.administrator());
    let mut random = Rng::with_seed(SEED);
    let event_type = EventType::parse(EVENT_TYPE)?;
    let mut event = || NewEvent::new(event_type.clone(), payload::data(&mut random));
    for published in (0..events).step_by(EVENTS_PER_CALL) {
        let some = (0..).zip(published..events).take(EVENTS_PER_CALL).map(|(index, _)| (index, event())).collect();
        publisher.publish(&administrator.current_state(&organization.id).await?, None, some, None).await?;
    }
    parts.meter().write_all_usage().await;
    Ok(())
}

/// All items of the table in DynamoDB's JSON.
async fn items(embedded: EmbeddedAws) -> anyhow::Result<Vec<Box<RawValue>>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(embedded.serve(listener, Vec::new(), std::future::pending()));
    let items = scan(address).await;
    serving.abort();
    items
}

async fn scan(address: SocketAddr) -> anyhow::Result<Vec<Box<RawValue>>> {
    let (http, mut items, mut start) = (reqwest::Client::new(), Vec::new(), Value::Null);
    loop {
        let mut request = json!({"TableName": TABLE});
        if !start.is_null() {
            request["ExclusiveStartKey"] = start;
        }
        let request = http.post(format!("http://{address}/")).body(request.to_string());
        let answer = request.header("x-amz-target", "DynamoDB_20120810.Scan").send().await?.error_for_status()?;
        let mut page: Page = serde_json::from_str(&answer.text().await?).context("cannot parse a page of the table")?;
        items.append(&mut page.items);
        start = page.last_evaluated_key;
        if start.is_null() {
            return Ok(items);
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    items: Vec<Box<RawValue>>,
    #[serde(default)]
    last_evaluated_key: Value,
}

fn batch(bodies: &[String]) -> SqsEvent {
    let record = |(index, body): (usize, &String)| {
        let mut record = SqsMessage::default();
        record.message_id = Some(format!("059f36b4-87a3-44ab-83d2-66197597a{index:03}"));
        record.receipt_handle = Some("AQEB".repeat(50));
        record.body = Some(body.clone());
        record
    };
    let mut event = SqsEvent::default();
    event.records = bodies.iter().enumerate().map(record).collect();
    event
}
