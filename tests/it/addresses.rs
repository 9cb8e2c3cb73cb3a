//! No delivery reaches a forbidden address, whether the URL has a literal address, a name, a redirect or a proxy.

use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::process::{self, Command, Stdio};
use std::sync::{Arc, Mutex};

use pigeonpost::Credentials;
use serde_json::{Value, json};
use shared::sender::Lookup;

use crate::support::{Answer, Endpoint, PATIENCE, Process, RawServer, Receiver, Step, Tenant, World, eventually, text};

/// 127.0.0.1 and addresses that lead to it, in the spellings that URLs allow.
const LOOPBACK: [&str; 28] = [
    "127.0.0.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "000177.000.000.001",
    "127.1",
    "127.0.1",
    "127.65535",
    "0",
    "0.0.0.0",
    "%31%32%37.0.0.1",
    "127.0.0.%31",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
];
/// Texts that resemble an address and are invalid.
const NO_ADDRESS: [&str; 8] = [
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1",
    "[127.0.0.1]",
    "4294967296",
    "127.0.0.256",
    "127.0.0.1.1",
    "0x100000000",
];
const EVERYWHERE: (&str, &str) = ("ALLOWED_NETWORKS", "0.0.0.0/0, ::/0");
const NOWHERE: (&str, &str) = ("ALLOWED_NETWORKS", "");

#[tokio::test]
async fn creating_an_endpoint_at_a_private_address_is_refused_in_every_spelling_and_dialect() {
    let world = World::with(&[NOWHERE]).await;
    let tenant = world.tenant().await;
    for host in LOOPBACK.iter().chain(&NO_ADDRESS).chain(&["169.254.169.254", "169.254.100.1", "10.0.0.1", "[fd00::1]"])
    {
        let url = format!("http://{host}:9001/");
        for (path, body) in [
            ("/webhooks/endpoints", json!({"name": "n", "url": url, "event_types": ["*"]})),
            ("/webhooks", json!({"url": url, "events": ["*"]})),
            ("/v1/endpoints", json!({"name": "n", "url": url})),
            ("/v1/webhook-endpoints", json!({"name": "n", "url": url, "events": ["*"]})),
        ] {
            let refused = tenant.post(path, &body).await;
            refused.is_error(400, "validation_failed");
            assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], "url", "{host}");
        }
    }
    assert_eq!(tenant.get("/webhooks/endpoints").await.data(200), json!([]));
}

#[tokio::test]
async fn an_attempt_at_an_address_that_is_no_longer_allowed_is_refused_in_every_spelling() {
    let world = World::with(&[EVERYWHERE]).await;
    let tenant = world.tenant().await;
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let allowed = tenant.deliver_to(&world, &server.url(), 30).await;
    assert_eq!((text(&allowed["status"]), server.connections()), ("success", 1));
    for host in LOOPBACK {
        tenant.endpoint_with(json!({"url": format!("http://{host}:{}/", server.port())})).await;
    }
    let deliveries = tenant.publish().await;
    assert_eq!(deliveries.len(), LOOPBACK.len());
    world.process_with(&[NOWHERE]).drain().await;
    for (id, host) in deliveries.iter().zip(LOOPBACK) {
        assert_eq!(outcome(&tenant.delivery(id).await), json!(["failed", "refused_address", 1]), "{host}");
    }
    assert_eq!(server.connections(), 1);
}

