//! A deployment for a test: a table and queues in memory, and a process that uses them.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use pigeonpost::aws::{EmbeddedAws, Storage};
use pigeonpost::{Poller, gateway};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::config::Settings;
use shared::domain::endpoint;
use shared::domain::endpoint::circuit_breaker::Counters;
use shared::domain::endpoint::fan_out::FanOutSize;
use shared::domain::endpoint::lane::{ByLane, Lane};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::tenancy::api_key::KeySecret;
use shared::domain::time::Timestamp;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS, create_queues};
use shared::sender::{Lookup, Sender};
use shared::service::{Administrator, Deliverer, Meter, Parts, Publisher, ServiceError, Sweeper};
use shared::store::Store;
use shared::store::schema::create_table;
use tower::ServiceExt;

use super::{Endpoint, Reply, Tenant, TestClock, text};

const TABLE: &str = "pigeonpost";
const QUEUE: &str = "deliveries";
/// How long a run of the sweep may take on AWS.
const SWEEP: Duration = Duration::from_secs(55);
/// A limit above the number of batches in any test. Queues that are not empty after it never become empty.
const MOST_BATCHES: usize = 1_000;

/// A deployment. Tests use its first process unless they start another.
pub(crate) struct World {
    aws: EmbeddedAws,
    variables: Vec<(String, String)>,
    settings: Settings,
    platform_key: String,
    pub(crate) clock: TestClock,
    /// All processes share the sender, because setting up TLS and its roots is the most expensive part of a process.
    sender: Sender,
    pub(crate) process: Process,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Creates a deployment with these settings, named as in the environment of a function.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let clock = TestClock::new();
        let (aws, queues) = empty(&clock).await;
        let platform_key = KeySecret::generate(&clock::secret_bytes());
        let hash = platform_key.hash().to_string();
        let usual = [
            ("TABLE_NAME", TABLE),
            ("QUEUE_URL", &*queues.fast),
            ("SLOW_QUEUE_URL", &*queues.slow),
            ("PLATFORM_KEY_SHA256", &hash),
            ("ALLOW_HTTP", "true"),
            ("ALLOWED_NETWORKS", "127.0.0.0/8"),
        ];
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = settings.iter().chain(&usual).map(own).collect();
        let settings = read_settings(&[], &variables);
        let sender = new_sender(&settings, &clock);
        let process = Process::start(&aws.sdk_config(), &settings, &sender, clock.clock());
        Self { aws, variables, settings, platform_key: platform_key.reveal().to_owned(), clock, sender, process }
    }

    /// Creates a deployment with an empty table and empty queues and the same sender. Setting up a sender is the most
    /// expensive part of a deployment.
    pub(crate) async fn new_world(&self) -> Self {
        let (aws, clock, sender) = (empty(&self.clock).await.0, self.clock.clone(), self.sender.clone());
        let process = Process::start(&aws.sdk_config(), &self.settings, &sender, clock.clock());
        let (variables, settings) = (self.variables.clone(), self.settings.clone());
        Self { aws, variables, settings, platform_key: self.platform_key.clone(), clock, sender, process }
    }

    /// The configuration for clients of this world's table and queues. To observe or change the calls, a test passes
    /// [`World::process_over`] a configuration with another HTTP client.
    pub(crate) fn sdk(&self) -> SdkConfig {
        self.aws.sdk_config()
    }

    /// Creates another process for the same table and queues, with empty caches.
    pub(crate) fn another_process(&self) -> Process {
        self.process_on(&self.sdk())
    }

    /// Creates another process with its own clients' configuration.
    pub(crate) fn process_on(&self, sdk: &SdkConfig) -> Process {
        Process::start(sdk, &self.settings, &self.sender, self.clock.clock())
    }

    /// Creates another process with its own clients' configuration and clock.
    pub(crate) fn process_over(&self, sdk: &SdkConfig, clock: Clock) -> Process {
        Process::start(sdk, &self.settings, &self.sender, clock)
    }

    /// Creates a process that starts now and is the only one, like a restarted local host.
    pub(crate) fn only_process(&self) -> Process {
        let mut settings = self.settings.clone();
        settings.deployment.only_process_since = Some(self.clock.now());
        Process::start(&self.sdk(), &settings, &self.sender, self.clock.clock())
    }

    /// Creates another process with other settings.
    pub(crate) fn process_with(&self, settings: &[(&str, &str)]) -> Process {
        let settings = read_settings(settings, &self.variables);
        Process::start(&self.sdk(), &settings, &new_sender(&settings, &self.clock), self.clock.clock())
    }

    /// Creates another process with this lookup of names.
    pub(crate) fn process_looking_up(&self, lookup: Lookup) -> Process {
        self.process_with_sender(lookup, Vec::new())
    }

    /// Creates another process whose sender trusts these TLS roots in addition to the system's.
    pub(crate) fn process_trusting(&self, roots: Vec<CertificateDer<'static>>) -> Process {
        self.process_with_sender(Lookup::system(), roots)
    }

    fn process_with_sender(&self, lookup: Lookup, roots: Vec<CertificateDer<'static>>) -> Process {
        let clock = self.clock.clock();
        let addresses = self.settings.deployment.urls.addresses.clone();
        let sender = Sender::with(addresses, clock.clone(), lookup, roots).unwrap();
        Process::start(&self.sdk(), &self.settings, &sender, clock)
    }

    /// Creates an organization and returns it with its owner's key.
    pub(crate) async fn tenant(&self) -> Tenant {
        let platform = self.platform();
        let slug = format!("t{}", hex::encode(clock::secret_bytes::<8>()));
        let organization = platform.post("/v1/organizations", &json!({"name": "Tenant", "slug": slug})).await.data(201);
        let id = text(&organization["id"]).to_owned();
        let keys = format!("/v1/organizations/{id}/api-keys");
        let issued = platform.post(&keys, &json!({"name": "owner"})).await.data(201);
        Tenant::new(self.process.clone(), &id, text(&issued["revealed_key"]))
    }

    /// A client with the platform's key. Its paths must contain the organization.
    pub(crate) fn platform(&self) -> Tenant {
        Tenant::new(self.process.clone(), "", &self.platform_key)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) async fn drain(&self) -> usize {
        self.process.drain().await
    }

    pub(crate) async fn sweep(&self) {
        self.process.sweep().await;
    }

    /// One run of the sweep in this process, which waits for the next steps of jobs on the test's clock.
    pub(crate) async fn whole_sweep(&self, process: &Process) -> Result<(), ServiceError> {
        let wait = |pause| {
            self.clock.advance(pause);
            ready(true)
        };
        sweep::handle(&process.sweeper, self.clock.now().plus(SWEEP), wait).await
    }

    /// The same beside a consumer that delivers what is visible, second by second.
    pub(crate) async fn whole_sweep_beside_a_consumer(&self, process: &Process) {
        let wait = async |pause: Duration| {
            let until = self.clock.now().plus(pause);
            while self.clock.now() < until {
                self.advance(Duration::from_secs(1).min(until.since(self.clock.now())));
                self.drain().await;
            }
            true
        };
        sweep::handle(&process.sweeper, self.clock.now().plus(SWEEP), wait).await.unwrap();
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk())
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk())
    }

    pub(crate) fn table(&self) -> &str {
        &self.settings.table
    }

    /// The URL of the fast lane's queue.
    pub(crate) fn queue_url(&self) -> &str {
        self.queue_url_of(Lane::Fast)
    }

    pub(crate) fn queue_url_of(&self, lane: Lane) -> &str {
        self.settings.queue_urls.of(lane)
    }

    /// The URLs of all queues of deliveries.
    pub(super) fn queue_urls(&self) -> impl Iterator<Item = &str> {
        Lane::ALL.into_iter().map(|lane| self.queue_url_of(lane))
    }

    /// The table with the store's operations.
    pub(crate) fn store(&self) -> Store {
        Store::new(&self.sdk(), self.table(), self.settings.deployment.retention)
    }

    /// Moves an endpoint to a lane, as the consumer does. Does nothing if the endpoint is deleted.
    pub(crate) async fn set_lane(&self, tenant: &Tenant, endpoint: &Endpoint, lane: Lane) {
        let store = self.store();
        let (organization, id) = (OrganizationId::parse(&tenant.id).unwrap(), EndpointId::parse(&endpoint.id).unwrap());
        let Some(found) = store.endpoint(&organization, id).await.unwrap() else { return };
        let (now, slow) = (self.clock.now(), if lane == Lane::Slow { 20 } else { 0 });
        let count = |counters| Counters { slow, lane, lane_changed_at: Some(now), ..counters };
        store.change_counters(id, now, count).await.unwrap().unwrap();
        let moved = endpoint::Endpoint { lane, version: found.version + 1, ..found.clone() };
        store.change_endpoint(&found, &moved, now).await.unwrap();
        // The revision is raised too, unlike in the consumer, so tests need not wait until the publishers' caches
        // expire.
        let unchanged = FanOutSize::default();
        store.raise_revision(&organization, found.fan_out_group, unchanged, unchanged).await.unwrap();
    }

    /// The primary key of an endpoint's item.
    pub(crate) fn endpoint_key(&self, organization: &str, endpoint: &str) -> HashMap<String, AttributeValue> {
        let shard = shared::store::shard_byte(EndpointId::parse(endpoint).unwrap().uuid()) % 16;
        let key = [("pk", format!("endpoint#{organization}#{shard}")), ("sk", endpoint.to_owned())];
        key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
    }

    /// All stored items of a kind.
    pub(crate) async fn items(&self, entity: &str) -> Vec<HashMap<String, AttributeValue>> {
        let scan = self.dynamodb().scan().table_name(self.table()).filter_expression("entity = :entity");
        let scan = scan.expression_attribute_values(":entity", AttributeValue::S(entity.to_owned()));
        scan.into_paginator().items().send().collect::<Result<_, _>>().await.unwrap()
    }

    /// The last entry of a delivery's stored log.
    pub(crate) async fn last_attempt(&self, delivery: &str) -> HashMap<String, AttributeValue> {
        let id = AttributeValue::S(delivery.to_owned());
        let item = self.items("delivery").await.into_iter().find(|item| item["sk"] == id).unwrap();
        item["log"].as_l().unwrap().last().unwrap().as_m().unwrap().clone()
    }

    /// The written usage of all organizations and days: events, deliveries and attempts.
    pub(crate) async fn usage(&self) -> [u64; 3] {
        let items = self.items("usage").await;
        ["events", "deliveries", "attempts"]
            .map(|name| items.iter().map(|item| item[name].as_n().unwrap().parse::<u64>().unwrap()).sum())
    }

    /// All stored items.
    pub(crate) async fn all_items(&self) -> Vec<HashMap<String, AttributeValue>> {
        let scan = self.dynamodb().scan().table_name(self.table()).into_paginator();
        scan.items().send().collect::<Result<_, _>>().await.unwrap()
    }

    /// Deletes the expired items, as DynamoDB does within days.
    pub(crate) async fn expire_items(&self) {
        self.aws.expire_items().await.unwrap();
    }

    /// Deletes all items of a kind.
    pub(crate) async fn delete_items(&self, entity: &str) {
        for mut item in self.items(entity).await {
            item.retain(|name, _| ["pk", "sk"].contains(&name.as_str()));
            self.dynamodb().delete_item().table_name(self.table()).set_key(Some(item)).send().await.unwrap();
        }
    }

    /// Sends a message to the fast lane's queue.
    pub(crate) async fn send(&self, body: &str) {
        self.sqs().send_message().queue_url(self.queue_url()).message_body(body).send().await.unwrap();
    }

    /// The messages in the queues, including hidden ones. Reading them does not change them.
    pub(crate) fn messages(&self) -> Vec<String> {
        Lane::ALL.into_iter().flat_map(|lane| self.messages_of(lane)).collect()
    }

    /// The messages in the queue of a lane, including hidden ones.
    pub(crate) fn messages_of(&self, lane: Lane) -> Vec<String> {
        self.aws.messages(self.queue_url_of(lane))
    }

    /// Receives all visible messages of the fast lane's queue, which hides them.
    pub(crate) async fn take_messages(&self) -> Vec<String> {
        self.take_from(self.queue_url()).await
    }

    /// Receives all messages of the dead-letter queue, which hides them.
    pub(crate) async fn take_dead_letters(&self) -> Vec<String> {
        let found = self.sqs().get_queue_url().queue_name(format!("{QUEUE}-dead")).send().await.unwrap();
        self.take_from(&found.queue_url.unwrap()).await
    }

    /// Makes the messages in flight visible, as if SQS delivered them a second time.
    pub(crate) fn redeliver(&self) {
        self.queue_urls().for_each(|queue| self.aws.redeliver(queue));
    }

    /// Sets whether the receipt of an earlier receive still deletes and hides its message.
    pub(crate) fn let_former_receipts_act(&self, act: bool) {
        self.queue_urls().for_each(|queue| self.aws.let_former_receipts_act(queue, act));
    }

    /// Receives all visible messages this many times, like processes that crash immediately. Afterwards the messages
    /// are visible.
    pub(crate) async fn receive_in_vain(&self, times: u32) {
        let batches = u32::try_from(self.visible_in_the_queue().await).unwrap().div_ceil(CONSUMER_BATCH);
        for _ in 0..times * batches {
            let receive = self.sqs().receive_message().queue_url(self.queue_url()).max_number_of_messages(10);
            receive.visibility_timeout(0).send().await.unwrap();
        }
    }

    /// Moves the messages of the dead-letter queue to the fast lane, as an operator can. As on AWS, they are new
    /// messages.
    pub(crate) async fn redrive(&self) {
        for body in self.take_dead_letters().await {
            self.send(&body).await;
        }
    }

    /// Deletes all messages of the queues, including hidden ones.
    pub(crate) async fn purge(&self) {
        for queue in self.queue_urls() {
            self.sqs().purge_queue().queue_url(queue).send().await.unwrap();
        }
    }

    async fn take_from(&self, queue_url: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let receive = self.sqs().receive_message().queue_url(queue_url).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            bodies.extend(messages.into_iter().filter_map(|message| message.body));
        }
    }
}

