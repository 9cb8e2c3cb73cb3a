//! One run of the sweep as on AWS: each call of DynamoDB or SQS takes some milliseconds, and the run ends after 55 s.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use aws_config::SdkConfig;
use aws_sdk_sqs::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use futures_util::{StreamExt, TryStreamExt, stream};
use pigeonpost::aws::{EmbeddedAws, Storage};
use shared::clock::Clock;
use shared::config::Settings;
use shared::domain::endpoint::{EndpointPatch, EndpointSettings, NewEndpoint, WantedStatus};
use shared::domain::event::NewEvent;
use shared::domain::event_type::{EventType, Subscription};
use shared::domain::fields::{EndpointUrl, Headers, Name, Slug, TimeoutSeconds};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::organization::NewOrganization;
use shared::queue::schema::create_queues;
use shared::service::Core;
use shared::store::schema::create_table;

use super::{AT_ONCE, BATCH, EVENT_TYPE, Extent, per_second, seconds};
use crate::deployment::{TABLE, settings};
use crate::report::Report;

/// How long a run may take: the timeout of SweepFunction.
const TIMEOUT: Duration = Duration::from_secs(55);

pub(super) async fn run(extent: &Extent) -> anyhow::Result<Report> {
    let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", Arc::new(|| SystemTime::UNIX_EPOCH))?;
    let sdk = aws.sdk_config();
    create_table(&aws_sdk_dynamodb::Client::new(&sdk), TABLE).await?;
    let queue_urls = create_queues(&aws_sdk_sqs::Client::new(&sdk), "deliveries").await?;
    let settings = settings(&queue_urls)?;
    let core = core(&sdk, &settings);
    let new = NewOrganization { id: None, name: Name::parse("Bench")?, slug: Slug::parse("bench")? };
    let organization = core.create_organization(new).await?.id;
    let endpoints = park(&core, &organization, extent).await?;

    let distant = core_at(&sdk, &settings, extent.latency_ms)?;
    let active = EndpointPatch { status: Some(WantedStatus::Active), ..EndpointPatch::default() };
    let began = Instant::now();
    let resumes = endpoints.iter().map(|id| distant.update_endpoint(&organization, *id, active.clone()));
    stream::iter(resumes).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    let resumed_in = began.elapsed();
    let at_once = aws.messages(&queue_urls.fast).len();

    let began = Instant::now();
    let deadline = distant.clock().now().plus(TIMEOUT);
    let wait = async |pause| {
        tokio::time::sleep(pause).await;
        true
    };
    sweep::handle(&distant, deadline, wait).await?;
    let took = began.elapsed();
    let released = aws.messages(&queue_urls.fast).len() - at_once;
    let mut report = Report::new(&format!("One run of the sweep, calls of {} ms at most", extent.latency_ms));
    report.figure("all requests that resume, s", seconds(resumed_in));
    report.figure("deliveries that these release", at_once);
    report.figure("the run, s", seconds(took));
    report.figure("deliveries that it releases", released);
    report.figure("releases a second", per_second(released, took));
    Ok(report)
}

/// Makes paused endpoints and publishes to all of them.
async fn park(core: &Core, organization: &OrganizationId, extent: &Extent) -> anyhow::Result<Vec<EndpointId>> {
    let mut endpoints = Vec::new();
    for _ in 0..extent.endpoints {
        let settings = EndpointSettings {
            name: Name::parse("Bench")?,
            url: EndpointUrl::parse("http://127.0.0.1:9/", &core.deployment().urls)?,
            subscriptions: vec![Subscription::parse(EVENT_TYPE)?],
            headers: Headers::default(),
            timeout: TimeoutSeconds::default(),
            edition: None,
            retry_schedule: None,
        };
        let new = NewEndpoint { settings, secret: None, status: WantedStatus::Paused };
        endpoints.push(core.create_endpoint(organization, new).await?.id);
    }
    let event_type = EventType::parse(EVENT_TYPE)?;
    for start in (0..extent.parked).step_by(BATCH) {
        let event = || NewEvent { event_type: event_type.clone(), data: "{}".to_owned(), subject: None, edition: None };
        let events = (0..).zip(start..extent.parked).take(BATCH).map(|(index, _)| (index, event())).collect();
        core.publish(&core.current_state(organization).await?, None, events, None).await?;
    }
    core.write_all_usage().await;
    Ok(endpoints)
}

fn core(sdk: &SdkConfig, settings: &Settings) -> Arc<Core> {
    let Settings { table, queue_urls, deployment } = settings.clone();
    Core::new(sdk, &table, queue_urls, deployment, Clock::system())
}

/// A process whose calls of AWS take half of this time or more, and this time at most.
fn core_at(sdk: &SdkConfig, settings: &Settings, latency_ms: u64) -> anyhow::Result<Arc<Core>> {
    let inner = sdk.http_client().context("the engines are reached in the process")?;
    let client = SharedHttpClient::new(Distant { inner, latency_ms });
    Ok(core(&sdk.to_builder().http_client(client).build(), settings))
}

/// Both of the SDK's roles, client and connector.
#[derive(Clone)]
struct Distant<T> {
    inner: T,
    latency_ms: u64,
}

impl<T: fmt::Debug> fmt::Debug for Distant<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distant({:?})", self.inner)
    }
}

impl HttpClient for Distant<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Distant { inner, latency_ms: self.latency_ms })
    }
}

impl HttpConnector for Distant<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = self.inner.clone();
        let micros = fastrand::u64(500 * self.latency_ms..=1_000 * self.latency_ms);
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(Duration::from_micros(micros)).await;
            inner.call(request).await
        })
    }
}
