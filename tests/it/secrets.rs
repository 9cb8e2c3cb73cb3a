//! Secrets never appear in logs, errors, messages, debug output or responses that read them back.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::endpoint::Endpoint as Stored;
use shared::domain::endpoint::circuit_breaker::Counters;
use shared::domain::endpoint::confidential::Fields;
use shared::domain::endpoint::health::Health;
use shared::domain::ids::{EndpointId, KeyId, OrganizationId};
use shared::domain::signing::secret::SigningSecret;
use shared::domain::tenancy::access::Role;
use shared::domain::tenancy::api_key::KeySecret;
use shared::domain::tenancy::rights::{Binding, Rights};
use shared::edge::Data;
use shared::queue::schema::MAX_RECEIVES;
use shared::wire::headers::HeaderValues;
use shared::wire::{body, endpoints, hooks, organizations, pages};
use tracing::Level;

use crate::support::{
    Answer, EVENT_TYPE, Fate, Gate, RawServer, Receiver, Reply, Tenant, World, capture, over_network, text,
};

/// All logs of this thread, at the most verbose level that a deployment allows.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(Level::DEBUG).with_writer(move || writer.clone());
        (log, capture(subscriber.finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Secrets, and texts that must not contain any of them.
#[derive(Default)]
struct Search {
    secrets: Vec<String>,
    texts: Vec<(&'static str, String)>,
}

impl Search {
    /// Generates a secret that the caller supplies.
    fn own(&mut self, name: &str) -> String {
        self.secret(&format!("{name}-{}", hex::encode(shared::clock::secret_bytes::<8>())))
    }

    fn secret(&mut self, secret: &str) -> String {
        // The prefix that all secrets share is removed, so a part of a secret is found too. The second half of an Ed25519 key
        // is public.
        let own = secret.trim_start_matches("whsec_").trim_start_matches("sk_live_");
        let own = own.strip_prefix("whsk_").map_or(own, |own| &own[..42]);
        assert!(own.len() >= 16, "{secret}");
        self.secrets.push(own.to_owned());
        secret.to_owned()
    }

    /// Adds a text that must not contain a secret.
    fn text(&mut self, location: &'static str, text: impl Into<String>) {
        self.texts.push((location, text.into()));
    }

    fn error(&mut self, reply: &Reply) {
        assert!(reply.status >= 400, "{}", reply.body);
        self.text("error", format!("{:?} {}", reply.headers, reply.body));
    }

    fn found(&self) -> Vec<String> {
        let pairs = self.texts.iter().flat_map(|text| self.secrets.iter().map(move |secret| (text, secret)));
        let found = pairs.filter_map(|((location, text), secret)| {
            let line = text.lines().find(|line| line.contains(secret.as_str()))?;
            Some(format!("{secret} in {location}: {line}"))
        });
        found.collect()
    }
}

/// Issues keys of every role, rotates one, revokes one, and returns all of them.
async fn issue_keys(tenant: &Tenant, search: &mut Search) {
    for role in ["owner", "admin", "member", "publisher"] {
        let issued = tenant.post("/api-keys", &json!({"name": role, "role": role})).await.data(201);
        search.secret(text(&issued["revealed_key"]));
        let path = format!("/api-keys/{}", text(&issued["id"]));
        let rotated = tenant.post(&format!("{path}/rotations"), &json!({})).await.data(201);
        search.secret(text(&rotated["revealed_key"]));
        tenant.delete(&path).await.data(200);
        let key = search.own("not-a-key");
        search.error(&tenant.with_key(&key).get("/api-keys").await);
    }
}

/// Creates an endpoint at each URL with a supplied secret, headers and a token in the URL, and rotates its secret.
async fn make_endpoints(tenant: &Tenant, urls: &[String], search: &mut Search) {
    for url in urls {
        let url = format!("{url}?token={}", search.own("url"));
        let header = format!("Bearer {}", search.own("header"));
        let fields = json!({"url": url, "secret": search.own("brought"), "headers": {"Authorization": header},
            "event_types": [EVENT_TYPE], "timeout_seconds": 1, "retry_schedule": [1]});
        let endpoint = tenant.endpoint_with(fields).await;
        let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), &json!({})).await.data(200);
        search.secret(text(&rotated["signing_secret"]));
        let supplied = SigningSecret::generate_ed25519(shared::clock::secret_bytes());
        let supplied = search.secret(supplied.reveal().unwrap());
        for fields in [json!({"signing_algorithm": "ed25519"}), json!({"secret": supplied})] {
            let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), &fields).await.data(200);
            rotated["signing_secret"].as_str().map(|secret| search.secret(secret));
        }
        let shown = tenant.get(&format!("{}/secret", endpoint.path())).await.data(200);
        assert_eq!(shown["secrets"].as_array().unwrap().len(), 4);
        tenant.patch(&endpoint.path(), &json!({"headers": {"X-Api-Key": search.own("header")}})).await.data(200);
    }
}

