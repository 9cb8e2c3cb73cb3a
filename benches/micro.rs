//! Benchmarks of single parts of the hot path, with their allocations.
#![allow(dead_code, reason = "the commands use the rest of the modules")]
#![allow(clippy::unwrap_used, reason = "benchmarks may panic")]

mod deployment;
mod instant;
mod payload;
mod stage;

use std::hint::black_box;
use std::sync::Arc;

use divan::{AllocProfiler, Bencher};
use fastrand::Rng;
use shared::domain::delivery::Delivery;
use shared::domain::delivery::trigger::Trigger;
use shared::domain::endpoint::fan_out::FanOut;
use shared::domain::endpoint::filter::{Filter, RequestSteps, Steps};
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::endpoint::url::EndpointUrl;
use shared::domain::endpoint::{Endpoint, EndpointSettings, WantedStatus};
use shared::domain::event::channel::Channels;
use shared::domain::event::event_type::EventType;
use shared::domain::event::payload::Format;
use shared::domain::event::{Event, NewEvent};
use shared::domain::ids::{EndpointId, EventId, OrganizationId};
use shared::domain::schema::Schema;
use shared::domain::signing::key::{SigningKey, SigningKeyId};
use shared::domain::signing::secret::SigningSecret;
use shared::domain::signing::signature;
use shared::domain::text::Name;
use shared::domain::time::Timestamp;
use shared::queue::{DeliverTask, Task};
use shared::store::{Store, Wanted};
use shared::wire::body;
use shared::wire::organizations::EventIn;
use tokio::runtime::Runtime;

use stage::{EVENT_TYPE, Stage};

#[global_allocator]
static HEAP: AllocProfiler = AllocProfiler::system();

const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
/// The URL of the endpoints. No benchmark sends requests to it.
const NOWHERE: &str = "http://127.0.0.1:9/hooks/orders";
/// The number of deliveries in a batch.
const BATCH: usize = 10;

/// A schema of the events: types, required fields, patterns, ranges, choices, items and a reference.
const SCHEMA: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["order_id", "placed_at", "currency", "net_cents", "lines", "customer", "payment"],
    "properties": {
        "order_id": {"type": "string", "pattern": "^ord_[A-Za-z0-9]{24}$"},
        "placed_at": {"type": "string", "format": "date-time"},
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "net_cents": {"$ref": "#/$defs/cents"},
        "tax_cents": {"$ref": "#/$defs/cents"},
        "lines": {
            "type": "array", "minItems": 1, "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["sku", "quantity", "unit_cents", "net_cents"],
                "properties": {
                    "sku": {"type": "string", "minLength": 1, "maxLength": 40},
                    "title": {"type": "string"},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "unit_cents": {"$ref": "#/$defs/cents"},
                    "net_cents": {"$ref": "#/$defs/cents"}
                },
                "additionalProperties": false
            }
        },
        "customer": {
            "type": "object",
            "required": ["id", "email"],
            "properties": {
                "id": {"type": "string", "pattern": "^cus_"},
                "name": {"type": "string"},
                "email": {"type": "string", "pattern": "^[^@]+@[^@]+$"},
                "phone": {"type": ["string", "null"]},
                "address": {
                    "type": "object",
                    "properties": {"country": {"type": "string", "minLength": 2, "maxLength": 2}},
                    "required": ["city", "country"]
                },
                "orders_before": {"type": "integer", "minimum": 0}
            }
        },
        "payment": {
            "type": "object",
            "required": ["id", "method"],
            "properties": {
                "method": {"enum": ["card", "bank_transfer", "wallet"]},
                "last_four": {"type": "string", "pattern": "^[0-9]{4}$"},
                "risk_score": {"type": "number", "minimum": 0, "maximum": 1}
            }
        },
        "client": {"type": "object"}
    },
    "additionalProperties": false,
    "$defs": {"cents": {"type": "integer", "minimum": 0}}
}"##;

fn main() {
    divan::main();
}

/// Computes both signatures of a request, with one secret or, during a rotation, with two.
#[divan::bench(args = [1, 2])]
fn sign(bencher: Bencher<'_, '_>, secrets: u8) {
    let secrets: Vec<_> = (0..secrets).map(|seed| SigningSecret::generate([seed; 16])).collect();
    let event = planned(0);
    let id = event.id.to_string();
    let sign = |body: &[u8]| (signature::standard(&secrets, &id, NOW, body), signature::body_digest(&secrets, body));
    bencher.bench_local(|| sign(black_box(event.payload.body.as_bytes())));
}

