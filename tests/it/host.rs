//! The local host as `cargo run` starts it, with real ports, real time and a data directory that survives it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use pigeonpost::aws::{EmbeddedAws, Storage};
use pigeonpost::{Credentials, Host, Options};
use serde_json::{Value, json};
use shared::domain::endpoint::Endpoint;
use shared::domain::endpoint::lane::Lane;
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::store::Store;

use crate::support::{Answer, Gate, PATIENCE, Receiver, TestClock, eventually, text};

fn options(data: &Path) -> Options {
    Options { port: 0, aws_port: 0, data: data.to_owned(), ..Options::default() }
}

fn credentials(data: &Path) -> Credentials {
    serde_json::from_slice(&std::fs::read(data.join(Credentials::FILE)).unwrap()).unwrap()
}

/// A client with the credentials of the host's demo organization.
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

    /// Creates an endpoint for one event type and returns its id. The demo receiver's endpoint gets the events too.
    async fn endpoint(&self, receiver: &Receiver, event_type: &str) -> String {
        let endpoint = json!({"name": "Receiver", "url": receiver.url(), "event_types": [event_type]});
        text(&self.post("/webhooks/endpoints", &endpoint).await["id"]).to_owned()
    }

    /// Publishes an event. Returns its id and that of the delivery to the newest endpoint.
    async fn publish(&self, event_type: &str) -> (String, String) {
        let event = self.post("/events", &json!({"type": event_type, "data": {}})).await;
        let delivery = event["webhook_deliveries"].as_array().unwrap().last().unwrap();
        (text(&event["id"]).to_owned(), text(&delivery["id"]).to_owned())
    }

    async fn status(&self, delivery: &str) -> String {
        text(&self.get(&format!("/webhooks/deliveries/{delivery}")).await["status"]).to_owned()
    }

    async fn wait_for_status(&self, delivery: &str, status: &str) {
        eventually("the delivery has the status", async || self.status(delivery).await == status).await;
    }
}

#[tokio::test]
async fn a_receiver_that_fails_twice_gets_retries_after_one_and_five_seconds() {
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
        // The upper bound allows for a busy machine. It is about one second otherwise.
        assert!((delay..delay + Duration::from_secs(8)).contains(gap), "{gaps:?}");
    }
    assert!(requests.iter().all(|request| request.header("webhook-id") == event));
    client.wait_for_status(&delivery, "success").await;
    host.stop().await.unwrap();
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn receivers_that_do_not_respond_do_not_delay_others() {
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
    // These are more deliveries than the host attempts concurrently, and none of them gets a response.
    hanging.wait_for(300).await;
    let (_, delivery) = client.publish("quick.one").await;
    client.wait_for_status(&delivery, "success").await;
    healthy.only();
    assert_eq!(hanging.received().len(), 300, "no delivery was retried, so no attempt has timed out");
    gate.open();
    host.stop().await.unwrap();
}