/// The functions and their caches in one process.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) administrator: Arc<Administrator>,
    pub(crate) deliverer: Arc<Deliverer>,
    pub(crate) sweeper: Arc<Sweeper>,
    pub(crate) meter: Arc<Meter>,
    clock: Clock,
    pollers: ByLane<Poller>,
    router: Router,
}

impl Process {
    fn start(sdk: &SdkConfig, settings: &Settings, sender: &Sender, clock: Clock) -> Self {
        let Settings { table, queue_urls, deployment } = settings.clone();
        let parts = Parts::new(sdk, &table, queue_urls.clone(), deployment, clock.clone());
        let deliverer = parts.deliverer(sender.clone());
        let sqs = aws_sdk_sqs::Client::new(sdk);
        let poller = |lane| Poller::new(sqs.clone(), lane, queue_urls.of(lane), Arc::clone(&deliverer), clock.clone());
        let pollers = ByLane { fast: poller(Lane::Fast), slow: poller(Lane::Slow) };
        let router = gateway(&parts);
        let (publisher, administrator, sweeper) = (parts.publisher(), parts.administrator(), parts.sweeper());
        Self { publisher, administrator, deliverer, sweeper, meter: parts.meter(), clock, pollers, router }
    }

    /// Processes one batch of visible messages of the fast lane, and returns their number.
    pub(crate) async fn poll(&self) -> usize {
        self.poll_of(Lane::Fast, CONSUMER_BATCH).await
    }

