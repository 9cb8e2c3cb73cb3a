//! Every operation that sends a delivery sends it to the queue of its endpoint's lane.

use std::time::Duration;

use serde_json::json;
use shared::domain::endpoint::lane::Lane;

use crate::support::{Answer, Endpoint, Fate, Receiver, Tenant, World, over_network_by_call, text, without_lists};
use crate::suspension::{failing, suspend};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The numbers of messages in the queues of the fast and the slow lane, including hidden ones.
fn queued(world: &World) -> [usize; 2] {
    Lane::ALL.map(|lane| world.messages_of(lane).len())
}

/// A tenant with one endpoint in the slow lane.
async fn slow(world: &World, receiver: &Receiver, schedule: &[u32]) -> (Tenant, Endpoint) {
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
    world.set_lane(&tenant, &endpoint, Lane::Slow).await;
    (tenant, endpoint)
}

#[tokio::test]
async fn an_event_is_sent_to_each_endpoints_lane_and_delivered() {
    let (world, quick, late) = (World::new().await, Receiver::new().await, Receiver::new().await);
    let (tenant, _) = slow(&world, &late, &[]).await;
    tenant.endpoint(&quick).await;
    let deliveries = tenant.publish().await;
    assert_eq!(queued(&world), [1, 1]);
    assert_eq!(world.process.poll_of(Lane::Slow, 10).await, 1);
    late.only();
    assert_eq!(quick.received().len(), 0);
    assert_eq!(world.process.poll().await, 1);
    quick.only();
    for delivery in deliveries {
        assert_eq!(tenant.delivery_status(&delivery).await, "success");
    }
    assert_eq!(queued(&world), [0, 0]);
}

#[tokio::test]
async fn a_batch_of_events_with_an_idempotency_key_is_sent_to_its_endpoints_lanes() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, _) = slow(&world, &receiver, &[]).await;
    tenant.endpoint(&receiver).await;
    let events = json!({"events": vec![json!({"type": "a.b", "data": {}}); 25]}).to_string();
    let headers = [("idempotency-key", "once")];
    tenant.call(http::Method::POST, "/events/batch", &headers, Some(events)).await.data(202);
    assert_eq!(queued(&world), [25, 25]);
    world.drain().await;
    assert_eq!(receiver.received().len(), 50);
}

/// One of the two queues refuses messages. A retry with the same key completes the request and sends nothing twice.
#[tokio::test]
async fn a_publish_request_that_reaches_only_one_lane_is_503_and_completed_by_its_retry() {
    for unreachable in Lane::ALL {
        let (world, quick, late) = (World::new().await, Receiver::new().await, Receiver::new().await);
        let (tenant, _) = slow(&world, &late, &[]).await;
        tenant.endpoint(&quick).await;
        let queue = world.queue_url_of(unreachable).to_owned();
        let network = over_network_by_call(&world.sdk(), move |call| {
            let is_unreachable = call.operation == "SendMessageBatch" && call.body["QueueUrl"] == queue.as_str();
            if is_unreachable { Fate::Refuse } else { Fate::Pass }
        });
        let publish = async |tenant: &Tenant| {
            let event = json!({"type": "a.b", "data": {}}).to_string();
            tenant.call(http::Method::POST, "/events", &[("idempotency-key", "once")], Some(event)).await
        };
        publish(&tenant.at(&world.process_on(&network))).await.is_error(503, "unavailable");
        assert_eq!(queued(&world), if unreachable == Lane::Fast { [0, 1] } else { [1, 0] });
        publish(&tenant).await.data(202);
        world.run_to_the_end().await;
        quick.only();
        late.only();
    }
}

#[tokio::test]
async fn test_events_and_manual_retries_are_sent_to_the_endpoints_lane() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, endpoint) = slow(&world, &receiver, &[]).await;
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    assert_eq!(queued(&world), [0, 1]);
    world.drain().await;
    let delivery = tenant.deliveries(&endpoint).await.remove(0);
    assert_eq!(delivery["status"], "exhausted");
    tenant.post(&format!("/webhooks/deliveries/{}/retry", text(&delivery["id"])), &json!({})).await.data(202);
    assert_eq!(queued(&world), [0, 1]);
    world.drain().await;
    assert_eq!(tenant.delivery_status(text(&delivery["id"])).await, "success");
}

