//! A run that creates, uses and mistypes secrets of every kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::signing::secret::SigningSecret;

use super::search::Search;
use crate::support::{Answer, Browser, EVENT_TYPE, Gate, RawServer, Receiver, Tenant, World, text};

/// Issues keys of every role, rotates one, revokes one, and returns all of them.
pub(super) async fn issue_keys(tenant: &Tenant, search: &mut Search) {
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
pub(super) async fn make_endpoints(tenant: &Tenant, urls: &[String], search: &mut Search) {
    for url in urls {
        let url = format!("{url}?token={}", search.of_url());
        let header = format!("Bearer {}", search.own("header"));
        let fields = json!({"url": url, "secret": search.own("supplied"), "headers": {"Authorization": header},
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
pub(super) async fn speak_every_dialect(tenant: &Tenant, url: &str, search: &mut Search) {
    let url = format!("{url}?token={}", search.of_url());
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
pub(super) async fn provoke_errors(tenant: &Tenant, search: &mut Search) {
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
pub(super) async fn failing_receivers() -> (Vec<String>, Vec<RawServer>, Vec<Receiver>) {
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

/// Creates an application of the `svix` dialect whose endpoint has a supplied secret, changes its headers and rotates its secret,
/// also by requests that are repeated.
pub(super) async fn speak_svix(world: &World, url: &str, search: &mut Search) {
    let client = world.platform();
    let app = client.post("/api/v1/app", &json!({"name": "n"})).await;
    let path = format!("/api/v1/app/{}/endpoint", text(&app.body["id"]));
    let supplied = |search: &mut Search| search.secret(&STANDARD.encode(clock::secret_bytes::<32>()));
    let url = format!("{url}?token={}", search.of_url());
    let header = search.own("header");
    let fields = json!({"url": url, "secret": supplied(search), "headers": {"Authorization": header}});
    let made = client.call(Method::POST, &path, &[("idempotency-key", "made")], Some(fields.to_string())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!("{path}/{}", text(&made.body["id"]));
    for method in [Method::PUT, Method::PATCH] {
        let body = json!({"headers": {"X-Api-Key": search.own("header")}}).to_string();
        assert_eq!(client.call(method, &format!("{path}/headers"), &[], Some(body)).await.status, 204);
    }
    for (number, body) in [json!({}), json!({"key": supplied(search)})].into_iter().enumerate() {
        let key = format!("rotation-{number}");
        // The second answer is the first one again.
        for _ in 0..2 {
            let headers = [("idempotency-key", key.as_str())];
            let rotate = format!("{path}/secret/rotate");
            let rotated = client.call(Method::POST, &rotate, &headers, Some(body.to_string())).await;
            assert_eq!(rotated.status, 200, "{}", rotated.body);
            search.secret(text(&rotated.body["key"]));
        }
    }
    assert_eq!(client.get(&format!("{path}/secret")).await.status, 200);
    for body in [json!({"key": [search.own("nested")]}), json!({"key": search.own("short")})] {
        search.error(&client.post(&format!("{path}/secret/rotate"), &body).await);
    }
    let access = client.post(&format!("/api/v1/auth/app-portal-access/{}", text(&app.body["id"])), &json!({})).await;
    search.secret(text(&access.body["token"]));
}

/// Signs in to the portal, sends forms, and presents tokens that do not work.
pub(super) async fn use_the_portal(tenant: &Tenant, search: &mut Search) {
    let created = tenant.post("/portal-sessions", &json!({"role": "owner", "actor": "zoe"})).await.data(201);
    let link = text(&created["url"]);
    search.secret(link.rsplit_once("token=").unwrap().1);
    let mut browser = Browser::new(tenant.process());
    browser.open(link).await;
    search.secret(browser.token());
    search.secret(&browser.form_token().await);
    for page in ["/endpoints", "/access", "/access/sessions"] {
        assert_eq!(browser.get(&browser.path(page)).await.status, 200, "{page}");
    }
    let fields = [("name", "n"), ("role", "member")];
    let issued = browser.fill(&browser.path("/access/keys/new"), &fields).await;
    let key = issued.html().split("sk_live_").nth(1).unwrap();
    search.secret(&format!("sk_live_{}", &key[..43]));
    // The link was used, the token of the form belongs to no session, and so does the cookie.
    assert!(Browser::new(tenant.process()).open(link).await.status >= 300);
    let forged = [("form_token", search.own("form-token")), ("name", "n".to_owned())];
    let forged: Vec<_> = forged.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = browser.path("/access/keys/new");
    let refused = browser.send(Method::POST, &path, &[("sec-fetch-site", "same-origin")], Some(&forged)).await;
    assert_eq!(refused.status, 403);
    let (before, own) = browser.cookie.rsplit_once('.').unwrap();
    let mut other = browser.clone();
    other.cookie = format!("{before}.{}", search.secret(&own.replace(['0', '1'], "f")));
    assert_eq!(other.get(&browser.first).await.status, 401);
}
