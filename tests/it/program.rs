//! The program's output and exit status.

use std::ffi::OsStr;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Instant;

use pigeonpost::Credentials;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use crate::support::{PATIENCE, RawServer, eventually, read_request, text};

const SETTINGS: [&str; 19] = [
    "RETRY_SCHEDULE",
    "EVENT_TYPES",
    "CATALOGUE_MODE",
    "EVENTS_PER_SECOND",
    "EVENTS_BURST",
    "EVENTS_PER_MONTH",
    "MAX_EVENT_BYTES",
    "MAX_ENDPOINTS",
    "RETENTION_DAYS",
    "ALLOWED_NETWORKS",
    "ALLOW_HTTP",
    "INTERNAL_TARGETS",
    "STATISTICS",
    "SECRETS_READABLE",
    "PORTAL_ORIGINS",
    "PORTAL_NAME",
    "PORTAL_LOGO_URL",
    "PORTAL_ACCENT",
    "OPERATOR_PORTAL",
];

/// The program with a data directory, free ports, backtraces and none of the settings in the test's environment.
fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeonpost"));
    command.arg("--data").arg(data).args(["--port", "0", "--aws-port", "0"]);
    for name in SETTINGS.into_iter().chain(["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
        command.env_remove(name);
    }
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

/// Runs the program with these arguments only.
fn bare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pigeonpost")).args(arguments).env("RUST_BACKTRACE", "1").output().unwrap()
}

/// A program that is killed when the test ends, even after a panic.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program, which must end by itself, and returns its output on standard error.
fn refusal(command: &mut Command) -> String {
    let mut running = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < PATIENCE, "the program does not end: {command:?}");
        std::thread::yield_now();
    };
    let mut message = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert_eq!(status.code(), Some(1), "{message}");
    assert!(message.starts_with("error: ") && message.lines().count() <= 2, "{message}");
    assert!(!message.contains("backtrace"), "{message}");
    message
}

fn assert_says(message: &str, expected: &[&str]) {
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn the_version_and_the_help_are_printed() {
    for argument in ["--version", "-V"] {
        let output = bare(&[argument]);
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("pigeonpost {}\n", env!("CARGO_PKG_VERSION")));
    }
    for argument in ["--help", "-h"] {
        let output = bare(&[argument]);
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        let options =
            ["--port", "--aws-port", "--address", "--data", "--in-memory", "--durable", "--no-triggers", "--verbose"];
        assert_says(&help, &options);
        assert_says(&help, &["--help", "--version", "SSL_CERT_FILE"]);
        assert_says(&help, &SETTINGS);
    }
}

#[test]
fn the_readme_shows_every_option_of_the_help() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help = String::from_utf8(bare(&["--help"]).stdout).unwrap();
    let (_, options) = help.split_once("Options:\n").unwrap();
    let (options, _) = options.split_once("\nEnvironment:").unwrap();
    assert!(readme.contains(options.trim_end()), "README.md, Options: {options}");
}

#[test]
fn an_invalid_command_line_prints_one_line_and_exits_with_status_2() {
    for arguments in [&["--colour"][..], &["--prot", "1"], &["--port", "70000"], &["--port"], &["stray"]] {
        let output = bare(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(output.stdout.is_empty());
        assert_eq!(message.lines().count(), 1, "{message}");
        assert_says(&message, &["error: ", arguments[0], "see pigeonpost --help"]);
    }
}

#[test]
fn errors_for_ports_and_addresses_contain_their_option() {
    let data = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    for option in ["--port", "--aws-port"] {
        let other = if option == "--port" { "--aws-port" } else { "--port" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeonpost"));
        command.arg("--data").arg(data.path()).args([option, &port, other, "0"]).env("RUST_BACKTRACE", "1");
        assert_says(&refusal(&mut command), &[&port, &format!("choose another port with {option}")]);
    }
    let message = refusal(program(data.path()).args(["--address", "192.0.2.1"]));
    assert_says(&message, &["192.0.2.1", "choose an address of this machine with --address"]);
}

#[tokio::test]
async fn an_error_for_a_locked_or_invalid_directory_contains_its_path() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("data");
    let running = started(&mut program(&directory), &directory).await;
    let message = refusal(&mut program(&directory));
    assert_says(&message, &["another host is using", directory.to_str().unwrap(), "stop it", "--data"]);
    drop(running);

    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    for directory in [&file, &file.join("below")] {
        let message = refusal(&mut program(directory));
        assert_says(&message, &["cannot make the directory", directory.to_str().unwrap(), "--data"]);
    }
}

/// Damages a file of a data directory that a host has used.
type Damage = fn(&Path);

#[tokio::test]
async fn an_error_for_a_damaged_directory_contains_the_remedy() {
    let data = tempfile::tempdir().unwrap();
    let garbage = |file: &Path| std::fs::write(file, "no database ".repeat(1_000)).unwrap();
    let table: [(&str, Damage, &[&str]); 7] = [
        ("dynamodb.sqlite", garbage, &["cannot use the data in", "dynamodb.sqlite"]),
        (
            "dynamodb.sqlite",
            |file| std::fs::remove_file(file).unwrap(),
            &["cannot use the data in", "dynamodb.sqlite is missing"],
        ),
        ("dynamodb.sqlite", |file| replace(file, |_| std::fs::create_dir(file).unwrap()), &["cannot use the data in"]),
        ("sqs.sqlite", garbage, &["cannot use the data in", "sqs.sqlite"]),
        (
            "sqs.sqlite",
            |file| std::fs::remove_file(file).unwrap(),
            &["sqs.sqlite is missing", "cannot use the data in"],
        ),
        ("host.json", |file| std::fs::write(file, "{").unwrap(), &["host.json is damaged", "delete it"]),
        ("host.json", |file| std::fs::write(file, "{}").unwrap(), &["host.json is damaged", "delete it"]),
    ];
    for (index, (name, damage, expected)) in table.into_iter().enumerate() {
        let directory = data.path().join(index.to_string());
        drop(started(&mut program(&directory), &directory).await);
        // A killed host leaves its write-ahead log. Its pages would hide the damage.
        for log in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(directory.join(format!("{name}{log}")));
        }
        damage(&directory.join(name));
        let message = refusal(&mut program(&directory));
        assert_says(&message, expected);
        assert_says(&message, &[directory.to_str().unwrap(), "restore", "backup"]);
    }
}

