//! A deployment for a test: a table and queues in memory, and processes that use them.

mod process;
mod queues;
mod table;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use pigeonpost::aws::{EmbeddedAws, Storage};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use shared::clock::{self, Clock};
use shared::config::Settings;
use shared::domain::deployment::IngestQueues;
use shared::domain::encryption::KeySource;
use shared::domain::encryption::key_ring::KeyRing;
use shared::domain::endpoint::lane::ByLane;
use shared::domain::tenancy::api_key::KeySecret;
use shared::queue::schema::{create_ingest_queues, create_queues};
use shared::sender::{Lookup, Sender};
use shared::store::schema::create_table;

use super::{PARAMETER, ParameterStore, Tenant, TestClock, text};
pub(crate) use process::Process;

const TABLE: &str = "pigeonpost";
const QUEUE: &str = "deliveries";
const INGEST_QUEUE: &str = "ingest";
/// The encryption key of worlds whose settings name no parameter.
const KEY: &str = "cGlnZW9ucG9zdCdzIHRlc3RzIGVuY3J5cHQgd2l0aCE=";

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
            ("SECRETS_READABLE", "true"),
            ("OPERATOR_PORTAL", "true"),
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

    /// Creates another process with its own clients' configuration and other settings.
    pub(crate) fn process_on_with(&self, sdk: &SdkConfig, settings: &[(&str, &str)]) -> Process {
        let settings = read_settings(settings, &self.variables);
        Process::start(sdk, &settings, &self.sender, self.clock.clock())
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

    /// Creates another process that reads the key of the other ones from a parameter.
    pub(crate) fn process_with_parameter(&self, sdk: &SdkConfig) -> Process {
        let mut settings = self.settings.clone();
        settings.deployment.encryption_keys = KeySource::Parameter(PARAMETER.to_owned());
        Process::start(&ParameterStore::new(KEY).beside(sdk), &settings, &self.sender, self.clock.clock())
    }

    /// Creates another process that has no encryption keys.
    pub(crate) fn process_without_keys(&self) -> Process {
        let mut settings = self.settings.clone();
        settings.deployment.encryption_keys = KeySource::None;
        Process::start(&self.sdk(), &settings, &self.sender, self.clock.clock())
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
}

/// An empty table and empty queues, and the URLs of the queues.
async fn empty(clock: &TestClock) -> (EmbeddedAws, ByLane<String>) {
    let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:8001", clock.engines()).unwrap();
    create_table(&aws_sdk_dynamodb::Client::new(&aws.sdk_config()), TABLE).await.unwrap();
    let queue_urls = create_queues(&aws_sdk_sqs::Client::new(&aws.sdk_config()), QUEUE).await.unwrap();
    create_ingest_queues(&aws_sdk_sqs::Client::new(&aws.sdk_config()), INGEST_QUEUE).await.unwrap();
    (aws, queue_urls)
}

/// The ingest queue and its dead-letter queue, which every deployment has at the same URLs.
fn ingest_queues() -> IngestQueues {
    let url = |name: &str| format!("http://127.0.0.1:8001/000000000000/{name}");
    IngestQueues { queue: url(INGEST_QUEUE), dead_letter: url(&format!("{INGEST_QUEUE}-dead")) }
}

fn new_sender(settings: &Settings, clock: &TestClock) -> Sender {
    Sender::new(settings.deployment.urls.addresses.clone(), clock.clock()).unwrap()
}

/// Reads settings from variables. The first ones override the others. A deployment without the parameter of the encryption keys
/// has a key of the tests.
fn read_settings(first: &[(&str, &str)], rest: &[(String, String)]) -> Settings {
    let rest = rest.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<_> = first.iter().copied().chain(rest).collect();
    let variable = |name: &str| variables.iter().find(|(key, _)| *key == name);
    let mut settings = Settings::read(|name| variable(name).map(|(_, value)| (*value).to_owned())).unwrap();
    if matches!(settings.deployment.encryption_keys, KeySource::None) {
        settings.deployment.encryption_keys = KeySource::Fixed(Arc::new(KeyRing::parse(KEY).unwrap()));
    }
    settings
}