    /// Like [`poll`](Self::poll), with a batch of at most `most` messages.
    pub(crate) async fn poll_at_most(&self, most: u32) -> usize {
        self.poll_of(Lane::Fast, most).await
    }

    /// Processes one batch of a lane with at most `most` messages, and returns their number.
    pub(crate) async fn poll_of(&self, lane: Lane, most: u32) -> usize {
        self.pollers.of(lane).poll_once(most).await.unwrap()
    }

    /// Processes one batch of the fast lane. Returns an error if the queue refuses a call.
    pub(crate) async fn try_poll(&self) -> anyhow::Result<usize> {
        self.pollers.fast.poll_once(CONSUMER_BATCH).await
    }

    /// Processes batches of both lanes until no message is visible. It does not wait for hidden messages. Returns the
    /// number of processed messages.
    pub(crate) async fn drain(&self) -> usize {
        let mut handled = 0;
        for _ in 0..MOST_BATCHES {
            let batch = self.poll().await + self.poll_of(Lane::Slow, CONSUMER_BATCH).await;
            if batch == 0 {
                return handled;
            }
            handled += batch;
        }
        panic!("the queues do not become empty");
    }

    /// The deadline of an invocation that starts now.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.clock.now().plus(Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS)))
    }

    /// Runs the sweep once. It does not wait for the next step of a job.
    pub(crate) async fn sweep(&self) {
        self.try_sweep().await.unwrap();
    }

    /// Runs the sweep once and returns its error.
    pub(crate) async fn try_sweep(&self) -> Result<(), ServiceError> {
        self.sweep_until(self.deadline()).await
    }

    /// The same that has to end by then.
    pub(crate) async fn sweep_until(&self, deadline: Timestamp) -> Result<(), ServiceError> {
        sweep::handle(&self.sweeper, deadline, |_| ready(false)).await
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Reply {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply { status: head.status.as_u16(), headers: head.headers, bytes, body }
    }
}

/// An empty table and empty queues, and the URLs of the queues.
async fn empty(clock: &TestClock) -> (EmbeddedAws, ByLane<String>) {
    let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:8001", clock.engines()).unwrap();
    create_table(&aws_sdk_dynamodb::Client::new(&aws.sdk_config()), TABLE).await.unwrap();
    let queue_urls = create_queues(&aws_sdk_sqs::Client::new(&aws.sdk_config()), QUEUE).await.unwrap();
    (aws, queue_urls)
}

fn new_sender(settings: &Settings, clock: &TestClock) -> Sender {
    Sender::new(settings.deployment.urls.addresses.clone(), clock.clock()).unwrap()
}

/// Reads settings from variables. The first ones override the others.
fn read_settings(first: &[(&str, &str)], rest: &[(String, String)]) -> Settings {
    let rest = rest.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<_> = first.iter().copied().chain(rest).collect();
    let variable = |name: &str| variables.iter().find(|(key, _)| *key == name);
    Settings::read(|name| variable(name).map(|(_, value)| (*value).to_owned())).unwrap()
}
