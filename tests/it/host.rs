//! The local host as `cargo run` starts it: real ports, real time, and a directory that outlives it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use pigeonpost::aws::{EmbeddedAws, Storage};
use pigeonpost::{Credentials, Host, Options};
use serde_json::{Value, json};
use shared::domain::endpoint::Endpoint;
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::lane::Lane;
use shared::store::Store;

use crate::support::{Answer, Gate, PATIENCE, Receiver, TestClock, eventually, text};

fn options(data: &Path) -> Options {
    Options { port: 0, aws_port: 0, data: data.to_owned(), ..Options::default() }
}

fn credentials(data: &Path) -> Credentials {
    serde_json::from_slice(&std::fs::read(data.join(Credentials::FILE)).unwrap()).unwrap()
}

/// A client of a host's demo organization.
struct Client {
    http: reqwest::Client,
    credentials: Credentials,
}

impl Client {
    fn new(data: &Path) -> Self {
        Self { http: reqwest::Client::new(), credentials: credentials(data) }
    }

    async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(self.url(path))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.send(self.http.post(self.url(path)).json(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(&self.credentials.api_key).send().await.unwrap().error_for_status().unwrap();
        answer.json::<Value>().await.unwrap()["data"].take()
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/organizations/{}{path}", self.credentials.base_url, self.credentials.organization_id)
    }

    /// The id of a new endpoint for events of this type alone, of which the demo receiver gets its own deliveries.
    async fn endpoint(&self, receiver: &Receiver, event_type: &str) -> String {
        let endpoint = json!({"name": "Receiver", "url": receiver.url(), "event_types": [event_type]});
        text(&self.post("/webhooks/endpoints", &endpoint).await["id"]).to_owned()
    }

    /// Publishes an event and returns its id and that of the delivery to the endpoint made last.
    async fn publish(&self, event_type: &str) -> (String, String) {
        let event = self.post("/events", &json!({"type": event_type, "data": {}})).await;
        let delivery = event["webhook_deliveries"].as_array().unwrap().last().unwrap();
        (text(&event["id"]).to_owned(), text(&delivery["id"]).to_owned())
    }

    async fn status(&self, delivery: &str) -> String {
        text(&self.get(&format!("/webhooks/deliveries/{delivery}")).await["status"]).to_owned()
    }

    async fn wait_for_status(&self, delivery: &str, status: &str) {
        eventually("the delivery gets there", async || self.status(delivery).await == status).await;
    }
}

#[tokio::test]
async fn a_receiver_that_fails_twice_gets_three_attempts_one_and_then_five_seconds_apart() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&Options { in_memory: true, ..options(data.path()) }).await.unwrap();
    let client = Client::new(data.path());
    let receiver = Receiver::scripted([Answer::status(500), Answer::status(500)]).await;
    client.endpoint(&receiver, "member.added").await;
    let (event, delivery) = client.publish("member.added").await;

    let requests = receiver.wait_for(3).await;
    let gaps: Vec<_> = requests.windows(2).map(|two| two[1].arrived - two[0].arrived).collect();
    for (gap, delay) in gaps.iter().zip([1, 5]) {
        let delay = Duration::from_secs(delay);
        // The upper bound is for a busy machine; about a second is what it is elsewhere.
        assert!((delay..delay + Duration::from_secs(8)).contains(gap), "{gaps:?}");
    }
    assert!(requests.iter().all(|request| request.header("webhook-id") == event));
    client.wait_for_status(&delivery, "success").await;
    host.stop().await.unwrap();
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn receivers_that_hang_do_not_hold_up_the_others() {
    let (data, gate) = (tempfile::tempdir().unwrap(), Gate::closed());
    let host = Host::start(&Options { in_memory: true, ..options(data.path()) }).await.unwrap();
    let client = Client::new(data.path());
    let (hanging, healthy) = (Receiver::always(Answer::status(200).behind(&gate)).await, Receiver::new().await);
    let endpoint = json!({"name": "Hanging", "url": hanging.url(), "event_types": ["slow.one"], "timeout_seconds": 30});
    client.post("/webhooks/endpoints", &endpoint).await;
    client.endpoint(&healthy, "quick.one").await;
    let events = json!({"events": vec![json!({"type": "slow.one", "data": {}}); 100]});
    for _ in 0..3 {
        client.post("/events/batch", &events).await;
    }
    // More than are worked at at once, and all of them hang.
    hanging.wait_for(300).await;
    let (_, delivery) = client.publish("quick.one").await;
    client.wait_for_status(&delivery, "success").await;
    healthy.only();
    assert_eq!(hanging.received().len(), 300, "none of them was tried again, so none has timed out");
    gate.open();
    host.stop().await.unwrap();
}