/// The status, the cause and the number of attempts.
fn outcome(delivery: &Value) -> Value {
    json!(["status", "error", "attempts"].map(|name| &delivery[name]))
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_after_its_lookup() {
    let world = World::with(&[NOWHERE]).await;
    let tenant = world.tenant().await;
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    for host in ["localhost", "LOCALHOST", "%6cocalhost", "ｌｏｃａｌｈｏｓｔ"] {
        let delivery = tenant.deliver_to(&world, &format!("http://{host}:{}/", server.port()), 30).await;
        assert_eq!(outcome(&delivery), json!(["failed", "refused_address", 1]), "{host}");
    }
    assert_eq!(server.connections(), 0);
}

/// A world that allows 127.0.0.1 and no other private address, and an endpoint whose URL has a name.
struct Named {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
}

impl Named {
    async fn new(server: &RawServer, timeout_seconds: u8) -> Self {
        let world = World::with(&[("ALLOWED_NETWORKS", "127.0.0.1/32")]).await;
        let tenant = world.tenant().await;
        let url = format!("http://hooks.example:{}/", server.port());
        let endpoint = tenant.endpoint_with(json!({"url": url, "timeout_seconds": timeout_seconds})).await;
        Self { world, tenant, endpoint }
    }

    /// Publishes an event and delivers it in this process.
    async fn deliver(&self, process: &Process) -> Value {
        let id = self.tenant.publish_one().await;
        process.drain().await;
        let delivery = self.tenant.delivery(&id).await;
        assert_eq!(delivery["endpoint_id"], self.endpoint.id);
        outcome(&delivery)
    }
}

/// Creates a process whose lookups return these answers in turn and then always the last one. The second value lists
/// the names that it looked up.
fn names_lead(world: &World, answers: &[&[&str]]) -> (Process, Arc<Mutex<Vec<String>>>) {
    let answers: Vec<Vec<IpAddr>> =
        answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    let looked_up = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&looked_up);
    let lookup = Lookup::from_fn(move |name| {
        let mut seen = seen.lock().unwrap();
        let answer = answers[seen.len().min(answers.len() - 1)].clone();
        seen.push(name);
        async move { Ok(answer) }
    });
    (world.process_looking_up(lookup), looked_up)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_name_is_refused_if_any_of_its_addresses_is_refused() {
    let server = RawServer::answering(OK, false).await;
    assert_eq!(server.ip().to_string(), "127.0.0.1");
    let named = Named::new(&server, 30).await;
    for (answer, expected) in [
        (&["127.0.0.1", "10.0.0.1"][..], json!(["failed", "refused_address", 1])),
        (&["10.0.0.1", "127.0.0.1"], json!(["failed", "refused_address", 1])),
        (&["127.0.0.1", "8.8.8.8", "::1"], json!(["failed", "refused_address", 1])),
        (&["127.0.0.1", "::ffff:127.0.0.1"], json!(["failed", "refused_address", 1])),
        (&[], json!(["retrying", "dns", 1])),
    ] {
        let (process, looked_up) = names_lead(&named.world, &[answer]);
        assert_eq!(named.deliver(&process).await, expected, "{answer:?}");
        assert_eq!(*looked_up.lock().unwrap(), ["hooks.example"]);
    }
    assert_eq!(server.connections(), 0);
    // The lookup itself works: an answer with allowed addresses is accepted.
    let (process, _) = names_lead(&named.world, &[&["127.0.0.1", "127.0.0.1"]]);
    assert_eq!(named.deliver(&process).await, json!(["success", null, 1]));
}

#[tokio::test]
async fn a_name_whose_addresses_change_is_looked_up_once_for_each_connection() {
    let server = RawServer::answering(OK, false).await;
    let named = Named::new(&server, 30).await;
    let (process, looked_up) = names_lead(&named.world, &[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1"]]);
    assert_eq!(named.deliver(&process).await, json!(["success", null, 1]));
    assert_eq!((looked_up.lock().unwrap().len(), server.connections()), (1, 1));
    assert_eq!(named.deliver(&process).await, json!(["failed", "refused_address", 1]));
    assert_eq!((looked_up.lock().unwrap().len(), server.connections()), (2, 1));
    assert_eq!(named.deliver(&process).await, json!(["success", null, 1]));
    assert_eq!((looked_up.lock().unwrap().len(), server.connections()), (3, 2));
}

#[tokio::test]
async fn a_reused_connection_stays_with_the_address_that_was_checked() {
    let receiver = Receiver::new().await;
    let world = World::with(&[("ALLOWED_NETWORKS", "127.0.0.1/32")]).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": format!("http://hooks.example:{}/", receiver.port())})).await;
    let (process, looked_up) = names_lead(&world, &[&["127.0.0.1"], &["10.0.0.1"]]);
    for _ in 0..2 {
        let id = tenant.publish_one().await;
        process.drain().await;
        assert_eq!(tenant.delivery_status(&id).await, "success");
    }
    assert_eq!((receiver.received().len(), looked_up.lock().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn a_lookup_that_fails_or_does_not_end_is_a_failed_attempt() {
    let server = RawServer::answering(OK, false).await;
    let named = Named::new(&server, 1).await;
    let hangs = Lookup::from_fn(async |_| pending().await);
    let process = named.world.process_looking_up(hangs);
    assert_eq!(named.deliver(&process).await, json!(["retrying", "timeout", 1]));
    let fails = Lookup::from_fn(async |_| Err(io::Error::other("no such name")));
    let process = named.world.process_looking_up(fails);
    assert_eq!(named.deliver(&process).await, json!(["retrying", "dns", 1]));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let elsewhere = Receiver::new().await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for location in [elsewhere.url(), "http://10.0.0.1/".to_owned(), "/elsewhere".to_owned()] {
            let receiver = Receiver::always(Answer::status(status).header("location", &location)).await;
            let delivery = tenant.deliver_to(&world, &receiver.url(), 30).await;
            assert_eq!(outcome(&delivery), json!(["exhausted", "http_status", 1]), "{status} {location}");
            assert_eq!(delivery["response_status"], status);
            assert_eq!(receiver.only().path, "/hook");
        }
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    let proxy = RawServer::new([Step::Hang]).await;
    let mut host = Command::new(env!("CARGO_BIN_EXE_pigeonpost"));
    host.args(["--in-memory", "--port", "0", "--aws-port", "0", "--data"]).arg(data.path());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        host.env(name, proxy.url()).env(name.to_lowercase(), proxy.url());
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        host.env_remove(name);
    }
    let _host = Child(host.stdout(Stdio::null()).spawn().unwrap());
    let file = data.path().join(Credentials::FILE);
    eventually("the host is ready", async || file.exists()).await;
    let credentials: Credentials = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();

    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let organization = format!("{}/v1/organizations/{}", credentials.base_url, credentials.organization_id);
    let post = async |path: &str, body: Value| {
        let request = http.post(format!("{organization}{path}")).json(&body);
        data_of(request.bearer_auth(&credentials.api_key)).await
    };
    for (name, url) in [("literal", receiver.url()), ("name", receiver.url().replace("127.0.0.1", "localhost"))] {
        post("/webhooks/endpoints", json!({"name": name, "url": url, "event_types": ["member.added"]})).await;
    }
    // No server listens there. A client that uses proxies would connect to the proxy for it.
    let nobody = json!({"name": "tls", "url": "https://127.0.0.1:1/", "event_types": ["*"]});
    post("/webhooks/endpoints", nobody).await;
    let event = post("/events", json!({"type": "member.added", "data": {}})).await;
    let event = format!("{organization}/events/{}", text(&event["id"]));
    let attempted = async || {
        let event = data_of(http.get(&event).bearer_auth(&credentials.api_key)).await;
        let deliveries = event["webhook_deliveries"].as_array().unwrap();
        deliveries.len() == 4 && deliveries.iter().all(|delivery| delivery["attempts"] != 0)
    };
    eventually("every delivery is attempted", attempted).await;
    assert_eq!((receiver.received().len(), proxy.connections()), (2, 0));
}

/// A process that is killed when the test ends.
struct Child(process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn data_of(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap().error_for_status().unwrap();
    answer.json::<Value>().await.unwrap()["data"].take()
}
