//! Lists of endpoints that replays added to the fan-outs of events, and what readers show of them.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::event::appended::{AppendedList, MAX_LISTED};
use shared::domain::ids::{EndpointId, EventId, OrganizationId};
use shared::store::{Append, Store};

use super::{OLD_ENOUGH, all_time, publish, replay};
use crate::meter::Meter;
use crate::support::{EVENT_TYPE, Endpoint, Receiver, Tenant, World, delivery_ids, text};

/// More endpoints than one list has.
const MANY: usize = 63;

/// Events that this many endpoints missed, which then replay them one after the other.
async fn appended(world: &World, receiver: &Receiver, events: usize, endpoints: usize) -> (Tenant, Vec<Endpoint>) {
    let tenant = world.tenant().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"max_endpoints": 1_000}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    for _ in 0..events {
        publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    }
    world.advance(OLD_ENOUGH);
    let mut all = Vec::new();
    for _ in 0..endpoints {
        let endpoint = tenant.endpoint(receiver).await;
        assert_eq!(replay(&tenant, &endpoint, &all_time("missed")).await["deliveries"], events);
        all.push(endpoint);
    }
    (tenant, all)
}

fn receivers(event: &Value) -> Vec<&str> {
    event["webhook_deliveries"].as_array().unwrap().iter().map(|delivery| text(&delivery["endpoint_id"])).collect()
}

#[tokio::test]
async fn a_list_is_full_before_the_next_one_begins_and_every_reader_shows_all_of_them() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, endpoints) = appended(&world, &receiver, 2, MANY).await;
    let mut lists: Vec<_> = world.items("appended").await;
    lists.sort_by_key(|list| list["sk"].as_s().unwrap().clone());
    let sizes: Vec<_> = lists.iter().map(|list| list["endpoints"].as_b().unwrap().as_ref().len() / 16).collect();
    assert_eq!(sizes, [53, 10, 53, 10]);
    let expected: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();

    let listed = tenant.get("/events").await.data(200);
    assert_eq!(listed.as_array().unwrap().len(), 2, "no list is shown as an event");
    for event in listed.as_array().unwrap() {
        assert_eq!(receivers(event), expected);
        let read = tenant.get(&format!("/events/{}", text(&event["id"]))).await.data(200);
        assert_eq!(&read, event);
        let ids: BTreeSet<_> = delivery_ids(event).into_iter().collect();
        assert_eq!(ids.len(), MANY, "each delivery has an id of its own");
    }
    let last = &endpoints[MANY - 1];
    let of_last = tenant.get(&format!("/events?endpoint_id={}", last.id)).await.data(200);
    assert_eq!(of_last, listed);

    let page = tenant.get("/events?limit=1").await;
    assert_eq!(page.body["data"], json!([listed[0]]));
    let cursor = text(&page.body["pagination"]["next_cursor"]).to_owned();
    let rest = tenant.get(&format!("/events?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest.body["data"], &rest.body["pagination"]["has_more"]), (&json!([listed[1]]), &json!(false)));

    let numbered = format!("/v1/webhook-endpoints/{}/deliveries?organization_id={}", last.id, tenant.id);
    let numbered = world.platform().get(&numbered).await;
    assert_eq!(numbered.status, 200, "{}", numbered.body);
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 2 * MANY);
}

#[tokio::test]
async fn adding_an_endpoint_to_a_list_costs_a_write_unit_up_to_the_last_one_of_the_list() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    let (network, meter) = Meter::install(&world.sdk()).unwrap();
    let store = Store::new(&network, world.table(), Duration::from_secs(86_400));
    let organization = OrganizationId::parse(&tenant.id).unwrap();
    let mut list = AppendedList { event: EventId::parse(&event).unwrap(), number: 9_999, endpoints: Vec::new() };
    while list.endpoints.len() < MAX_LISTED {
        let endpoint = EndpointId::new(world.clock.now(), [1; 8]);
        store.append_endpoint(&organization, &list, endpoint).await.unwrap();
        list.endpoints.push(endpoint);
        let units = meter.take().write_units;
        assert!(units <= 1.0, "{units} for entry {}", list.endpoints.len());
    }
}

#[tokio::test]
async fn a_large_fan_out_that_replays_added_is_removed_with_the_data_of_its_event() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, _) = appended(&world, &receiver, 1, MANY).await;
    let event = text(&tenant.get("/events").await.data(200)[0]["id"]).to_owned();
    let job = tenant.delete(&format!("/events/{event}/data")).await.data(202);
    assert_eq!(job["deliveries"], MANY);
    world.run_to_the_end().await;
    assert!(receiver.received().is_empty());
    assert!(world.records().await.values().all(|record| record.error.as_deref() == Some("expunged")));
}

/// The endpoint is added to the list, and the process dies before it writes the record. Any replay of this endpoint makes
/// the delivery.
#[tokio::test]
async fn what_a_dead_replay_left_in_a_list_is_shown_as_pending_and_made_by_the_next_replay() {
    for what in ["missed", "all"] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let (tenant, endpoints) = appended(&world, &receiver, 1, 1).await;
        world.purge().await;
        world.delete_items("delivery").await;
        world.delete_items("job").await;
        let event = tenant.get("/events").await.data(200)[0].clone();
        let delivery = &event["webhook_deliveries"][0];
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!(0)));
        assert_eq!(replay(&tenant, &endpoints[0], &all_time("failed")).await["deliveries"], 0);
        assert_eq!(replay(&tenant, &endpoints[0], &all_time(what)).await["deliveries"], 1, "{what}");
        world.run_to_the_end().await;
        assert_eq!(receiver.received().len(), 1);
        assert_eq!(delivery_ids(&tenant.get("/events").await.data(200)[0]), [text(&delivery["id"])]);
    }
}

#[tokio::test]
async fn lists_expire_with_their_event() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, _) = appended(&world, &receiver, 1, 1).await;
    let expiry = async |entity: &str| world.items(entity).await[0]["expires_at"].clone();
    assert_eq!(expiry("appended").await, expiry("event").await);
    // DynamoDB removes the two items in any order.
    world.delete_items("event").await;
    assert_eq!(tenant.get("/events").await.data(200), json!([]));
    let other = tenant.endpoint(&receiver).await;
    assert_eq!(replay(&tenant, &other, &all_time("all")).await["deliveries"], 0);
}

/// The first queries of a page use up its read units, and that of the newest event's partition returns only lists.
#[tokio::test]
async fn a_page_whose_read_units_are_used_up_has_an_event_although_its_lists_come_first() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for _ in 0..80 {
        let random = std::iter::repeat_with(|| STANDARD.encode(clock::secret_bytes::<1_200>()));
        let text: String = random.take(80).collect();
        publish(&tenant, json!({"type": EVENT_TYPE, "data": {"text": text}})).await;
    }
    world.advance(OLD_ENOUGH);
    let newest = publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    let (store, organization) = (world.store(), OrganizationId::parse(&tenant.id).unwrap());
    let endpoint = EndpointId::new(world.clock.now(), [1; 8]);
    for number in 0..12 {
        // Which endpoints the lists have does not matter here.
        let list = AppendedList { event: EventId::parse(&newest).unwrap(), number, endpoints: Vec::new() };
        let written = store.append_endpoint(&organization, &list, endpoint).await.unwrap();
        assert_eq!(written, Append::Written);
    }
    let page = tenant.get("/events?limit=50").await;
    assert_eq!(page.body["data"][0]["id"], json!(newest));
    assert_eq!(page.body["pagination"]["has_more"], json!(true));
}
