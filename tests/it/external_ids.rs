//! External ids of organizations, endpoints and events: unique, accepted in paths, and freed with their resources.

mod events;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Reply, Tenant, World, text};

const URL: &str = "https://example.com/";

/// Asserts that a request is refused because the resource with this id has the external id.
#[track_caller]
fn assert_taken(reply: &Reply, first: &str) {
    reply.is_error(409, "conflict");
    assert!(
        text(&reply.body["error"]["message"]).ends_with(&format!("external_id is taken by {first}")),
        "{}",
        reply.body
    );
}

async fn new_endpoint(tenant: &Tenant, external_id: &str) -> Reply {
    let body = json!({"name": "n", "url": URL, "event_types": ["a"], "external_id": external_id});
    tenant.post("/webhooks/endpoints", &body).await
}

#[tokio::test]
async fn an_organizations_external_id_is_unique_in_the_deployment() {
    let world = World::new().await;
    let platform = world.platform();
    let create = async |external_id: &str| {
        platform.post("/v1/organizations", &json!({"name": "n", "external_id": external_id})).await
    };
    let first = create("crm-1").await.data(201);
    assert_eq!(first["external_id"], "crm-1");
    let id = text(&first["id"]);
    assert_taken(&create("crm-1").await, id);
    let second = create("crm-2").await.data(201);
    let path = format!("/v1/organizations/{}", text(&second["id"]));
    assert_taken(&platform.patch(&path, &json!({"external_id": "crm-1"})).await, id);
    assert_eq!(platform.get(&path).await.data(200)["external_id"], "crm-2");
    // The same one again is no conflict, and a changed or cleared one is free.
    platform.patch(&path, &json!({"external_id": "crm-2"})).await.data(200);
    assert_eq!(platform.patch(&path, &json!({"external_id": "crm-3"})).await.data(200)["external_id"], "crm-3");
    let third = create("crm-2").await.data(201);
    assert_eq!(platform.patch(&path, &json!({"external_id": null})).await.data(200)["external_id"], Value::Null);
    platform.patch(&path, &json!({"external_id": null, "name": "Other"})).await.data(200);
    create("crm-3").await.data(201);
    assert_eq!(platform.get("/v1/organizations/ext:crm-2").await.data(200)["id"], third["id"]);
    assert_eq!(platform.get("/v1/organizations/ext:crm-4").await.status, 404);
    assert_eq!(world.items("external_id").await.len(), 3);
}

#[tokio::test]
async fn the_response_tells_the_layers_around_it_which_organization_the_path_names() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let path = format!("/v1/organizations/{}", tenant.id);
    world.platform().patch(&path, &json!({"external_id": "acme"})).await.data(200);
    for (path, event) in [
        ("/v1/organizations/ext:acme/events", json!({"type": "a", "data": {}})),
        ("/api/v1/app/acme/msg", json!({"eventType": "a", "payload": {}})),
    ] {
        let reply = tenant.post(path, &event).await;
        assert_eq!((reply.status, reply.organization.as_deref()), (202, Some(tenant.id.as_str())), "{path}");
    }
}

#[tokio::test]
async fn only_the_platform_changes_an_organizations_external_id() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let path = format!("/v1/organizations/{}", tenant.id);
    for value in [json!("mine"), json!(null)] {
        tenant.patch(&path, &json!({"external_id": value})).await.is_error(403, "forbidden");
    }
    world.platform().patch(&path, &json!({"external_id": "acme"})).await.data(200);
    // The external id of another organization is as unknown as one that does not exist.
    for named in ["ext:acme", "ext:nobody", "ext:", "ext:org_1"] {
        other.get(&format!("/v1/organizations/{named}")).await.is_error(404, "not_found");
        let event = json!({"type": "a", "data": {}});
        other.post(&format!("/v1/organizations/{named}/events"), &event).await.is_error(404, "not_found");
    }
    let anonymous = tenant.with_key("");
    anonymous.get("/v1/organizations/ext:acme").await.is_error(401, "unauthorized");
}

#[tokio::test]
async fn an_endpoints_external_id_is_unique_in_its_organization() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let first = new_endpoint(&tenant, "main").await.data(201);
    assert_eq!(first["external_id"], "main");
    let id = text(&first["id"]);
    assert_taken(&new_endpoint(&tenant, "main").await, id);
    assert_eq!(tenant.get("/webhooks/endpoints").await.data(200).as_array().unwrap().len(), 1);
    new_endpoint(&other, "main").await.data(201);
    let second = new_endpoint(&tenant, "second").await.data(201);
    let path = format!("/webhooks/endpoints/{}", text(&second["id"]));
    assert_taken(&tenant.patch(&path, &json!({"external_id": "main"})).await, id);
    tenant.patch(&path, &json!({"external_id": "second", "name": "Same"})).await.data(200);
    assert_eq!(tenant.patch(&path, &json!({"external_id": "third"})).await.data(200)["external_id"], "third");
    new_endpoint(&tenant, "second").await.data(201);
    tenant.patch(&path, &json!({"external_id": null})).await.data(200);
    new_endpoint(&tenant, "third").await.data(201);
    // Disabling keeps it, deleting frees it.
    let first_path = format!("/webhooks/endpoints/{id}");
    tenant.delete(&first_path).await.data(200);
    assert_taken(&new_endpoint(&tenant, "main").await, id);
    assert_eq!(tenant.delete(&format!("{first_path}?permanent=true")).await.status, 204);
    tenant.get("/webhooks/endpoints/ext:main").await.is_error(404, "not_found");
    new_endpoint(&tenant, "main").await.data(201);
}

