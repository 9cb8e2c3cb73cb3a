//! Assembles and starts the parts of the local host.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::routing::get;
use shared::clock::{self, Clock};
use shared::config::Settings;
use shared::domain::encryption::KeySource;
use shared::domain::endpoint::lane::{ByLane, Lane};
use shared::domain::ids::OrganizationId;
use shared::domain::tenancy::api_key::KeySecret;
use shared::queue::schema::{CONSUMER_TIMEOUT_SECONDS, create_ingest_queues, create_queues};
use shared::sender::Sender;
use shared::service::{Administrator, Meter, Parts, Sweeper};
use shared::store::schema::create_table;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use crate::aws::{EmbeddedAws, Storage};
use crate::credentials::{self, Credentials, StoredCredentials};
use crate::directory::{Directory, generated_keys};
use crate::gateway::gateway;
use crate::options::Options;
use crate::own_names::only_own_names;
use crate::pace::{Pace, at_pace_of_queue};
use crate::poller::Poller;
use crate::{demo, portal_link, tenant};

const TABLE: &str = "pigeonpost";
const QUEUE: &str = "deliveries";
const INGEST_QUEUE: &str = "ingest";
/// The interval of the sweep, as on AWS.
const TICK: Duration = Duration::from_secs(60);
/// The interval at which expired items are deleted. The first deletion happens one tick after the start. The engine
/// reads the whole table for it, a few items at a time. DynamoDB can take days.
const EXPIRY: Duration = Duration::from_secs(60 * 60);

/// A running host.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    aws_address: SocketAddr,
    organization: OrganizationId,
    restored: usize,
    stop: watch::Sender<bool>,
    running: JoinSet<anyhow::Result<()>>,
    meter: Arc<Meter>,
    aws: EmbeddedAws,
    /// Keeps the directory locked while the host runs.
    _directory: Directory,
}

impl Host {
    /// Starts a host. It accepts requests when this returns.
    ///
    /// # Errors
    /// If a port is taken, the directory is in use or cannot be written, or a setting is invalid.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let directory = Directory::lock(&options.data)?;
        let listener = listen(options.address, options.port, "--port").await?;
        let aws_listener = listen(options.address, options.aws_port, "--aws-port").await?;
        let (address, aws_address) = (listener.local_addr()?, aws_listener.local_addr()?);

        let keys = if options.in_memory { generated_keys() } else { directory.encryption_keys() }?;
        let storage = if options.in_memory { Storage::Memory } else { directory.storage(options.durable)? };
        let clock = Clock::system();
        let aws = EmbeddedAws::open(&storage, &aws_address.to_string(), engine_clock(clock.clone()));
        let aws = aws.with_context(|| directory.unusable())?;
        let sdk = aws.sdk_config();
        let sqs = aws_sdk_sqs::Client::new(&sdk);
        let table = create_table(&aws_sdk_dynamodb::Client::new(&sdk), TABLE).await;
        table.with_context(|| directory.unusable())?;
        let queue_urls = create_queues(&sqs, QUEUE).await.with_context(|| directory.unusable())?;
        let ingest_queues = create_ingest_queues(&sqs, INGEST_QUEUE).await.with_context(|| directory.unusable())?;
        let restored = Lane::ALL.iter().map(|lane| aws.messages(queue_urls.of(*lane)).len()).sum();

        let stored = if options.in_memory { None } else { StoredCredentials::read(directory.path())? };
        let platform_key = stored.as_ref().map_or_else(
            || KeySecret::generate(&clock::secret_bytes()),
            |stored| KeySecret::presented(&stored.platform_key),
        );
        let mut settings = settings(&queue_urls, &platform_key, options.address)?;
        // Without triggers, other processes may run the functions, and they do not have the host's keys.
        if !options.no_triggers {
            settings.deployment.only_process_since = Some(clock.now());
            settings.deployment.encryption_keys = KeySource::Fixed(Arc::new(keys));
        }
        let sender = Sender::new(settings.deployment.urls.addresses.clone(), clock.clone())?;
        let parts = Parts::new(&sdk, TABLE, queue_urls.clone(), settings.deployment, clock.clone());
        let administrator = parts.administrator();
        let receiver = format!("http://{address}/demo/receiver");
        let stored = match stored {
            Some(stored) => tenant::refresh(&administrator, stored, &receiver).await,
            None => tenant::create(&administrator, platform_key, &receiver).await,
        };
        let stored = stored.with_context(|| directory.unusable())?;
        if !options.in_memory {
            credentials::write_private_json(directory.path(), StoredCredentials::FILE, &stored)?;
        }
        let organization = OrganizationId::parse(&stored.organization_id)?;