#[tokio::test]
async fn the_first_delivery_is_seen_at_the_demo_receiver() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&Options { in_memory: true, ..options(data.path()) }).await.unwrap();
    let client = Client::new(data.path());
    let health = client.http.get(format!("http://{}/healthz", host.address())).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let (event, delivery) = client.publish("member.added").await;
    client.wait_for_status(&delivery, "success").await;
    let seen = client.http.get(format!("http://{}/demo/receiver", host.address())).send().await.unwrap();
    let seen: Value = seen.json().await.unwrap();
    let latest = &seen["latest"][0];
    assert_eq!((&seen["received"], &latest["webhook_id"]), (&json!(1), &json!(event)));
    assert_eq!(latest["standard_signature_valid"], true);
    assert_eq!(latest["body_signature_valid"], true);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn credentials_are_for_their_owner_alone_and_stay_the_same_over_restarts() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("made");
    let host = Host::start(&options(&directory)).await.unwrap();
    let first = credentials(&directory);
    for (path, mode) in [("", 0o700), ("credentials.json", 0o600), ("host.json", 0o600)] {
        let permissions = std::fs::metadata(directory.join(path)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{path}");
    }
    assert_eq!(first.base_url, format!("http://{}", host.address()));
    assert_eq!(first.aws_url, format!("http://{}", host.aws_address()));
    assert_eq!(first.organization_id, host.organization().to_string());
    let bytes = std::fs::read(directory.join("credentials.json")).unwrap();
    let fields: BTreeSet<_> =
        serde_json::from_slice::<Value>(&bytes).unwrap().as_object().unwrap().keys().cloned().collect();
    let expected = ["api_key", "aws_url", "base_url", "organization_id", "platform_key"].map(str::to_owned);
    assert_eq!(fields, BTreeSet::from(expected));

    // Both keys work, each for its own.
    let http = reqwest::Client::new();
    let create = http.post(format!("{}/v1/organizations", first.base_url)).json(&json!({"name": "n", "slug": "n"}));
    let status = async |key: &str| create.try_clone().unwrap().bearer_auth(key).send().await.unwrap().status().as_u16();
    assert_eq!((status(&first.api_key).await, status(&first.platform_key).await), (403, 201));

    let refused = Host::start(&options(&directory)).await.unwrap_err().to_string();
    assert!(refused.contains("another host is using"), "{refused}");
    host.stop().await.unwrap();

    let host = Host::start(&options(&directory)).await.unwrap();
    let second = credentials(&directory);
    let lasting = |of: &Credentials| [&of.platform_key, &of.organization_id, &of.api_key].map(String::clone);
    assert_eq!(lasting(&first), lasting(&second));
    assert_eq!(Client::new(&directory).get("/webhooks/endpoints").await.as_array().unwrap().len(), 1);
    host.stop().await.unwrap();
}

/// Calls the embedded SQS as a stranger does, without the SDK.
async fn sqs(client: &Client, operation: &str, input: &Value) -> Value {
    let request =
        client.http.post(&client.credentials.aws_url).header("X-Amz-Target", format!("AmazonSQS.{operation}"));
    let answer = request.json(input).send().await.unwrap().error_for_status().unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn without_triggers_what_is_published_stays_in_the_queue_that_sam_local_is_told_of() {
    let data = tempfile::tempdir().unwrap();
    let options = Options { in_memory: true, no_triggers: true, ..options(data.path()) };
    let host = Host::start(&options).await.unwrap();
    let client = Client::new(data.path());
    let (_, delivery) = client.publish("member.added").await;

    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("events/env.json")).unwrap();
    let settings = &serde_json::from_slice::<Value>(&file).unwrap()["Parameters"];
    let told = format!("http://host.docker.internal:{}", Options::default().aws_port);
    assert_eq!(text(&settings["AWS_ENDPOINT_URL"]), told);
    let [queue, slow] =
        ["QUEUE_URL", "SLOW_QUEUE_URL"].map(|name| text(&settings[name]).replace(&told, &client.credentials.aws_url));
    let nothing = sqs(&client, "ReceiveMessage", &json!({"QueueUrl": slow})).await;
    assert!(nothing["Messages"].is_null(), "it is there, and empty");
    let received = sqs(&client, "ReceiveMessage", &json!({"QueueUrl": queue})).await;
    assert!(text(&received["Messages"][0]["Body"]).contains(&delivery), "{received}");
    assert_eq!(client.status(&delivery).await, "pending");
    host.stop().await.unwrap();
}

/// Moves an endpoint of a host that is stopped to the slow lane.
async fn move_to_slow_lane(data: &Path, endpoint: &str) {
    let storage = Storage::Directory { path: data.to_owned(), durable: false };
    let aws = EmbeddedAws::open(&storage, "127.0.0.1:1", TestClock::new().engines()).unwrap();
    let store = Store::new(&aws.sdk_config(), "pigeonpost", Duration::from_secs(86_400));
    let organization = OrganizationId::parse(&credentials(data).organization_id).unwrap();
    let found = store.endpoint(&organization, EndpointId::parse(endpoint).unwrap()).await.unwrap().unwrap();
    let moved = Endpoint { lane: Lane::Slow, version: found.version + 1, ..found.clone() };
    store.change_endpoint(&found, &moved, TestClock::new().now()).await.unwrap();
    aws.flush().await.unwrap();
}

