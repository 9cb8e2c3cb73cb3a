//! The costs of the `svix` dialect: publishing through it, and the idempotency keys that its clients send.

use http::Method;
use serde_json::{Value, json};

use super::{Metered, calls, event, subscribed};
use crate::meter::{Bill, Meter};
use crate::support::{Fate, Process, Tenant, World, over_network_by_call};

const KEY: (&str, &str) = ("idempotency-key", "auto_1");

/// A message with the data of the measured event.
fn message() -> Value {
    json!({"eventType": "member.added", "payload": event(1)["data"]})
}

fn application(tenant: &Tenant) -> String {
    format!("/api/v1/app/{}", tenant.id.replace("org_", "app_"))
}

/// The units are those of an event with the same key and external id.
#[tokio::test]
async fn a_message_costs_what_an_event_costs() {
    let mut named = message();
    named["eventId"] = json!("order-1");
    // With a key, the event is written before the list of its delivery.
    for (body, headers, writes, claims, units) in [
        (message(), &[][..], 1, 0, 2.0),
        (message(), &[KEY][..], 2, 1, 3.0),
        (named.clone(), &[][..], 1, 1, 3.0),
        (named, &[KEY][..], 2, 2, 4.0),
    ] {
        let (world, _receiver, tenant) = subscribed(1).await;
        let path = format!("{}/msg", application(&tenant));
        let bill = Metered::new(&world).publish(&tenant, &path, headers, &body).await;
        let mut expected = calls([("BatchWriteItem", writes), ("GetItem", 1), ("SendMessageBatch", 1)]);
        expected.extend((claims > 0).then(|| ("PutItem".to_owned(), claims)));
        assert_eq!(bill.calls, expected, "{headers:?} {body}");
        assert_eq!((bill.write_units, bill.read_units, bill.queue_requests), (units, 1.0, 1), "{headers:?} {body}");
    }
}

/// The first request claims its key, which is one write, and repetitions read what it wrote.
#[tokio::test]
async fn a_repeated_message_costs_its_claim_and_reading_the_first_one() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let path = format!("{}/msg", application(&tenant));
    tenant.call(Method::POST, &path, &[KEY], Some(message().to_string())).await;
    world.drain().await;
    let bill = Metered::new(&world).publish(&tenant, &path, &[KEY], &message()).await;
    assert_eq!(bill.calls, calls([("BatchGetItem", 2), ("GetItem", 1), ("PutItem", 1)]));
    // The refused claim; the state, the event, and the delivery with its list.
    assert_eq!((bill.write_units, bill.read_units), (1.0, 1.0 + 1.0 + 2.0));
}

/// The cost of a POST after the key and the organization are cached.
async fn post(process: &Process, meter: &Meter, tenant: &Tenant, key: Option<&str>) -> Bill {
    let tenant = tenant.at(process);
    tenant.get(&format!("{}/endpoint", application(&tenant))).await;
    meter.take();
    let headers = key.map(|key| ("idempotency-key", key));
    let path = format!("{}/endpoint", application(&tenant));
    let body = json!({"url": "https://example.com/"}).to_string();
    let reply = tenant.call(Method::POST, &path, headers.as_slice(), Some(body)).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    meter.take()
}

#[tokio::test]
async fn the_key_of_another_post_costs_two_writes_and_its_repetition_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let network = over_network_by_call(&world.sdk(), |_| Fate::Pass);
    let (sdk, meter) = Meter::install(&network).unwrap();
    let process = world.process_on(&sdk);
    // The first one also looks for the platform's own organization, at most every 30 s.
    post(&process, &meter, &tenant, None).await;
    let [without, with] =
        [post(&process, &meter, &tenant, None).await, post(&process, &meter, &tenant, Some("a")).await];
    let puts = |bill: &Bill| bill.calls.get("PutItem").copied().unwrap_or_default();
    assert_eq!((puts(&without), puts(&with)), (0, 2), "the claim, and the answer");
    assert_eq!(with.write_units, without.write_units + 2.0);
    assert_eq!(with.read_units, without.read_units, "the organization is cached");
    let again = post(&process, &meter, &tenant, Some("a")).await;
    assert_eq!((puts(&again), again.write_units), (1, 1.0), "the refused claim");
    assert!(!again.calls.contains_key("TransactWriteItems"), "{again:?}");
}