#[tokio::test]
async fn external_ids_stand_for_ids_in_every_path() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    world
        .platform()
        .patch(&format!("/v1/organizations/{}", tenant.id), &json!({"external_id": "acme"}))
        .await
        .data(200);
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "external_id": "main"})).await;
    let event = json!({"type": "a", "data": {}, "external_id": "evt.1"});
    let organization = "/v1/organizations/ext:acme";
    let event = tenant.post(&format!("{organization}/events"), &event).await.data(202);
    world.drain().await;
    let read = async |path: &str| {
        let reply = tenant.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    };
    assert_eq!(read(organization).await["data"]["id"], tenant.id);
    let by_id = read(&format!("/events/{}", text(&event["id"]))).await;
    assert_eq!(read(&format!("{organization}/events/ext:evt.1")).await["data"], by_id["data"]);
    let named = "webhooks/endpoints/ext:main";
    assert_eq!(read(&format!("{organization}/{named}")).await["data"]["id"], endpoint.id);
    assert_eq!(read(&format!("{organization}/{named}/deliveries")).await["data"].as_array().unwrap().len(), 1);
    assert_eq!(read(&format!("{organization}/webhooks/ext:main")).await["id"], endpoint.id);
    assert_eq!(read("/v1/webhook-endpoints/ext:main").await["id"], endpoint.id);
    assert_eq!(read("/v1/webhook-endpoints/ext:main/deliveries").await["count"], 1);
    assert!(text(&read("/v1/endpoints/ext:main").await["id"]).starts_with("ep_"));
    tenant.post(&format!("{organization}/{named}/test"), &json!({})).await.data(200);
    tenant.post(&format!("{organization}/{named}/rotations"), &json!({})).await.data(200);
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    tenant.post(&format!("{organization}/{named}/recover"), &since).await.data(202);
    let batch = json!({"events": [{"type": "a", "data": {}}]});
    tenant.post(&format!("{organization}/events/batch"), &batch).await.data(202);
    tenant.get(&format!("{organization}/usage")).await.data(200);
    tenant.patch(&format!("{organization}/{named}"), &json!({"name": "Renamed"})).await.data(200);
    // Another tenant's names are unknown, and so are malformed ones.
    let other = world.tenant().await;
    for path in ["/webhooks/endpoints/ext:main", "/events/ext:evt.1", "/v1/endpoints/ext:main"] {
        other.get(path).await.is_error(404, "not_found");
    }
    for path in
        ["/webhooks/endpoints/ext:", "/webhooks/endpoints/ext:we_1", "/events/ext:%00", "/webhooks/deliveries/ext:main"]
    {
        tenant.get(path).await.is_error(404, "not_found");
    }
    assert_eq!(tenant.delete(&format!("{named}?permanent=true")).await.status, 404, "a path needs its slash");
    assert_eq!(tenant.delete(&format!("/{named}?permanent=true")).await.status, 204);
}

#[tokio::test]
async fn of_concurrent_requests_for_an_external_id_one_succeeds() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let processes: Vec<_> = (0..4).map(|_| tenant.at(&world.another_process())).collect();
    let created = futures_util::future::join_all(processes.iter().map(|it| new_endpoint(it, "main"))).await;
    let mut statuses: Vec<_> = created.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert!(statuses[0] == 201 && statuses[1..].iter().all(|status| *status == 409 || *status == 503), "{statuses:?}");
    let endpoints = tenant.get("/webhooks/endpoints").await.data(200);
    assert_eq!(endpoints.as_array().unwrap().len(), 1);
    let path = format!("/webhooks/endpoints/{}", text(&endpoints[0]["id"]));
    let changes = ["b", "c", "d", "e"];
    let changed = processes.iter().zip(changes).map(async |(it, name)| {
        it.call(Method::PATCH, &path, &[], Some(json!({"external_id": name}).to_string())).await.status
    });
    futures_util::future::join_all(changed).await;
    let left = text(&tenant.get(&path).await.data(200)["external_id"]).to_owned();
    let items = world.items("external_id").await;
    assert_eq!(items.len(), 1, "the others are free");
    assert_eq!(items[0]["sk"].as_s().unwrap(), &left);
}