#[tokio::test]
async fn the_slow_lanes_messages_outlive_the_host_and_have_a_poller_of_their_own() {
    let data = tempfile::tempdir().unwrap();
    let without_triggers = Options { no_triggers: true, ..options(data.path()) };
    let host = Host::start(&without_triggers).await.unwrap();
    let receiver = Receiver::new().await;
    let endpoint = Client::new(data.path()).endpoint(&receiver, "slow.one").await;
    host.stop().await.unwrap();
    move_to_slow_lane(data.path(), &endpoint).await;

    let host = Host::start(&without_triggers).await.unwrap();
    let client = Client::new(data.path());
    let (_, delivery) = client.publish("slow.one").await;
    let queue = format!("{}/000000000000/deliveries-slow", client.credentials.aws_url);
    let wanted = json!({"QueueUrl": queue, "AttributeNames": ["ApproximateNumberOfMessages"]});
    let attributes = sqs(&client, "GetQueueAttributes", &wanted).await;
    assert_eq!(attributes["Attributes"]["ApproximateNumberOfMessages"], "1");
    host.stop().await.unwrap();

    let host = Host::start(&options(data.path())).await.unwrap();
    assert_eq!(host.restored(), 2, "this one, and the demo endpoint's in the fast lane");
    Client::new(data.path()).wait_for_status(&delivery, "success").await;
    receiver.only();
    host.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_waits_until_running_attempts_are_recorded() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&options(data.path())).await.unwrap();
    let client = Client::new(data.path());
    let gate = Gate::closed();
    let receiver = Receiver::always(Answer::status(200).behind(&gate)).await;
    client.endpoint(&receiver, "slow.one").await;
    let (_, delivery) = client.publish("slow.one").await;
    receiver.wait_for(1).await;
    let stopping = tokio::spawn(host.stop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stopping.is_finished(), "an attempt is under way");
    gate.open();
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap().unwrap();

    let host = Host::start(&options(data.path())).await.unwrap();
    assert_eq!(host.restored(), 0);
    assert_eq!(Client::new(data.path()).status(&delivery).await, "success");
    receiver.only();
    host.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_host_left_unfinished_is_delivered_after_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&options(data.path())).await.unwrap();
    let client = Client::new(data.path());
    let gate = Gate::closed();
    // Fewer than the poller handles batches at once, so that none has to wait for another's timeout.
    let hanging = Receiver::scripted((0..12).map(|_| Answer::status(200).behind(&gate))).await;
    let failing = Receiver::scripted([Answer::status(500)]).await;
    client.endpoint(&hanging, "hanging.one").await;
    client.endpoint(&failing, "failing.one").await;
    let mut expected = BTreeSet::new();
    for _ in 0..12 {
        expected.insert(client.publish("hanging.one").await.0);
    }
    hanging.wait_for(12).await;
    let (failed, retrying) = client.publish("failing.one").await;
    client.wait_for_status(&retrying, "retrying").await;
    drop(host); // nothing is finished, nothing recorded

    let host = Host::start(&options(data.path())).await.unwrap();
    // What was being attempted, what waited for its retry, and what the demo receiver may not have got.
    assert!((13..=26).contains(&host.restored()), "{}", host.restored());
    gate.open();
    let again = hanging.wait_for(24).await;
    let ids: BTreeSet<_> = again[12..].iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, expected, "repeated with the same id");
    let client = Client::new(data.path());
    client.wait_for_status(&retrying, "success").await;
    assert!(failing.received().iter().all(|request| request.header("webhook-id") == failed));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn the_host_listens_on_another_address_if_it_is_told_to() {
    let data = tempfile::tempdir().unwrap();
    let address = "127.0.0.2".parse().unwrap();
    let host = Host::start(&Options { in_memory: true, address, ..options(data.path()) }).await.unwrap();
    assert_eq!((host.address().ip(), host.aws_address().ip()), (address.into(), address.into()));
    let client = Client::new(data.path());
    let (_, delivery) = client.publish("member.added").await;
    client.wait_for_status(&delivery, "success").await;
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = std::net::TcpListener::bind(taken).unwrap();
    for (options, option) in [
        (Options { port: taken.port(), ..options(data.path()) }, "--port"),
        (Options { aws_port: taken.port(), ..options(data.path()) }, "--aws-port"),
    ] {
        let refused = Host::start(&options).await.unwrap_err().to_string();
        assert!(refused.contains(option) && refused.contains(&taken.port().to_string()), "{refused}");
    }
    drop(holder);
}
