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
use shared::domain::endpoint::change::EndpointPatch;
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::endpoint::url::{EndpointUrl, UrlPolicy};
use shared::domain::endpoint::{EndpointSettings, NewEndpoint, WantedStatus};
use shared::domain::event::NewEvent;
use shared::domain::event::event_type::EventType;
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::tenancy::organization::NewOrganization;
use shared::domain::text::{Name, Slug};
use shared::queue::schema::create_queues;
use shared::service::Parts;
use shared::store::schema::create_table;

use super::{BATCH, CONCURRENT_REQUESTS, EVENT_TYPE, Extent, per_second, seconds};
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
    let parts = parts(&sdk, &settings);
    let new = NewOrganization::new(Name::parse("Bench")?, Some(Slug::parse("bench")?));
    let organization = parts.administrator().create_organization(new).await?.id;
    let endpoints = park(&parts, &settings.deployment.urls, &organization, extent).await?;

    let distant = parts_at(&sdk, &settings, extent.latency_ms)?;
    let (administrator, sweeper) = (distant.administrator(), distant.sweeper());
    let active = EndpointPatch { status: Some(WantedStatus::Active), ..EndpointPatch::default() };
    let began = Instant::now();
    let resumes = endpoints.iter().map(|id| administrator.update_endpoint(&organization, *id, active.clone()));
    stream::iter(resumes).buffer_unordered(CONCURRENT_REQUESTS).try_collect::<Vec<_>>().await?;
    let resumed_in = began.elapsed();
    let at_once = aws.messages(&queue_urls.fast).len();

    let began = Instant::now();
    let deadline = sweeper.clock().now().plus(TIMEOUT);
    let wait = async |pause| {
        tokio::time::sleep(pause).await;
        true
    };
    sweep::handle(&sweeper, deadline, wait).await?;
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
async fn park(
    parts: &Parts,
    urls: &UrlPolicy,
    organization: &OrganizationId,
    extent: &Extent,
) -> anyhow::Result<Vec<EndpointId>> {
    let (publisher, administrator) = (parts.publisher(), parts.administrator());
    let mut endpoints = Vec::new();
    for _ in 0..extent.endpoints {
        let settings = EndpointSettings::new(
            Name::parse("Bench")?,
            EndpointUrl::parse("http://127.0.0.1:9/", urls)?,
            vec![Subscription::parse(EVENT_TYPE)?],
        );
        let new = NewEndpoint { settings, secret: None, status: WantedStatus::Paused };
        endpoints.push(administrator.create_endpoint(organization, new).await?.id);
    }
    let event_type = EventType::parse(EVENT_TYPE)?;
    for start in (0..extent.parked).step_by(BATCH) {
        let event = || NewEvent { event_type: event_type.clone(), data: "{}".to_owned(), subject: None, edition: None };
        let events = (0..).zip(start..extent.parked).take(BATCH).map(|(index, _)| (index, event())).collect();
        publisher.publish(&administrator.current_state(organization).await?, None, events, None).await?;
    }
    parts.meter().write_all_usage().await;
    Ok(endpoints)
}

fn parts(sdk: &SdkConfig, settings: &Settings) -> Parts {
    let Settings { table, queue_urls, deployment } = settings.clone();
    Parts::new(sdk, &table, queue_urls, deployment, Clock::system())
}

/// A process whose calls of AWS take half of this time or more, and this time at most.
fn parts_at(sdk: &SdkConfig, settings: &Settings, latency_ms: u64) -> anyhow::Result<Parts> {
    let inner = sdk.http_client().context("the engines are reached in the process")?;
    let client = SharedHttpClient::new(Distant { inner, latency_ms });
    Ok(parts(&sdk.to_builder().http_client(client).build(), settings))
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
