//! Executes `docs/api.md`: sends each command through the real routers in order, compares the response with the one in
//! the document, and compares a received request with the one in the document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use regex_lite::Regex;
use serde_json::{Value, json};
use shared::domain::event::operational::OPERATIONAL_EVENTS;
use shared::domain::tenancy::usage::Day;
use shared::wire::error::ErrorCode;

use crate::routes::{OPEN, ROUTES};
use crate::shape::{assert_well_formed, differences, tokens, with_tokens};
use crate::support::{Answer, Received, Receiver, World};

const BASE: &str = "http://127.0.0.1:8080";
/// The date in the document's examples. All examples are from the same day.
const TODAY: &str = "2026-11-20";
const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md")).unwrap()
}

/// A fenced code block with its line number, its language and its text.
struct Block {
    line: usize,
    language: String,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (index, line) in document.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !inside => {
                blocks.push(Block { line: index + 1, language: language.to_owned(), text: String::new() });
            }
            Some(_) => {}
            None if inside => blocks.last_mut().unwrap().text.push_str(&format!("{line}\n")),
            None => continue,
        }
        inside ^= line.starts_with("```");
    }
    blocks
}

/// The request of a `curl` command.
#[derive(Debug, Default)]
struct Curl {
    method: Option<String>,
    headers: Vec<(String, String)>,
    json: Option<String>,
    url: String,
}

impl Curl {
    /// Lets the shell parse the command, after these variable assignments.
    fn read(assignments: &str, command: &str) -> Self {
        let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{assignments}{command}");
        let run = Command::new("sh").args(["-euc", &script]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let stdout = String::from_utf8(run.stdout).unwrap();
        let mut arguments = stdout.split_terminator('\0');
        let mut curl = Self::default();
        while let Some(argument) = arguments.next() {
            match argument {
                "-X" => curl.method = arguments.next().map(str::to_owned),
                "--json" => curl.json = arguments.next().map(str::to_owned),
                "-H" => {
                    let (name, value) = arguments.next().unwrap().split_once(": ").unwrap();
                    curl.headers.push((name.to_owned(), value.to_owned()));
                }
                url => {
                    assert!(url.starts_with(BASE) && curl.url.is_empty(), "unexpected argument {url}");
                    curl.url = url[BASE.len()..].to_owned();
                }
            }
        }
        curl
    }

    fn method(&self) -> &str {
        self.method.as_deref().unwrap_or(if self.json.is_some() { "POST" } else { "GET" })
    }
}

/// Runs the document's commands, and maps the ids of the document to those of this run.
struct Reader {
    world: World,
    /// The URL of each receiver in the document, and the receiver that stands for it. The longest URL is first.
    receivers: [(String, Receiver); 3],
    assignments: String,
    /// The ids, keys and secrets of the document, mapped to those of this run.
    known: BTreeMap<String, String>,
    called: BTreeSet<(String, String)>,
}

impl Reader {
    async fn new() -> Self {
        let unavailable = || Answer::status(503).body("Service Unavailable");
        let ok = || Answer::status(200).body("OK");
        let receivers = [
            ("?status=503&fail_first=1", Receiver::scripted([unavailable(), unavailable(), ok(), ok()]).await),
            ("?status=503", Receiver::always(unavailable()).await),
            ("", Receiver::always(ok()).await),
        ];
        let world = World::new().await;
        let second_of_day = world.clock.now().unix_seconds().rem_euclid(SECONDS_OF_A_DAY);
        if SECONDS_OF_A_DAY - second_of_day < 600 {
            world.advance(Duration::from_secs(600));
        }
        let today = Day::of(world.clock.now()).to_string();
        Self {
            world,
            receivers: receivers.map(|(query, receiver)| (format!("{BASE}/demo/receiver{query}"), receiver)),
            assignments: String::new(),
            known: ["", "T00:00:00Z"].map(|time| (format!("{TODAY}{time}"), format!("{today}{time}"))).into(),
            called: BTreeSet::new(),
        }
    }

    /// Adds variable assignments. The first key in them is the platform's key.
    fn assign(&mut self, text: &str) {
        if self.assignments.is_empty() {
            let key = tokens(text).into_iter().find(|token| token.format == "presented").unwrap();
            self.known.insert(key.text, self.world.platform().key);
        }
        self.assignments.push_str(text);
    }

    /// Replaces the document's ids and URLs in a text with those of this run.
    fn here(&self, text: &str) -> String {
        let text = with_tokens(text, |token| self.known.get(&token.text).cloned().unwrap_or(token.text));
        self.receivers.iter().fold(text, |text, (url, receiver)| text.replace(url, &receiver.url_like(url)))
    }

    /// Replaces the URLs of this run in a text with the document's. It does not replace ids.
    fn there(&self, text: &str) -> String {
        self.receivers.iter().fold(text.to_owned(), |text, (url, receiver)| text.replace(&receiver.url_like(url), url))
    }