#[tokio::test]
async fn the_demo_receiver_shows_the_first_delivery() {
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
async fn only_the_owner_can_read_the_credentials_and_restarts_keep_them() {
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

    // Both the platform's key and the organization's key work.
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

/// Calls the embedded SQS without the SDK, as another program does.
async fn sqs(client: &Client, operation: &str, input: &Value) -> Value {
    aws(client, &format!("AmazonSQS.{operation}"), input).await
}

async fn aws(client: &Client, target: &str, input: &Value) -> Value {
    let request = client.http.post(&client.credentials.aws_url).header("X-Amz-Target", target);
    let answer = request.json(input).send().await.unwrap().error_for_status().unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn messages_of_the_ingest_queue_and_events_of_the_bus_are_published() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    let host = Host::start(&Options { in_memory: true, ..options(data.path()) }).await.unwrap();
    let client = Client::new(data.path());
    client.endpoint(&receiver, "order.*").await;
    let organization = &client.credentials.organization_id;
    let queue = format!("{}/000000000000/ingest", client.credentials.aws_url);
    let message = json!({"organization": organization, "type": "order.queued", "data": {"n": 1}}).to_string();
    sqs(&client, "SendMessage", &json!({"QueueUrl": queue, "MessageBody": message})).await;
    receiver.wait_for(1).await;
    let entry = json!({"Source": "s", "DetailType": "order.put", "Detail": "{\"n\": 2}", "Resources": [organization]});
    let put = aws(&client, "AWSEvents.PutEvents", &json!({"Entries": [entry]})).await;
    assert_eq!(put["FailedEntryCount"], 0, "{put}");
    let received = receiver.wait_for(2).await;
    let types: Vec<_> = received.iter().map(|request| request.header("x-webhook-event")).collect();
    assert_eq!(types, ["order.queued", "order.put"]);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn without_triggers_messages_stay_in_the_queues_of_the_sam_local_settings() {
    let data = tempfile::tempdir().unwrap();
    let options = Options { in_memory: true, no_triggers: true, ..options(data.path()) };
    let host = Host::start(&options).await.unwrap();
    let client = Client::new(data.path());
    let (_, delivery) = client.publish("member.added").await;

    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("events/env.json")).unwrap();
    let settings = &serde_json::from_slice::<Value>(&file).unwrap()["Parameters"];
    let base_url = format!("http://host.docker.internal:{}", Options::default().aws_port);
    assert_eq!(text(&settings["AWS_ENDPOINT_URL"]), base_url);
    let [queue, slow] = ["QUEUE_URL", "SLOW_QUEUE_URL"]
        .map(|name| text(&settings[name]).replace(&base_url, &client.credentials.aws_url));
    let nothing = sqs(&client, "ReceiveMessage", &json!({"QueueUrl": slow})).await;
    assert!(nothing["Messages"].is_null(), "the slow lane's queue exists and is empty");
    let received = sqs(&client, "ReceiveMessage", &json!({"QueueUrl": queue})).await;
    assert!(text(&received["Messages"][0]["Body"]).contains(&delivery), "{received}");
    assert_eq!(client.status(&delivery).await, "pending");
    host.stop().await.unwrap();
}

/// Moves an endpoint of a stopped host to the slow lane.
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
async fn messages_of_the_slow_lane_survive_the_host_and_are_delivered_after_a_restart() {
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
    assert_eq!(host.restored(), 2, "this message, and the demo endpoint's in the fast lane");
    Client::new(data.path()).wait_for_status(&delivery, "success").await;
    receiver.only();
    host.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_waits_until_attempts_in_progress_are_recorded() {
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
    assert!(!stopping.is_finished(), "an attempt is in progress");
    gate.open();
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap().unwrap();

    let host = Host::start(&options(data.path())).await.unwrap();
    assert_eq!(host.restored(), 0);
    assert_eq!(Client::new(data.path()).status(&delivery).await, "success");
    receiver.only();
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopping_host_does_not_do_the_next_step_of_a_job() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&options(data.path())).await.unwrap();
    let client = Client::new(data.path());
    let receiver = Receiver::new().await;
    let endpoint = client.endpoint(&receiver, "held.one").await;
    let set_status = async |status: &str| {
        let path = client.url(&format!("/webhooks/endpoints/{endpoint}"));
        client.send(client.http.patch(path).json(&json!({"status": status}))).await;
    };
    set_status("paused").await;
    for _ in 0..2 {
        let events = json!({"events": vec![json!({"type": "held.one", "data": {}}); 65]});
        client.post("/events/batch", &events).await;
    }
    // The request releases ten deliveries, the first step of the job a hundred, the next one the rest.
    set_status("active").await;
    receiver.wait_for(10).await;
    host.stop().await.unwrap();

    let host = Host::start(&options(data.path())).await.unwrap();
    receiver.wait_for(11).await;
    host.stop().await.unwrap();

    let host = Host::start(&Options { no_triggers: true, ..options(data.path()) }).await.unwrap();
    let jobs = Client::new(data.path()).get("/jobs").await;
    assert_eq!((&jobs[0]["kind"], &jobs[0]["deliveries"]), (&json!("release"), &json!(110)), "{jobs}");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_whose_demo_organization_was_deleted_makes_another() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&options(data.path())).await.unwrap();
    let client = Client::new(data.path());
    let delete = client.http.delete(format!("{}?force=true", client.url("")));
    let deleted = delete.bearer_auth(&client.credentials.platform_key).send().await.unwrap();
    assert_eq!(deleted.status(), 202);
    host.stop().await.unwrap();

    let host = Host::start(&options(data.path())).await.unwrap();
    let other = Client::new(data.path());
    assert_eq!(other.credentials.platform_key, client.credentials.platform_key);
    assert_ne!(other.credentials.organization_id, client.credentials.organization_id);
    let (_, delivery) = other.publish("member.added").await;
    other.wait_for_status(&delivery, "success").await;
    host.stop().await.unwrap();
}

#[tokio::test]
async fn deliveries_of_a_killed_host_are_made_after_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&options(data.path())).await.unwrap();
    let client = Client::new(data.path());
    let gate = Gate::closed();
    // These are fewer than the batches that the poller processes concurrently, so no batch waits for another's timeout.
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
    drop(host); // no attempt is completed or recorded

    let host = Host::start(&options(data.path())).await.unwrap();
    // The messages of attempts in progress and of the waiting retry, and those that the demo receiver may not have got.
    assert!((13..=26).contains(&host.restored()), "{}", host.restored());
    gate.open();
    let again = hanging.wait_for(24).await;
    let ids: BTreeSet<_> = again[12..].iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, expected, "the attempts are repeated with the same ids");
    let client = Client::new(data.path());
    client.wait_for_status(&retrying, "success").await;
    assert!(failing.received().iter().all(|request| request.header("webhook-id") == failed));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn the_host_listens_on_the_address_of_the_option() {
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
async fn an_error_for_a_port_in_use_contains_the_port_and_its_option() {
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

#[tokio::test]
async fn both_ports_answer_only_the_names_of_the_machine() {
    let data = tempfile::tempdir().unwrap();
    let names = vec!["pigeonpost.test".to_owned()];
    let host = Host::start(&Options { in_memory: true, names, ..options(data.path()) }).await.unwrap();
    let client = Client::new(data.path());
    for address in [host.address(), host.aws_address()] {
        let port = address.port();
        for (name, is_own) in [
            (address.to_string(), true),
            (format!("localhost:{port}"), true),
            (format!("host.docker.internal:{port}"), true),
            (format!("pigeonpost.test:{port}"), true),
            (format!("evil.example:{port}"), false),
            ("evil.example".to_owned(), false),
            (format!("127.0.0.1.evil.example:{port}"), false),
        ] {
            let list =
                client.http.post(format!("http://{address}/")).header("x-amz-target", "DynamoDB_20120810.ListTables");
            let paths = ["", "healthz", "portal", "demo/receiver"]
                .map(|path| client.http.get(format!("http://{address}/{path}")));
            for request in paths.into_iter().chain([list.body("{}")]) {
                let answer = request.header("host", &name).send().await.unwrap();
                assert_eq!(answer.status() != 421, is_own, "{name}: {}", answer.url());
            }
        }
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn the_first_page_signs_in_only_a_person_who_opens_it() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(&Options { in_memory: true, ..options(data.path()) }).await.unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (header, value, leads_to) in [
        ("accept", "text/html", "/portal/sign-in?token="),
        ("sec-fetch-mode", "navigate", "/portal/sign-in?token="),
        ("sec-fetch-mode", "no-cors", "/docs"),
        ("sec-purpose", "prefetch;prerender", "/docs"),
    ] {
        let answer = client.get(format!("http://{}/", host.address())).header(header, value).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(leads_to), "{header}: {value} leads to {location}");
    }
    host.stop().await.unwrap();
}
