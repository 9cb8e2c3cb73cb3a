//! What logs and metrics contain of a tenant after a run of everything: ids, and no payload, URL, header, secret or name.

mod run;

use std::time::Duration;

use serde_json::json;
use shared::domain::endpoint::lane::Lane;
use shared::domain::job::{BEGINS_AFTER, LAST_PASS_AFTER, SECOND_PASS_AFTER};
use tracing::Level;

use crate::support::{Answer, Fate, Receiver, World, delivery_ids, over_network, text};
use crate::telemetry::{Counted, Log};
use run::{DATA, DESCRIPTION, ENDPOINT_NAME, EXTERNAL, HOST, KEY_NAME, METADATA, NAME, RESPONSE, SLUG, TRACE};

#[tokio::test]
async fn logs_contain_ids_and_nothing_else_that_a_tenant_supplies() {
    let (log, _logging) = Log::start_at(Level::DEBUG);
    let (counted, _counting) = Counted::start();
    let world = World::new().await;
    let platform = world.platform();
    let fields = json!({
        "name": NAME, "slug": SLUG, "external_id": format!("{EXTERNAL}-organization"), "description": DESCRIPTION,
        "metadata": {METADATA: METADATA},
    });
    let organization = platform.post("/v1/organizations", &fields).await.data(201);
    let id = text(&organization["id"]).to_owned();
    platform.post("/v1/organizations", &fields).await.is_error(409, "conflict");
    platform.get(&format!("/v1/organizations/ext:{EXTERNAL}-organization")).await.data(200);
    let keys = format!("/v1/organizations/{id}/api-keys");
    let key = text(&platform.post(&keys, &json!({"name": KEY_NAME})).await.data(201)["revealed_key"]).to_owned();
    let mut tenant = world.tenant().await.with_key(&key);
    tenant.id.clone_from(&id);

    let responding = |status| Receiver::always(Answer::status(status).body(RESPONSE));
    let (ok, failing, gone) = (responding(200).await, responding(500).await, responding(410).await);
    let base = |receiver: &Receiver| receiver.url().trim_end_matches('/').to_owned();
    let mut endpoints = Vec::new();
    for (number, url) in [base(&ok), base(&failing), base(&gone), format!("http://{HOST}")].iter().enumerate() {
        endpoints.push(run::endpoint(&tenant, url, number).await);
    }
    tenant
        .post("/webhooks/endpoints", &json!({"name": ENDPOINT_NAME, "url": HOST}))
        .await
        .is_error(400, "validation_failed");
    let event = run::publish(&tenant).await["data"].clone();
    for _ in 0..4 {
        world.drain().await;
        world.advance(Duration::from_secs(61));
        world.sweep().await;
    }
    run::publish(&tenant).await;
    for delivery in delivery_ids(&event) {
        tenant.post(&format!("/webhooks/deliveries/{delivery}/retry"), &json!({})).await;
    }
    for endpoint in &endpoints {
        let path = format!("/webhooks/endpoints/{endpoint}");
        tenant.post(&format!("{path}/test"), &json!({"data": {DATA: DATA}})).await;
        tenant.post(&format!("{path}/recover"), &json!({"since": "2020-01-01T00:00:00Z"})).await;
        tenant.post(&format!("{path}/rotations"), &json!({})).await;
    }
    world.drain().await;
    tenant.get(&format!("/events?type={DATA}")).await;
    tenant.get(&format!("/{DATA}")).await;
    run::name_resources(&tenant).await;
    run::publish_texts(&tenant).await;
    run::publish_what_a_schema_refuses(&world, &tenant).await;
    run::ingest(&world, &tenant).await;
    let mut kept_back = run::speak_svix(&world, &tenant, &base(&ok)).await;
    kept_back.extend(run::use_the_portal(&tenant).await);
    world.drain().await;

    // Each call of DynamoDB and SQS fails once.
    for operation in [
        "PutItem",
        "UpdateItem",
        "BatchWriteItem",
        "BatchGetItem",
        "Query",
        "GetItem",
        "TransactWriteItems",
        "SendMessageBatch",
    ] {
        let refuse = move |name: &str| if name == operation { Fate::Refuse } else { Fate::Pass };
        let process = world.process_on(&over_network(&world.sdk(), refuse));
        let broken = tenant.at(&process);
        run::publish(&broken).await;
        broken.post("/events", &json!({"type": "a.b", "data": {DATA: DATA}})).await;
        broken.patch(&format!("/webhooks/endpoints/{}", endpoints[0]), &json!({"name": ENDPOINT_NAME})).await;
        let _ = process.try_sweep().await;
        let _ = process.try_poll(Lane::Fast).await;
        process.meter.write_all_usage().await;
    }
    tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
    platform.delete(&format!("/v1/organizations/{id}?force=true")).await.data(202);
    for pause in [BEGINS_AFTER, SECOND_PASS_AFTER, LAST_PASS_AFTER] {
        world.advance(pause);
        world.sweep().await;
        world.drain().await;
    }
    platform.get(&format!("/v1/organizations/{id}")).await.is_error(404, "not_found");

    let logged = log.take().to_lowercase();
    for found in [
        &id,
        &endpoints[1],
        "organization.delete",
        "portal_session.sign_in",
        "a message was refused",
        "event.expunge",
        "attempt failed",
        "\"debug\"",
        "\"warn\"",
    ] {
        assert!(logged.contains(&found.to_lowercase()), "{found} is not logged");
    }
    assert!(!logged.contains("marker"), "{}", logged.lines().find(|line| line.contains("marker")).unwrap());
    let metrics = format!("{:?}", counted.counters()).to_lowercase();
    assert!(metrics.contains("accepted") && !metrics.contains("marker") && !metrics.contains(&id), "{metrics}");
    kept_back.extend([key, base(&ok), base(&failing), base(&gone), TRACE.to_owned()]);
    for kept_back in kept_back {
        assert!(!logged.contains(&kept_back.to_lowercase()), "{kept_back} is logged");
    }
}