/// Parses a publish request into its event.
#[divan::bench]
fn parse_publish_request(bencher: Bencher<'_, '_>) {
    let request = request_body();
    let parse = |request: &[u8]| body::parse::<EventIn>(request).unwrap().read(|event| event.parse(Format::Envelope));
    bencher.bench_local(|| parse(black_box(request.as_bytes())).unwrap());
}

/// Finds the endpoints that subscribe to an event, which are one in ten.
#[divan::bench(args = [1, 10, 100, 1_000])]
fn match_endpoints(bencher: Bencher<'_, '_>, count: i64) {
    let (fan_out, event) = (fan_out(count), new_event());
    bencher.bench_local(|| black_box(&fan_out).subscribed(black_box(&event)).len());
}

/// Validates the data of an event by an ordinary schema, as publishing does.
#[divan::bench]
fn validate_by_schema(bencher: Bencher<'_, '_>) {
    let (event, schema) = (new_event(), Schema::compile(SCHEMA).unwrap());
    assert_eq!(schema.validate_text(&event.data), Ok(()));
    bencher.bench_local(|| schema.validate_text(black_box(&event.data)).unwrap());
}

/// Parses an event for filters.
#[divan::bench]
fn parse_for_filters(bencher: Bencher<'_, '_>) {
    let (event, organization) = (new_event(), organization());
    bencher.bench_local(|| black_box(&event).view(&organization).unwrap());
}

/// Compares a parsed event with an ordinary filter that matches.
#[divan::bench]
fn match_filter(bencher: Bencher<'_, '_>) {
    let (event, organization, filter) = (new_event(), organization(), Filter::parse(&filter(0)).unwrap());
    let view = event.view(&organization).unwrap();
    assert_eq!(filter.matches(&view, &Steps::new(1_000)), Some(true));
    bencher.bench_local(|| filter.matches(black_box(&view), &Steps::new(1_000)));
}

/// Compiles a filter, as when a target is read.
#[divan::bench]
fn compile_filter(bencher: Bencher<'_, '_>) {
    let filter = filter(0);
    bencher.bench_local(|| Filter::parse(black_box(&filter)).unwrap());
}

/// Finds the endpoints that receive an event, all of which have channels and filters and subscribe to it.
#[divan::bench(args = [1, 10, 100, 1_000])]
fn match_endpoints_with_filters(bencher: Bencher<'_, '_>, count: i64) {
    let channels = |names: &[&str]| Channels::stored(names.iter().map(|name| (*name).to_owned()).collect());
    let selecting = |(index, endpoint): (usize, Endpoint)| {
        let settings = EndpointSettings {
            subscriptions: vec![Subscription::parse("order.*").unwrap()],
            channels: channels(&["vip", "emea"]),
            filter: Some(Arc::new(Filter::parse(&filter(index)).unwrap())),
            ..endpoint.settings
        };
        Endpoint { settings, ..endpoint }
    };
    let fan_out: FanOut = endpoints(count).into_iter().enumerate().map(selecting).map(|it| it.target()).collect();
    let (event, organization) = (NewEvent { channels: channels(&["web", "emea"]), ..new_event() }, organization());
    let receivers = || {
        let targets = fan_out.subscribed(black_box(&event));
        let (view, mut budget) = (event.view(&organization).unwrap(), RequestSteps::new(1).share(targets.len()));
        let matches = |filter: &Filter| {
            let share = budget.share();
            let matches = filter.matches(&view, &share);
            budget.settle(&share);
            matches.unwrap()
        };
        targets
            .into_iter()
            .filter_map(|target| target.filter.as_deref())
            .map(matches)
            .filter(|matches| *matches)
            .count()
    };
    assert_eq!(receivers(), usize::try_from(count).unwrap().div_ceil(2));
    bencher.bench_local(receivers);
}

/// Renders the body of an event without subscribers.
#[divan::bench]
fn render_body(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(new_event).bench_local_values(|new| plan(new, &FanOut::default()));
}

#[divan::bench]
fn read_task(bencher: Bencher<'_, '_>) {
    let message = Task::from(&task()).encode().unwrap();
    bencher.bench_local(|| Task::decode(black_box(&message)).unwrap());
}

#[divan::bench]
fn write_task(bencher: Bencher<'_, '_>) {
    let task = task();
    bencher.bench_local(|| Task::from(black_box(&task)).encode().unwrap());
}

