//! One run of the sweep with AWS's latencies: each call to DynamoDB or SQS takes some milliseconds, and the run ends
//! after 55 s.

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
use shared::domain::signing::key::NewSecret;
use shared::domain::tenancy::organization::NewOrganization;
use shared::domain::tenancy::rights::Binding;
use shared::domain::text::{Name, Slug};
use shared::queue::schema::create_queues;
use shared::service::Parts;
use shared::store::schema::create_table;

use super::{BATCH, CONCURRENT_REQUESTS, EVENT_TYPE, Parameters, per_second, seconds};
use crate::deployment::{TABLE, settings};
use crate::report::Report;

/// The timeout of SweepFunction.
const TIMEOUT: Duration = Duration::from_secs(55);

pub(super) async fn run(parameters: &Parameters) -> anyhow::Result<Report> {
    let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", Arc::new(|| SystemTime::UNIX_EPOCH))?;
    let sdk = aws.sdk_config();
    create_table(&aws_sdk_dynamodb::Client::new(&sdk), TABLE).await?;
    let queue_urls = create_queues(&aws_sdk_sqs::Client::new(&sdk), "deliveries").await?;
    let settings = settings(&queue_urls)?;
    let parts = parts(&sdk, &settings);
    let new = NewOrganization::new(Name::parse("Bench")?, Some(Slug::parse("bench")?));
    let organization = parts.administrator().create_organization(new).await?.id;
    let endpoints = park(&parts, &settings.deployment.urls, &organization, parameters).await?;

    let distant = distant_parts(&sdk, &settings, parameters.latency_ms)?;
    let (administrator, sweeper) = (distant.administrator(), distant.sweeper());
    let active = EndpointPatch { status: Some(WantedStatus::Active), ..EndpointPatch::default() };
    let unbound = Binding::default();
    let began = Instant::now();
    let resumes =
        endpoints.iter().map(|id| administrator.update_endpoint(&organization, &unbound, *id, active.clone()));
    stream::iter(resumes).buffer_unordered(CONCURRENT_REQUESTS).try_collect::<Vec<_>>().await?;
    let resumed_in = began.elapsed();
    let initially_released = aws.messages(&queue_urls.fast).len();

    let began = Instant::now();
    let deadline = sweeper.clock().now().plus(TIMEOUT);
    let wait = async |pause| {
        tokio::time::sleep(pause).await;
        true
    };
    sweep::handle(&sweeper, deadline, wait).await?;
    let run_time = began.elapsed();
    let released = aws.messages(&queue_urls.fast).len() - initially_released;
    let mut report = Report::new(&format!("One run of the sweep, calls of {} ms at most", parameters.latency_ms));
    report.figure("all requests that resume, s", seconds(resumed_in));
    report.figure("deliveries that these requests release", initially_released);
    report.figure("the run, s", seconds(run_time));
    report.figure("deliveries that the run releases", released);
    report.figure("deliveries that the run releases a second", per_second(released, run_time));
    Ok(report)
}

/// Creates paused endpoints and publishes events for all of them.
async fn park(
    parts: &Parts,
    urls: &UrlPolicy,
    organization: &OrganizationId,
    parameters: &Parameters,
) -> anyhow::Result<Vec<EndpointId>> {
    let (publisher, administrator) = (parts.publisher(), parts.administrator());
    let mut endpoints = Vec::new();
    for _ in 0..parameters.endpoints {
        let settings = EndpointSettings::new(
            Name::parse("Bench")?,
            EndpointUrl::parse("http://127.0.0.1:9/", urls)?,
            vec![Subscription::parse(EVENT_TYPE)?],
        );
        let new = NewEndpoint { settings, secret: NewSecret::default(), status: WantedStatus::Paused };
        endpoints.push(administrator.create_endpoint(organization, new).await?.id);
    }
    let event_type = EventType::parse(EVENT_TYPE)?;
    for start in (0..parameters.parked).step_by(BATCH) {
        let event = || NewEvent::new(event_type.clone(), "{}".to_owned());
        let events = (0..).zip(start..parameters.parked).take(BATCH).map(|(index, _)| (index, event())).collect();
        publisher.publish(&administrator.current_state(organization).await?, None, events, None).await?;
    }
    parts.meter().write_all_usage().await;
    Ok(endpoints)
}

fn parts(sdk: &SdkConfig, settings: &Settings) -> Parts {
    let Settings { table, queue_urls, deployment } = settings.clone();
    Parts::new(sdk, &table, queue_urls, deployment, Clock::system())
}

/// The parts of a process whose calls to AWS take at least half of this time and at most this time.
fn distant_parts(sdk: &SdkConfig, settings: &Settings, latency_ms: u64) -> anyhow::Result<Parts> {
    let inner = sdk.http_client().context("the engines are reached in the process")?;
    let client = SharedHttpClient::new(Distant { inner, latency_ms });
    Ok(parts(&sdk.to_builder().http_client(client).build(), settings))
}

/// Delays the calls of the SDK's HTTP client or connector `T`.
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
