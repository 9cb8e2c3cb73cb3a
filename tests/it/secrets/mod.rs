//! Secrets never appear in logs, errors, messages, the table, metrics, debug output or responses that read them back.

mod printed;
mod run;
mod search;

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::domain::endpoint::confidential::Fields;
use shared::domain::ids::{EndpointId, KeyId, OrganizationId};
use shared::domain::tenancy::access::Role;
use shared::domain::tenancy::api_key::KeySecret;
use shared::domain::tenancy::rights::{Binding, Rights};
use shared::queue::schema::MAX_RECEIVES;
use shared::wire::organizations;
use tracing::Level;

use crate::support::{EVENT_TYPE, Fate, Receiver, World, over_network, text};
use crate::telemetry::{Counted, Log};
use printed::{incoming, outgoing};
use run::{
    failing_receivers, issue_keys, make_endpoints, provoke_errors, speak_every_dialect, speak_svix, use_the_portal,
};
use search::Search;

#[tokio::test]
async fn no_secret_is_in_logs_errors_messages_the_table_metrics_or_debug_output_after_a_full_run() {
    let (log, _logging) = Log::start_at(Level::DEBUG);
    let (counted, _counting) = Counted::start();
    let mut search = Search::default();
    let world = World::new().await;
    let tenant = world.tenant().await;
    search.secret(&world.platform().key);
    search.secret(&tenant.key);
    let (urls, _raw, receivers) = failing_receivers().await;
    issue_keys(&tenant, &mut search).await;
    make_endpoints(&tenant, &urls, &mut search).await;
    speak_every_dialect(&tenant, &receivers[0].url(), &mut search).await;
    speak_svix(&world, &receivers[0].url(), &mut search).await;
    use_the_portal(&tenant, &mut search).await;
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

    search.table(&world).await;

    // DynamoDB and SQS fail for callers and for the consumer until the messages are dead letters.
    let is_dynamodb = |operation: &str| ["Item", "Statement"].iter().any(|it| operation.contains(it));
    let dynamodb_fails = move |operation: &str| if is_dynamodb(operation) { Fate::Refuse } else { Fate::Pass };
    let broken = world.process_on(&over_network(&world.sdk(), dynamodb_fails));
    let (secret, header) = (search.own("supplied"), search.own("header"));
    let fields = json!({"name": "n", "url": "http://127.0.0.1/", "event_types": ["*"], "secret": secret,
        "headers": {"authorization": header}});
    search.error(&tenant.at(&broken).post("/webhooks/endpoints", &fields).await);
    for operation in ["PutItem", "BatchWriteItem", "SendMessageBatch", "TransactWriteItems"] {
        let failing = over_network(&world.sdk(), move |name| if name == operation { Fate::Refuse } else { Fate::Pass });
        let failing = tenant.at(&world.process_on(&failing));
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
    search.table(&world).await;
    search.text("metrics", format!("{:?}", counted.counters()));
    let logged = log.take();
    for expected in ["\"DEBUG\"", "request", "attempt failed", "unavailable", "a batch could not be loaded"] {
        assert!(logged.contains(expected), "{expected}");
    }
    for cause in ["timeout", "dns", "connect", "tls", "http_status", "invalid_response"] {
        assert!(logged.contains(&format!("\"cause\":\"{cause}\"")), "{cause}");
    }
    search.text("log", logged);
    let size = (search.secrets.len(), search.texts.len());
    assert!(size.0 > 90 && size.1 > 300, "{size:?}");
    assert_eq!(search.found(), [""; 0]);
    // The search would find a secret.
    let planted = search.secrets[0].clone();
    search.text("log", format!("a line\nand {planted} in another"));
    assert_eq!(search.found().len(), 1);
}

#[tokio::test]
async fn an_unreadable_item_is_logged_without_its_values() {
    let (log, _logging) = Log::start_at(Level::DEBUG);
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
    let logged = log.take();
    assert_eq!(logged.matches("unreadable item").count(), 3, "{logged}");
    assert!(!logged.contains("credential"), "{logged}");
}

/// The keys of these items are names that a tenant or the platform chose.
#[tokio::test]
async fn an_unreadable_item_is_logged_without_the_name_in_its_key() {
    let (log, _logging) = Log::start_at(Level::DEBUG);
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let platform = world.platform();
    let fields = json!({"name": "n", "slug": "marker-slug", "external_id": "marker-organization"});
    let organization = platform.post("/v1/organizations", &fields).await.data(201);
    let mut tenant = world.tenant().await.with_key(&platform.key);
    tenant.id = text(&organization["id"]).to_owned();
    tenant.endpoint_with(json!({"url": receiver.url(), "external_id": "marker-endpoint"})).await;
    let event = json!({"type": EVENT_TYPE, "data": {}, "external_id": "marker-event"});
    tenant.post("/events", &event).await.data(202);
    for mut item in [world.items("external_id").await, world.items("slug").await].concat() {
        item.insert("id".to_owned(), AttributeValue::Bool(true));
        item.insert("organization".to_owned(), AttributeValue::Bool(true));
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    }
    let mut tried = 0;
    for path in [
        "/v1/organizations/ext:marker-organization",
        "/v1/organizations?slug=marker-slug",
        "/v1/organizations?external_id=marker-organization",
        "/webhooks/endpoints/ext:marker-endpoint",
        "/events/ext:marker-event",
    ] {
        tenant.get(path).await.is_error(500, "internal");
        tried += 1;
    }
    tenant.post("/events", &event).await.is_error(500, "internal");
    let logged = log.take();
    assert_eq!(logged.matches("unreadable item").count(), tried + 1, "{logged}");
    for shown in ["extorg#… ext", "slug#… slug", &format!("extend#{} …", tenant.id), &format!("extevt#{}#", tenant.id)]
    {
        assert!(logged.contains(shown), "{shown}: {logged}");
    }
    assert!(!logged.contains("marker"), "{}", logged.lines().find(|line| line.contains("marker")).unwrap());
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