    /// Sends the request of a command, compares the response with the document, and runs the consumer.
    async fn run(&mut self, command: &Block, answer: &Block) {
        let at = format!("docs/api.md:{}", command.line);
        let curl = Curl::read(&self.assignments, &command.text);
        let mut request = Request::builder().method(curl.method()).uri(self.here(&curl.url));
        request = request.header("host", BASE.strip_prefix("http://").unwrap());
        for (name, value) in &curl.headers {
            request = request.header(name, self.here(value));
        }
        if curl.json.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = curl.json.as_ref().map_or_else(Body::empty, |json| Body::from(self.here(json)));
        let reply = self.world.process.call(request.body(body).unwrap()).await;
        assert_well_formed(&reply);

        let (head, body) = answer.text.split_once("\n\n").unwrap_or((answer.text.trim_end(), "null"));
        let mut head = head.lines();
        let status = http::StatusCode::from_u16(reply.status).unwrap();
        assert_eq!(head.next().unwrap(), format!("HTTP/1.1 {status}"), "{at}: {}", reply.body);
        for header in head {
            let (name, value) = header.split_once(": ").unwrap();
            assert_eq!(reply.headers[name], value, "{at}");
        }
        let actual: Value = serde_json::from_str(&self.there(&reply.body.to_string())).unwrap();
        let example: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{at}: {error}"));
        let differences = differences(&actual, &example);
        assert!(differences.is_empty(), "{at}:\n{}", differences.join("\n"));
        self.learn(&at, &actual, &example);
        self.called.insert((curl.method().to_owned(), curl.url.split('?').next().unwrap().to_owned()));
        self.world.drain().await;
        self.world.advance(Duration::from_secs(1));
    }

    /// Records which id of this run stands for each id of the document. Fails if one of the two had another counterpart
    /// before.
    fn learn(&mut self, at: &str, actual: &Value, example: &Value) {
        for (actual, example) in strings(actual).into_iter().zip(strings(example)) {
            for (here, there) in tokens(actual).into_iter().zip(tokens(example)) {
                let lasts = [
                    "we",
                    "wevt",
                    "wdlv",
                    "watt",
                    "wjob",
                    "wps",
                    "key",
                    "ep",
                    "org",
                    "presented",
                    "secret",
                    "ed25519",
                    "public",
                    "kid",
                ];
                if !lasts.contains(&here.format.as_str()) {
                    continue;
                }
                let known = self.known.entry(there.text.clone()).or_insert_with(|| here.text.clone());
                assert_eq!(*known, here.text, "{at}: {} stands for two different ids", there.text);
                let names = self.known.values().filter(|known| **known == here.text).count();
                assert_eq!(names, 1, "{at}: the document has two ids for the one of {}", there.text);
            }
        }
    }

    /// Compares the request that a receiver got with the one in the document.
    fn compare_received(&self, block: &Block) {
        let (example, body) = headers_and_body(&block.text);
        let id = self.here(&example["webhook-id"]);
        let all: Vec<Received> = self.receivers.iter().flat_map(|(_, receiver)| receiver.received()).collect();
        let came = all.iter().find(|request| request.header("webhook-id") == id).unwrap();
        assert_eq!(came.method, "POST");
        let transport = ["host", "content-length"];
        let names: BTreeSet<_> =
            came.headers.keys().map(|name| name.as_str()).filter(|name| !transport.contains(name)).collect();
        assert_eq!(names, example.keys().map(String::as_str).collect());
        for (name, example) in &example {
            let value = came.header(name);
            match name.as_str() {
                "webhook-timestamp" => assert_eq!(value.len(), example.parse::<i64>().unwrap().to_string().len()),
                _ => assert!(differences(&value.into(), &example.as_str().into()).is_empty(), "{name}: {value}"),
            }
        }
        let came = std::str::from_utf8(&came.body).unwrap();
        assert!(differences(&came.into(), &body.into()).is_empty(), "{came}");
    }
}

impl Receiver {
    /// The URL of this receiver with the query of `other`.
    fn url_like(&self, other: &str) -> String {
        other.split_once('?').map_or_else(|| self.url(), |(_, query)| format!("{}?{query}", self.url()))
    }
}

/// All strings in a value, in document order.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

fn headers_and_body(block: &str) -> (BTreeMap<String, String>, &str) {
    let (head, body) = block.trim_end().split_once("\n\n").unwrap();
    let headers = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    (headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), body)
}