        // The credentials are written before the health check succeeds.
        let credentials = Credentials {
            base_url: format!("http://{address}"),
            aws_url: format!("http://{aws_address}"),
            platform_key: stored.platform_key,
            organization_id: stored.organization_id,
            api_key: stored.api_key,
        };
        credentials::write_private_json(directory.path(), Credentials::FILE, &credentials)?;

        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        let pace = Arc::new(Pace::new(aws.clone(), &queue_urls.fast));
        if !options.no_triggers {
            let deliverer = parts.deliverer(sender);
            for lane in Lane::ALL {
                let queue_url = queue_urls.of(lane);
                let poller = Poller::new(sqs.clone(), lane, queue_url, Arc::clone(&deliverer), clock.clone());
                let polling = poller.run(stopped.clone());
                running.spawn(async move {
                    polling.await;
                    Ok(())
                });
            }
            let ingestor = parts.ingestor(&sdk, ingest_queues.clone());
            let poller = Poller::of_ingest_queue(sqs.clone(), ingest_queues.queue, ingestor, clock.clone());
            let poller = poller.at_pace(Arc::clone(&pace));
            let polling = poller.run(stopped.clone());
            running.spawn(async move {
                polling.await;
                Ok(())
            });
            running.spawn(tick(parts.sweeper(), stopped.clone()));
        }
        running.spawn(expire(aws.clone(), stopped.clone()));
        let mut app = routes(&parts, administrator, organization.clone(), address);
        if !options.no_triggers {
            app = at_pace_of_queue(app, pace);
        }
        let serving = axum::serve(listener, only_own_names(app, options.names.clone()))
            .with_graceful_shutdown(until(stopped.clone()));
        running.spawn(async move { Ok(serving.await?) });
        let serving_aws = aws.clone().serve(aws_listener, options.names.clone(), until(stopped));
        running.spawn(async move { Ok(serving_aws.await?) });

        Ok(Self {
            address,
            aws_address,
            organization,
            restored,
            stop,
            running,
            meter: parts.meter(),
            aws,
            _directory: directory,
        })
    }

    /// The address of the API.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the embedded DynamoDB and SQS.
    pub const fn aws_address(&self) -> SocketAddr {
        self.aws_address
    }

    /// The id of the demo organization.
    pub const fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// The number of messages that were in the queues at the start.
    pub const fn restored(&self) -> usize {
        self.restored
    }

    /// Stops accepting requests and messages, and waits until everything in progress is completed and recorded.
    ///
    /// # Errors
    /// If a part of the host failed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let _ = self.stop.send(true);
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        self.meter.write_all_usage().await;
        Ok(self.aws.flush().await?)
    }
}

fn routes(
    parts: &Parts,
    administrator: Arc<Administrator>,
    organization: OrganizationId,
    address: SocketAddr,
) -> Router {
    gateway(parts)
        .route("/healthz", get(async || "ok\n"))
        .merge(portal_link::routes(Arc::clone(&administrator), organization.clone(), address))
        .merge(demo::routes(administrator, organization))
}

async fn tick(sweeper: Arc<Sweeper>, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut minutes = tokio::time::interval(TICK);
    minutes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = minutes.tick() => {}
            _ = stop.changed() => return Ok(()),
        }
        let deadline = sweeper.clock().now().plus(Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS)));
        let wait = |pause| {
            let mut stop = stop.clone();
            async move { tokio::time::timeout(pause, stop.wait_for(|is_stopped| *is_stopped)).await.is_err() }
        };
        if let Err(error) = sweep::handle(&sweeper, deadline, wait).await {
            warn!(%error, "the sweep failed; it runs again in a minute");
        }
        // The host may stop within the next minute.
        sweeper.meter().write_all_usage().await;
    }
}

async fn expire(aws: EmbeddedAws, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut hours = tokio::time::interval_at(tokio::time::Instant::now() + TICK, EXPIRY);
    hours.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = hours.tick() => {}
            _ = stop.changed() => return Ok(()),
        }
        if let Err(error) = aws.expire_items().await {
            warn!(%error, "expired items were not removed");
        }
    }
}

async fn until(mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

async fn listen(address: Ipv4Addr, port: u16, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((address, port)).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrNotAvailable => "choose an address of this machine with --address".to_owned(),
            _ => format!("choose another port with {option}"),
        };
        anyhow!("cannot listen on {address}:{port}: {error}; {hint}")
    })
}

fn engine_clock(clock: Clock) -> crate::aws::Clock {
    let micros = move || u64::try_from(clock.now().unix_micros()).unwrap_or(0);
    Arc::new(move || std::time::SystemTime::UNIX_EPOCH + Duration::from_micros(micros()))
}

/// Reads the deployment's settings from the environment. Missing settings get defaults for local use.
fn settings(queues: &ByLane<String>, platform_key: &KeySecret, address: Ipv4Addr) -> anyhow::Result<Settings> {
    let hash = platform_key.hash().to_string();
    // The demo receiver listens at the host's own address.
    let networks = format!("127.0.0.0/8,::1/128,{address}/32");
    let fixed = [
        ("TABLE_NAME", TABLE),
        ("QUEUE_URL", &*queues.fast),
        ("SLOW_QUEUE_URL", &*queues.slow),
        ("PLATFORM_KEY_SHA256", &hash),
    ];
    Ok(Settings::from_environment_with(
        &fixed,
        &[
            ("ALLOW_HTTP", "true"),
            ("ALLOWED_NETWORKS", &networks),
            ("SECRETS_READABLE", "true"),
            ("OPERATOR_PORTAL", "true"),
        ],
    )?)
}
