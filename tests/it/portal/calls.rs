//! What the pages call and cost: only what the role of the function allows, and a bounded number of read units.

use http::Method;
use serde_json::json;

use super::routes::{ROUTES, Route};
use super::scene::{Scene, fields};
use crate::meter::Meter;
use crate::support::{
    Answer, Browser, Fate, Receiver, World, delivery_ids, done, listed, over_network_by_call, recorded,
};

/// Sends each route of an organization once, each with resources of its own.
#[tokio::test]
async fn the_portal_makes_only_the_listed_calls_to_aws() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let (network, calls) = recorded(&world.sdk());
    let process = world.process_on(&network);
    world.platform().post("/v1/event-types", &json!({"name": "matrix.one"})).await.data(201);
    for Route { method, path: route, .. } in
        ROUTES.iter().filter(|route| route.path.starts_with("/portal/{organization}"))
    {
        let Scene { tenant, path, .. } = Scene::new(&world, &failing, route).await;
        let browser = Browser::signed_in(&tenant.at(&process), &json!({"role": "owner"})).await;
        let reply = match *method {
            "GET" => browser.send(Method::GET, &path, &[], None).await,
            _ => {
                let fields = fields(route, &failing.url(), 1);
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                browser.post(&path, &fields).await
            }
        };
        assert!([200, 201, 303].contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.html());
    }
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    let listed = listed("portal");
    for ((action, index), partitions) in done(calls) {
        let allowed = listed.get(&(action.clone(), index.clone()));
        let allowed = allowed.unwrap_or_else(|| panic!("{action} on {index:?} is not listed"));
        assert!(partitions.is_subset(allowed), "{action} on {index:?}: {partitions:?}");
    }
}

#[tokio::test]
async fn pages_read_a_bounded_number_of_units() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let fields = json!({"url": failing.url(), "event_types": ["*"], "retry_schedule": []});
    let endpoint = tenant.endpoint_with(fields).await;
    let mut deliveries = Vec::new();
    for _ in 0..60 {
        let event = json!({"type": "order.placed", "data": {"note": "x".repeat(3_000)}});
        deliveries.extend(delivery_ids(&tenant.post("/events", &event).await.data(202)));
    }
    world.drain().await;
    let network = over_network_by_call(&world.sdk(), |_| Fate::Pass);
    let (sdk, meter) = Meter::install(&network).unwrap();
    let process = world.process_on(&sdk);
    let browser = Browser::signed_in(&tenant.at(&process), &json!({"role": "owner"})).await;
    let own = format!("/endpoints/{}", endpoint.id);
    for (page, most_units) in [
        ("/endpoints".to_owned(), 25.0),
        (own.clone(), 8.0),
        (format!("{own}/deliveries"), 60.0),
        (format!("{own}/test"), 8.0),
        (format!("{own}/settings"), 8.0),
        (format!("{own}/signing"), 5.0),
        (format!("{own}/replay"), 20.0),
        (format!("/deliveries/{}", deliveries[0]), 8.0),
    ] {
        meter.take();
        assert_eq!(browser.get(&browser.path(&page)).await.status, 200, "{page}");
        let bill = meter.take();
        assert!(bill.read_units <= most_units && bill.write_units <= 2.0, "{page}: {bill:?}");
    }
}