#[tokio::test]
async fn recoveries_by_the_api_and_by_the_sweep_are_sent_to_the_endpoints_lane() {
    for by_sweep in [false, true] {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
        let (tenant, endpoint) = slow(&world, &receiver, &[]).await;
        tenant.publish_one().await;
        world.drain().await;
        world.advance(seconds(1));
        let hasty = over_network_by_call(&world.sdk(), move |it| if by_sweep { without_lists(it) } else { Fate::Pass });
        let at = tenant.at(&world.process_on(&hasty));
        let path = format!("{}/recover", endpoint.path());
        let reply = at.post(&path, &json!({"since": "2020-01-01T00:00:00Z"})).await;
        assert_eq!(reply.status, if by_sweep { 503 } else { 202 });
        if by_sweep {
            world.sweep().await;
        }
        assert_eq!(queued(&world), [0, 1]);
        world.drain().await;
        assert_eq!(receiver.received().len(), 2);
    }
}

#[tokio::test]
async fn releases_by_the_api_and_by_the_sweep_are_sent_to_the_endpoints_lane() {
    for by_sweep in [false, true] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let (tenant, endpoint) = slow(&world, &receiver, &[]).await;
        tenant.set_status(&endpoint, "paused").await;
        tenant.publish_one().await;
        let hasty = over_network_by_call(&world.sdk(), move |it| if by_sweep { without_lists(it) } else { Fate::Pass });
        tenant.at(&world.process_on(&hasty)).set_status(&endpoint, "active").await;
        assert_eq!(queued(&world), [0, usize::from(!by_sweep)]);
        if by_sweep {
            world.sweep().await;
        }
        assert_eq!(queued(&world), [0, 1]);
        world.drain().await;
        receiver.only();
    }
}

#[tokio::test]
async fn the_probe_of_a_suspended_endpoint_is_sent_to_its_lane() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = failing(&world, 10).await;
    suspend(&world, &tenant).await;
    world.set_lane(&tenant, &endpoint, Lane::Slow).await;
    let parked = tenant.publish_one().await;
    world.advance(seconds(61));
    world.sweep().await;
    assert_eq!(queued(&world), [0, 1]);
    assert_eq!(world.process.poll_of(Lane::Slow, 10).await, 1);
    assert_eq!(tenant.delivery_status(&parked).await, "success");
    assert_eq!(receiver.received().len(), 11);
}

#[tokio::test]
async fn a_delayed_copy_is_sent_to_the_endpoints_lane_at_the_end_of_the_attempt() {
    for (lane, expected) in [(Lane::Slow, [0, 1]), (Lane::Fast, [1, 0])] {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
        let (tenant, endpoint) = slow(&world, &receiver, &[40]).await;
        let delivery = tenant.publish_one().await;
        world.set_lane(&tenant, &endpoint, lane).await;
        assert_eq!(world.process.poll_of(Lane::Slow, 10).await, 1, "the slow lane attempts the message");
        receiver.only();
        assert_eq!(queued(&world), expected, "{lane:?}");
        assert_eq!(world.in_flight().await, 0);
        world.advance(seconds(39));
        assert_eq!(world.drain().await, 0);
        world.advance(seconds(2));
        assert_eq!(world.drain().await, 1);
        assert_eq!(tenant.delivery_status(&delivery).await, "success");
    }
}

#[tokio::test]
async fn a_message_for_a_short_retry_is_hidden_in_the_slow_lane() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, _) = slow(&world, &receiver, &[5]).await;
    let delivery = tenant.publish_one().await;
    world.drain().await;
    assert_eq!((queued(&world), world.in_flight().await), ([0, 1], 1));
    world.advance(seconds(4));
    assert_eq!(world.drain().await, 0);
    world.advance(seconds(1));
    assert_eq!(world.drain().await, 1);
    assert_eq!(tenant.delivery_status(&delivery).await, "success");
}

/// The sweep does not read the endpoints of due deliveries. The fast lane forwards the messages for slow ones.
#[tokio::test]
async fn due_deliveries_of_a_slow_endpoint_go_through_the_fast_lane() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, _) = slow(&world, &receiver, &[3600]).await;
    let delivery = tenant.publish_one().await;
    world.drain().await;
    world.advance(seconds(4000));
    world.sweep().await;
    assert_eq!(queued(&world), [1, 0]);
    assert_eq!(world.process.poll().await, 1);
    assert_eq!(queued(&world), [0, 1]);
    receiver.only();
    world.drain().await;
    assert_eq!(tenant.delivery_status(&delivery).await, "success");
}

#[tokio::test]
async fn an_unreadable_message_in_the_slow_lane_becomes_a_dead_letter() {
    let world = World::new().await;
    let send = world.sqs().send_message().queue_url(world.queue_url_of(Lane::Slow)).message_body("unreadable");
    send.send().await.unwrap();
    for _ in 0..shared::queue::schema::MAX_RECEIVES {
        assert_eq!(world.drain().await, 1);
        world.advance(seconds(shared::queue::schema::VISIBILITY_SECONDS.into()));
    }
    assert_eq!(world.drain().await, 0);
    assert_eq!(world.take_dead_letters().await, ["unreadable"]);
}