/// Creates an endpoint with a generated secret in every dialect.
async fn speak_every_dialect(tenant: &Tenant, url: &str, search: &mut Search) {
    let url = format!("{url}?token={}", search.own("url"));
    for (path, body) in [
        ("/webhooks/endpoints", json!({"name": "n", "url": url, "event_types": ["delivery.*", "webhook.*"]})),
        ("/webhooks", json!({"url": url, "events": ["*"]})),
        ("/v1/endpoints", json!({"name": "n", "url": url, "headers_json": {"x-token": search.own("header")}})),
        ("/v1/webhook-endpoints", json!({"name": "n", "url": url, "events": ["*"]})),
    ] {
        let made = tenant.post(path, &body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let shown = [&made.body["data"]["signing_secret"], &made.body["secret"]];
        search.secret(shown.into_iter().find_map(Value::as_str).unwrap());
    }
}

/// Sends invalid requests with secrets in all fields that can contain one.
async fn provoke_errors(tenant: &Tenant, search: &mut Search) {
    let good = json!({"name": "n", "url": "http://127.0.0.1/", "event_types": ["*"]});
    let broken = [
        json!({"secret": [search.own("list")]}),
        json!({"secret": format!("{}\n", search.own("control"))}),
        json!({"secret": search.own("long").repeat(20)}),
        json!({"headers": search.own("text")}),
        json!({"headers": {"x": format!("{}\r\n", search.own("value"))}}),
        json!({"headers": {"Host": search.own("host")}}),
        json!({"headers": {"x": {"y": search.own("nested")}}}),
        json!({"url": format!("http://user:{}@127.0.0.1/", search.own("password"))}),
        json!({"url": format!("ftp://127.0.0.1/{}", search.own("path"))}),
        json!({"url": format!("http://10.0.0.1/{}", search.own("path"))}),
        json!({"secrte": search.own("misspelt")}),
        json!({"timeout_seconds": search.own("misplaced")}),
        json!({"status": search.own("misplaced")}),
        json!({"retry_schedule": [search.own("misplaced")]}),
    ];
    let foreign = SigningSecret::generate_ed25519(shared::clock::secret_bytes()).public_key().unwrap();
    let seed = SigningSecret::generate_ed25519(shared::clock::secret_bytes());
    let seed = search.secret(seed.reveal().unwrap());
    let mismatched = format!("{}{}", &seed[..48], &foreign.to_string()[5..]);
    let whsk = format!("whsk_{}", search.own("malformed"));
    let broken = broken.into_iter().chain([mismatched, whsk].map(|secret| json!({"secret": secret})));
    for fields in broken {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        search.error(&tenant.post("/webhooks/endpoints", &body).await);
        search.error(&tenant.patch("/webhooks/endpoints/we_550e8400e29b41d4a716446655440000", &fields).await);
    }
    for broken in ["{\"secret\": \"SECRET", "{\"secret\": SECRET}", "\"SECRET\"", "[\"SECRET\"]", "SECRET"] {
        let body = broken.replace("SECRET", &search.own("syntax"));
        search.error(&tenant.call(Method::POST, "/webhooks/endpoints", &[], Some(body)).await);
    }
}

/// URLs of receivers that fail in different ways, and the receivers, which keep running until they are dropped.
async fn failing_receivers() -> (Vec<String>, Vec<RawServer>, Vec<Receiver>) {
    let raw = vec![
        RawServer::answering("garbage\r\n\r\n", false).await,
        RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", true).await,
    ];
    let receivers = vec![
        Receiver::new().await,
        Receiver::always(Answer::status(500)).await,
        Receiver::always(Answer::status(410)).await,
        Receiver::always(Answer::status(200).behind(&Gate::closed())).await,
    ];
    let mut urls: Vec<_> = raw.iter().map(RawServer::url).chain(receivers.iter().map(Receiver::url)).collect();
    // These URLs are: a server without TLS, a name that is refused because it also resolves to ::1, an invalid name,
    // and a port without a server.
    urls.push(receivers[0].url().replace("http:", "https:"));
    urls.push(format!("http://{}.example/", "label-of-more-than-63-characters".repeat(3)));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    urls.push(format!("http://{nobody}/"));
    (urls, raw, receivers)
}

#[tokio::test]
async fn no_secret_is_in_logs_errors_messages_or_debug_output_after_a_full_run() {
    let (log, _logging) = Log::start();
    let mut search = Search::default();
    let world = World::new().await;
    let tenant = world.tenant().await;
    search.secret(&world.platform().key);
    search.secret(&tenant.key);
    let (urls, _raw, receivers) = failing_receivers().await;
    issue_keys(&tenant, &mut search).await;
    make_endpoints(&tenant, &urls, &mut search).await;
    speak_every_dialect(&tenant, &receivers[0].url(), &mut search).await;
    provoke_errors(&tenant, &mut search).await;

    // Every endpoint gets the published event, and those that subscribe to operational events get the results.
    tenant.publish().await;
    for _ in 0..3 {
        for message in world.take_messages().await {
            search.text("message", message);
        }
        // The messages become visible again.
        world.advance(Duration::from_secs(361));
        world.drain().await;
        world.sweep().await;
    }

    // DynamoDB and SQS fail for callers and for the consumer until the messages are dead letters.
    let is_dynamodb = |operation: &str| ["Item", "Statement"].iter().any(|it| operation.contains(it));
    let dynamodb_fails = move |operation: &str| if is_dynamodb(operation) { Fate::Refuse } else { Fate::Pass };
    let broken = world.process_over(&over_network(&world.sdk(), dynamodb_fails), world.clock.clock());
    let (secret, header) = (search.own("brought"), search.own("header"));
    let fields = json!({"name": "n", "url": "http://127.0.0.1/", "event_types": ["*"], "secret": secret,
        "headers": {"authorization": header}});
    search.error(&tenant.at(&broken).post("/webhooks/endpoints", &fields).await);
    for operation in ["PutItem", "BatchWriteItem", "SendMessageBatch", "TransactWriteItems"] {
        let failing = over_network(&world.sdk(), move |name| if name == operation { Fate::Refuse } else { Fate::Pass });
        let failing = tenant.at(&world.process_over(&failing, world.clock.clock()));
        let answers = [
            failing.post("/webhooks/endpoints", &fields).await,
            failing.post("/api-keys", &json!({"name": "n"})).await,
            failing.post("/events", &json!({"type": "a.b", "data": {}})).await,
        ];
        for answer in answers.iter().filter(|answer| answer.status >= 400) {
            search.error(answer);
        }
    }
    world.purge().await;
    tenant.publish().await;
    while broken.poll().await > 0 {}
    world.advance(Duration::from_secs(361));
    world.receive_in_vain(MAX_RECEIVES).await;
    while broken.poll().await > 0 {}
    let dead_letters = world.take_dead_letters().await;
    assert!(!dead_letters.is_empty());
    for message in dead_letters {
        search.text("message", message);
    }

    let administrator = &world.process.administrator;
    search.text("debug", format!("{administrator:?} {:?}", world.process.deliverer));
    let organization = OrganizationId::parse(&tenant.id).unwrap();
    for endpoint in &*administrator.list_endpoints(&organization, &Binding::default()).await.unwrap() {
        search.text("debug", format!("{endpoint:?} {}", outgoing(endpoint)));
    }
    search.text("debug", incoming(&fields));
    let logged = log.text();
    for expected in ["\"DEBUG\"", "request", "attempt failed", "unavailable", "a batch could not be loaded"] {
        assert!(logged.contains(expected), "{expected}");
    }
    for cause in ["timeout", "dns", "connect", "tls", "http_status", "invalid_response"] {
        assert!(logged.contains(&format!("\"cause\":\"{cause}\"")), "{cause}");
    }
    search.text("log", logged);
    let size = (search.secrets.len(), search.texts.len());
    assert!(size.0 > 70 && size.1 > 70, "{size:?}");
    assert_eq!(search.found(), [""; 0]);
    // The search would find a secret.
    let planted = search.secrets[0].clone();
    search.text("log", format!("a line\nand {planted} in another"));
    assert_eq!(search.found().len(), 1);
}

/// Responses that contain a secret, in the format of debug logs.
fn outgoing(endpoint: &Stored) -> String {
    let health = Health::of(endpoint, &Counters::default(), Clock::system().now());
    let shown = organizations::EndpointOut::new(endpoint, &health, HeaderValues::Shown).revealing(endpoint);
    let others = (
        organizations::SecretsOut::new(endpoint.id, &endpoint.secrets, endpoint.created_at),
        hooks::HookOut::from(endpoint).revealing(endpoint),
        endpoints::EndpointOut::new(endpoint, HeaderValues::Shown).revealing(endpoint),
        pages::EndpointOut::from(endpoint).revealing(endpoint),
    );
    let id = endpoint.id.to_string();
    let printed = format!("{:?} {others:?}", Data::created(shown));
    assert!(printed.contains(&id), "{printed}");
    printed
}

/// Request bodies that contain a secret, in the format of debug logs.
fn incoming(fields: &Value) -> String {
    let body = fields.to_string();
    let new = body::parse::<organizations::EndpointIn>(body.as_bytes()).unwrap();
    let patch = body::parse::<organizations::EndpointPatchIn>(body.as_bytes()).unwrap();
    let other = body::parse::<endpoints::EndpointIn>(body.as_bytes()).unwrap();
    let other_patch = body::parse::<endpoints::EndpointPatchIn>(body.as_bytes()).unwrap();
    let rotation = body::parse::<organizations::RotationIn>(body.as_bytes()).unwrap();
    format!("{new:?} {patch:?} {other:?} {other_patch:?} {rotation:?}")
}

#[tokio::test]
async fn an_unreadable_item_is_logged_without_its_values() {
    let (log, _logging) = Log::start();
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let stored = world.items("endpoint").await.remove(0);
    for attribute in ["headers", "event_types", "secrets"] {
        let mut item = stored.clone();
        assert!(item.contains_key("secrets") && item.contains_key("event_types"), "{item:?}");
        let wrong = match attribute {
            "secrets" => AttributeValue::L(vec![AttributeValue::S("a credential".to_owned())]),
            _ => AttributeValue::S("a \"quoted\" credential".to_owned()),
        };
        item.insert(attribute.to_owned(), wrong);
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
        let process = world.another_process();
        let answer = tenant.at(&process).get(&endpoint.path()).await;
        answer.is_error(500, "internal");
        assert!(!answer.body.to_string().contains("credential"));
    }
    let logged = log.text();
    assert_eq!(logged.matches("unreadable item").count(), 3, "{logged}");
    assert!(!logged.contains("credential"), "{logged}");
}

#[test]
fn a_new_key_is_in_its_response_and_in_no_debug_output() {
    let secret = KeySecret::generate(&[7; 64]);
    let now = shared::domain::time::Timestamp::from_unix_seconds(1_774_382_400);
    let key = shared::domain::tenancy::api_key::ApiKey {
        id: KeyId::new(now, [1; 8]),
        hash: secret.hash(),
        organization: OrganizationId::new(now, [2; 8]),
        name: shared::domain::text::Name::parse("n").unwrap(),
        rights: Rights::of_role(Role::Owner),
        preview: secret.preview(),
        status: shared::domain::tenancy::api_key::KeyStatus::Active,
        created_at: now,
        last_used_at: None,
    };
    let out = organizations::ApiKeyOut::new(&key, now).revealing(secret.reveal());
    assert!(!format!("{out:?} {secret:?} {key:?}").contains(secret.reveal()));
    assert_eq!(serde_json::to_value(&out).unwrap()["revealed_key"], secret.reveal());
}

#[tokio::test]
async fn stored_secrets_are_in_no_debug_output() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), &json!({})).await.data(200);
    tenant.publish().await;
    world.drain().await;

    let organization = OrganizationId::parse(&tenant.id).unwrap();
    let stored =
        world.process.administrator.endpoint(&organization, EndpointId::parse(&endpoint.id).unwrap()).await.unwrap();
    let stored = world.process.administrator.readable(stored, Fields::All).await.unwrap();
    let signing = stored.secrets.signing_at(world.clock.now());
    let signing: Vec<_> = signing.iter().map(|key| key.secret.reveal().unwrap()).collect();
    assert_eq!(signing, [text(&rotated["signing_secret"]), &endpoint.secret], "the stored item contains both secrets");
    // The caches of the processes contain the items that they read.
    let printed = format!("{stored:?} {:?} {:?}", world.process.administrator, world.process.deliverer);
    assert!(printed.contains(&endpoint.id));
    for secret in [&endpoint.secret, text(&rotated["signing_secret"]), &tenant.key, &world.platform().key] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn a_signing_secret_is_shown_once_and_only_the_hash_of_a_key_is_stored() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    assert!(endpoint.secret.starts_with("whsec_"));
    let list = tenant.get("/webhooks/endpoints").await.data(200);
    for shown in [tenant.read_endpoint(&endpoint).await, list[0].clone()] {
        assert!(shown["signing_secret"].is_null(), "{shown}");
    }
    let supplied = tenant.endpoint_with(json!({"url": receiver.url(), "secret": "a secret of their own"})).await;
    assert_eq!(supplied.secret, "", "a supplied secret is not returned");

    let keys = tenant.get("/api-keys").await.data(200);
    assert!(!keys.to_string().contains(&tenant.key));
    let scanned = world.dynamodb().scan().table_name(world.table()).send().await.unwrap();
    let holds_key = |value: &AttributeValue| value.as_s().is_ok_and(|text| text.contains(&tenant.key));
    assert!(scanned.items().len() > 3);
    assert!(!scanned.items().iter().any(|item| item.values().any(holds_key)));
}