#[tokio::test]
async fn every_command_gets_the_response_in_the_document() {
    let document = document();
    let blocks = blocks(&document);
    let mut reader = Reader::new().await;
    let mut blocks = blocks.iter().peekable();
    let mut received = 0;
    while let Some(block) = blocks.next() {
        match (block.language.as_str(), block.text.lines().next().unwrap_or_default()) {
            ("sh", first) if first.starts_with("curl ") => {
                let answer = blocks.next_if(|next| next.language == "http" && next.text.starts_with("HTTP/1.1 "));
                reader.run(block, answer.unwrap_or_else(|| panic!("no response below line {}", block.line))).await;
            }
            ("sh", _) => reader.assign(&block.text),
            ("http", "POST /demo/receiver HTTP/1.1") => {
                reader.compare_received(block);
                received += 1;
            }
            ("http", "POST /hooks HTTP/1.1") => {}
            (language, first) => panic!("line {}: unexpected block {language} {first}", block.line),
        }
    }
    assert_eq!(received, 1);
    let pattern = |path: &str| {
        Regex::new(&format!("^{}$", Regex::new(r"\{[a-z_]+\}").unwrap().replace_all(path, "[^/]+"))).unwrap()
    };
    let open = OPEN.into_iter().filter(|(_, path)| path.starts_with("/v1/"));
    let without_example: Vec<_> = ROUTES
        .iter()
        .map(|route| (route.method, route.path))
        .chain(open)
        .filter(|(method, path)| {
            let pattern = pattern(path);
            let mut called = reader.called.iter();
            !called.any(|(used, path)| used == method && pattern.is_match(path))
        })
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert!(without_example.is_empty(), "no example of {without_example:?}");
}

#[test]
fn the_example_request_has_valid_signatures() {
    let document = document();
    let all = blocks(&document);
    let block = all.iter().find(|block| block.text.starts_with("POST /hooks ")).unwrap();
    let before = document.lines().take(block.line).collect::<Vec<_>>().join("\n");
    let secret = tokens(&before).into_iter().rfind(|token| token.format == "secret").unwrap().text;
    let (headers, body) = headers_and_body(&block.text);
    let library = standardwebhooks::Webhook::new(&secret).unwrap();
    let sent_at = headers["webhook-timestamp"].parse().unwrap();
    let signature = library.sign(&headers["webhook-id"], sent_at, body.as_bytes()).unwrap();
    assert_eq!(headers["webhook-signature"], signature);
    let secret = shared::domain::signing::secret::SigningSecret::parse(&secret).unwrap();
    assert_eq!(
        Some(&headers["x-webhook-signature"]),
        shared::domain::signing::signature::body_digest([&secret], body.as_bytes()).as_ref()
    );
}

#[test]
fn the_table_of_errors_has_every_code_with_its_status() {
    let row = Regex::new(r"(?m)^\| `([a-z_]+)` \| (\d{3}) \|").unwrap();
    let document = document();
    let rows: Vec<_> =
        row.captures_iter(&document).map(|row| (row[1].to_owned(), row[2].parse::<u16>().unwrap())).collect();
    let catalogue: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.as_str().to_owned(), code.status())).collect();
    assert_eq!(rows, catalogue);
}

#[tokio::test]
async fn the_table_of_operational_events_matches_the_received_events() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (watcher, gone) = (Receiver::new().await, Receiver::always(Answer::status(410)).await);
    let failing = Receiver::scripted(vec![Answer::status(500); 10]).await;
    tenant.endpoint_with(json!({"url": watcher.url(), "event_types": ["webhook.*", "delivery.*"]})).await;
    tenant.endpoint_with(json!({"url": gone.url(), "event_types": ["once"]})).await;
    tenant.endpoint_with(json!({"url": failing.url(), "event_types": ["often"], "retry_schedule": []})).await;
    // The last endpoint fails ten times within more than a minute. Then a probe succeeds.
    for (event_type, count) in [("once", 1), ("often", 9), ("often", 1), ("often", 1), ("often", 0)] {
        for _ in 0..count {
            tenant.post("/events", &json!({"type": event_type, "data": {}})).await.data(202);
        }
        world.drain().await;
        world.advance(Duration::from_secs(61));
        world.sweep().await;
        world.drain().await;
    }
    let came: BTreeMap<_, _> = watcher
        .received()
        .iter()
        .map(|request| {
            let data = request.json()["data"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            (request.header("x-webhook-event").to_owned(), data)
        })
        .collect();
    let row = Regex::new(r"(?m)^\| `((?:webhook|delivery)\.[a-z]+)` \| [^|]* \| (.*) \|$").unwrap();
    let name = Regex::new("`([a-z_]+)`").unwrap();
    let document = document();
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut above = BTreeSet::new();
    for row in row.captures_iter(&document) {
        if &row[2] != "the same" {
            above = name.captures_iter(&row[2]).map(|name| name[1].to_owned()).collect();
        }
        table.insert(row[1].to_owned(), above.clone());
    }
    assert_eq!(table.len(), OPERATIONAL_EVENTS.len());
    assert_eq!(came, table);
}