fn replace(file: &Path, with: impl FnOnce(&Path)) {
    std::fs::remove_file(file).unwrap();
    with(file);
}

#[test]
fn an_error_for_an_environment_variable_contains_the_allowed_values() {
    let data = tempfile::tempdir().unwrap();
    for (name, value, expected) in [
        ("RETRY_SCHEDULE", &b"1,x"[..], "x is not a number of seconds"),
        ("EVENT_TYPES", b"a..b", "\"a..b\""),
        ("MAX_ENDPOINTS", b"0", "must be a whole number from 1 to 8000"),
        ("RETENTION_DAYS", b"a month", "must be a whole number from 1 to 99999"),
        ("RETENTION_DAYS", b"3\xff", "must be a whole number from 1 to 99999"),
        ("ALLOWED_NETWORKS", b"localhost", "localhost is not a network such as"),
        ("ALLOW_HTTP", b"yes", "must be true or false"),
        ("INTERNAL_TARGETS", b"arn:aws:s3:::bucket", "must be the ARN of an SQS queue"),
        ("SECRETS_READABLE", b"yes", "must be true or false"),
        ("PORTAL_ORIGINS", b"http://app.example.com", "must be origins such as https://app.example.com"),
        ("PORTAL_ACCENT", b"blue", "must be # and six lower-case hex digits"),
        ("SSL_CERT_FILE", b"/nowhere/at/all.pem", "must name a PEM file"),
    ] {
        let message = refusal(program(data.path()).arg("--in-memory").env(name, OsStr::from_bytes(value)));
        assert_says(&message, &[name, expected]);
    }
}

/// Starts a host in memory with these environment variables.
async fn start(data: &Path, variables: &[(&str, &str)]) -> (Running, Credentials) {
    let running = started(program(data).arg("--in-memory").envs(variables.iter().copied()), data).await;
    (running, serde_json::from_slice(&std::fs::read(data.join(Credentials::FILE)).unwrap()).unwrap())
}

/// Starts the program and waits until it has written its credentials, the last step before it serves.
async fn started(command: &mut Command, data: &Path) -> Running {
    let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
    let file = data.join(Credentials::FILE);
    eventually("the host has started", async || file.exists()).await;
    running
}

async fn call(credentials: &Credentials, path: &str, body: Option<&Value>) -> Value {
    let (http, url) =
        (reqwest::Client::new(), format!("{}/v1/organizations/{}", credentials.base_url, credentials.organization_id));
    let request = match body {
        Some(body) => http.post(url + path).json(body),
        None => http.get(url + path),
    };
    let answer = request.bearer_auth(&credentials.api_key).send().await.unwrap().error_for_status().unwrap();
    answer.json::<Value>().await.unwrap()["data"].take()
}