/// Loads everything for a batch of ten deliveries without attempts, including the SDK's work.
#[divan::bench]
fn load_batch(bencher: Bencher<'_, '_>) {
    let (runtime, stage) = staged();
    let (store, wanted) = (store(&stage), wanted(&stage));
    bencher.bench_local(|| {
        let loaded = runtime.block_on(store.load(black_box(&wanted))).unwrap();
        assert_eq!((loaded.deliveries.len(), loaded.endpoints.len()), (0, 1));
        loaded
    });
}

/// Records one attempt, including the SDK's work.
#[divan::bench]
fn record_attempt(bencher: Bencher<'_, '_>) {
    let (runtime, stage) = staged();
    let store = store(&stage);
    let task = stage.tasks().unwrap().remove(0);
    let mut delivery = Delivery::new(task.delivery, &task.organization, task.endpoint, &task.event_type, false);
    bencher.bench_local(|| runtime.block_on(store.record_attempt(None, black_box(&mut delivery))).unwrap());
}

/// A stage with a batch of deliveries to one endpoint.
fn staged() -> (Runtime, Stage) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::set(NOWHERE, 1, BATCH)).unwrap();
    (runtime, stage)
}

/// The table as a new process accesses it.
fn store(stage: &Stage) -> Store {
    Store::new(&stage.sdk, &stage.settings.table, stage.settings.deployment.retention)
}

fn wanted(stage: &Stage) -> Wanted {
    let tasks = stage.tasks().unwrap();
    let endpoints = vec![(tasks[0].organization.clone(), tasks[0].endpoint)];
    let deliveries = tasks.into_iter().map(|task| (task.endpoint, task.delivery)).collect();
    Wanted { deliveries, endpoints, ..Wanted::default() }
}

fn request_body() -> String {
    format!(r#"{{"type":"{EVENT_TYPE}","data":{}}}"#, payload::data(&mut Rng::with_seed(1)))
}

fn new_event() -> NewEvent {
    NewEvent::new(EventType::parse(EVENT_TYPE).unwrap(), payload::data(&mut Rng::with_seed(1)))
}

/// A filter that matches the event if the index is even. Otherwise the currency differs.
fn filter(index: usize) -> String {
    let currency = if index.is_multiple_of(2) { "EUR" } else { "USD" };
    format!(
        r#"{{"type":[{{"prefix":"order."}}],"data":{{"currency":["{currency}"],"net_cents":[{{"numeric":[">",100]}}],
            "payment":{{"method":["card","wallet","bank_transfer"]}},"lines":{{"quantity":[{{"numeric":[">=",1]}}]}}}}}}"#
    )
}

fn organization() -> OrganizationId {
    OrganizationId::new(NOW, [1; 8])
}

fn plan(new: NewEvent, fan_out: &FanOut) -> Event {
    let receivers = fan_out.subscribed(&new);
    Event::plan(new, EventId::new(NOW, [3; 8]), &organization(), None, &receivers).0
}

fn planned(endpoints: i64) -> Event {
    plan(new_event(), &fan_out(endpoints))
}

fn fan_out(endpoints: i64) -> FanOut {
    self::endpoints(endpoints).iter().map(Endpoint::target).collect()
}

/// Endpoints with three subscriptions each. The first and every tenth one match the published type.
fn endpoints(count: i64) -> Vec<Endpoint> {
    let endpoint = |index: i64| {
        let wanted = if index % 10 == 0 { EVENT_TYPE } else { "order.refunded" };
        let settings = EndpointSettings::new(
            Name::parse("Bench").unwrap(),
            EndpointUrl::stored("https://hooks.example.com/orders").unwrap(),
            ["customer.*", "order.created", wanted].map(|it| Subscription::parse(it).unwrap()).to_vec(),
        );
        let id = EndpointId::new(Timestamp::from_unix_seconds(index), [2; 8]);
        let secret = SigningKey::new(SigningKeyId::new([5; 8]), SigningSecret::generate([5; 16]));
        Endpoint::new(id, &organization(), settings, secret, WantedStatus::Active, NOW)
    };
    (0..count).map(endpoint).collect()
}

fn task() -> DeliverTask {
    let event = planned(1);
    let (endpoint, delivery) = event.fan_out().next().unwrap();
    let payload = DeliverTask::inline(&event.payload);
    DeliverTask {
        organization: organization(),
        endpoint,
        delivery,
        endpoint_version: 1,
        event_type: event.event_type,
        channels: event.channels,
        ticket: None,
        trigger: Trigger::Schedule,
        suspect: false,
        payload,
    }
}
