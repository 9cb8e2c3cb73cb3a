//! Pages show only forms that the person may send, and the resources of another organization or endpoint do not exist. The
//! table in `routes.rs` has what each role may do.

use http::Method;
use serde_json::json;

use super::routes::{ROUTES, Route};
use super::scene::fields;
use crate::support::{Answer, Browser, Receiver, Tenant, World, delivery_ids, text};

/// The path of a route with these resources.
fn path(route: &str, organization: &str, endpoint: &str, delivery: &str) -> String {
    let route = route.replace("{organization}", organization).replace("{endpoint}", endpoint);
    let route = route.replace("{event_type}", "order.placed");
    // The id of a delivery is that of its event and an ordinal.
    let event = delivery.strip_prefix("wdlv_").and_then(|rest| rest.get(..28)).unwrap_or(delivery);
    route.replace("{event}", &format!("wevt_{event}0000")).replace("{delivery}", delivery)
}

async fn resources(world: &World, receiver: &Receiver) -> (Tenant, String, String) {
    let tenant = world.tenant().await;
    world.platform().post("/v1/event-types", &json!({"name": "order.placed"})).await;
    let fields = json!({"url": receiver.url(), "event_types": ["*"], "retry_schedule": []});
    let endpoint = tenant.endpoint_with(fields).await;
    let event = json!({"type": "order.placed", "data": {"order": 1}});
    let delivery = delivery_ids(&tenant.post("/events", &event).await.data(202)).remove(0);
    world.drain().await;
    (tenant, endpoint.id, delivery)
}

#[tokio::test]
async fn a_member_sees_no_form_that_it_may_not_send() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let (tenant, endpoint, delivery) = resources(&world, &receiver).await;
    let member = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    for route in ROUTES.iter().filter(|route| route.method == "GET" && route.path.contains("{organization}/")) {
        let path = path(route.path, &tenant.id, &endpoint, &delivery);
        let reply = member.get(&path).await;
        assert!([200, 403].contains(&reply.status), "{path}: {}", reply.status);
        if reply.status == 200 && reply.headers["content-type"].to_str().unwrap().starts_with("text/html") {
            let forms = reply.html().matches("method=\"post\"").count();
            assert_eq!(forms, 1, "{path} has only the form that signs out");
        }
    }
}

#[tokio::test]
async fn the_resources_of_another_organization_or_endpoint_are_not_found() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (other, foreign, foreign_delivery) = resources(&world, &receiver).await;
    let (tenant, endpoint, delivery) = resources(&world, &receiver).await;
    let second = tenant.endpoint_with(json!({"url": receiver.url(), "event_types": ["never"]})).await;
    let owner = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let bound = Browser::signed_in(&tenant, &json!({"role": "admin", "endpoints": [second.id]})).await;
    let mut forms = 0;
    let named = |route: &&Route| route.path.contains("{endpoint}") || route.path.contains("{delivery}");
    for Route { method, path: route, .. } in ROUTES.iter().filter(named) {
        for (browser, path) in [
            (&owner, path(route, &tenant.id, &foreign, &foreign_delivery)),
            (&owner, path(route, &other.id, &foreign, &foreign_delivery)),
            (&owner, path(route, &tenant.id, "nonsense", "nonsense")),
            (&bound, path(route, &tenant.id, &endpoint, &delivery)),
        ] {
            forms += 1;
            let fields = fields(route, "https://example.com/", forms);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let reply = match *method {
                "GET" => browser.send(Method::GET, &path, &[], None).await,
                _ => browser.post(&path, &fields).await,
            };
            assert_eq!(reply.status, 404, "{method} {path}");
        }
    }
    let untouched = other.get(&format!("/webhooks/endpoints/{foreign}")).await.data(200);
    assert_eq!(text(&untouched["status"]), "active");
}