#[tokio::test]
async fn the_root_signs_in_to_the_portal_of_the_demo_organization() {
    let data = tempfile::tempdir().unwrap();
    let (_running, credentials) = start(data.path(), &[]).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let port = credentials.base_url.rsplit(':').next().unwrap();
    let location = async |url: &str, host: &str| {
        let answer = client.get(url).header("host", host).send().await.unwrap();
        assert!(answer.status().is_redirection());
        (answer.headers()["location"].to_str().unwrap().to_owned(), answer.headers().get("set-cookie").cloned())
    };
    let root = format!("{}/", credentials.base_url);
    let host = format!("localhost:{port}");
    let (link, _) = location(&root, &host).await;
    let (page, cookie) = location(&format!("{}{link}", credentials.base_url), &host).await;
    assert_eq!(page, format!("/portal/{}/endpoints", credentials.organization_id));
    let cookie = cookie.unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = client.get(format!("{}{page}", credentials.base_url)).header("cookie", cookie).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().await.unwrap().contains("Demo receiver"));
}

#[tokio::test]
async fn no_demo_endpoint_is_created_if_the_settings_forbid_it() {
    for variable in [("ALLOW_HTTP", "false"), ("ALLOWED_NETWORKS", "")] {
        let data = tempfile::tempdir().unwrap();
        let (_running, credentials) = start(data.path(), &[variable]).await;
        assert_eq!(call(&credentials, "/webhooks/endpoints", None).await, json!([]), "{variable:?}");
    }
}

#[tokio::test]
async fn variables_that_only_a_deployment_has_are_not_read() {
    let data = tempfile::tempdir().unwrap();
    let variables = [
        ("PLATFORM_KEY_SHA256", "none"),
        ("QUEUE_URL", "http://127.0.0.1:1/none"),
        ("SLOW_QUEUE_URL", "http://127.0.0.1:1/none"),
        ("TABLE_NAME", "none"),
    ];
    let (_running, credentials) = start(data.path(), &variables).await;
    call(&credentials, "/events", Some(&json!({"type": "member.added", "data": {}}))).await;
}

#[tokio::test]
async fn deliveries_go_to_a_queue_of_the_embedded_sqs() {
    let data = tempfile::tempdir().unwrap();
    let arn = "arn:aws:sqs:us-east-1:000000000000:audit";
    let (_running, credentials) = start(data.path(), &[("INTERNAL_TARGETS", arn)]).await;
    let sqs = async |operation: &str, input: Value| {
        let request = reqwest::Client::new().post(&credentials.aws_url).json(&input);
        let answer = request.header("x-amz-target", format!("AmazonSQS.{operation}")).send().await.unwrap();
        answer.error_for_status().unwrap().json::<Value>().await.unwrap()
    };
    let queue = sqs("CreateQueue", json!({"QueueName": "audit"})).await["QueueUrl"].clone();
    let platform = Credentials { api_key: credentials.platform_key.clone(), ..credentials.clone() };
    let endpoint = json!({"name": "Audit", "url": arn, "event_types": ["order.*"]});
    call(&platform, "/webhooks/endpoints", Some(&endpoint)).await;
    let event = call(&credentials, "/events", Some(&json!({"type": "order.paid", "data": {}}))).await;
    let wanted = json!({"QueueUrl": queue, "WaitTimeSeconds": 20, "MessageAttributeNames": ["webhook-id"]});
    let received = sqs("ReceiveMessage", wanted).await;
    let id = &received["Messages"][0]["MessageAttributes"]["webhook-id"]["StringValue"];
    assert_eq!(*id, event["id"], "{received}");
}

/// A receiver with a certificate of this authority.
async fn receiver(authority: &CertifiedIssuer<'_, KeyPair>) -> RawServer {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    RawServer::serving(move |stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            let mut stream = acceptor.accept(stream).await?;
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
        }
    })
    .await
}

#[tokio::test]
async fn a_certificate_authority_in_ssl_cert_file_is_trusted() {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let receiver = receiver(&authority).await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("authorities.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    for (variables, [status, error]) in
        [(&[][..], ["exhausted", "tls"]), (&[("SSL_CERT_FILE", file.to_str().unwrap())], ["success", ""])]
    {
        let data = tempfile::tempdir().unwrap();
        let (_running, credentials) = start(data.path(), variables).await;
        let url = receiver.url().replace("http:", "https:");
        let endpoint = json!({"name": "TLS", "url": url, "event_types": ["a"], "retry_schedule": []});
        call(&credentials, "/webhooks/endpoints", Some(&endpoint)).await;
        let event = call(&credentials, "/events", Some(&json!({"type": "a", "data": {}}))).await;
        let delivery = text(&event["webhook_deliveries"][1]["id"]).to_owned();
        let path = format!("/webhooks/deliveries/{delivery}");
        eventually("the attempt is made", async || call(&credentials, &path, None).await["status"] != "pending").await;
        let delivery = call(&credentials, &path, None).await;
        assert_eq!((text(&delivery["status"]), delivery["error"].as_str().unwrap_or_default()), (status, error));
    }
}
