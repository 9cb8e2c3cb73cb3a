//! Requests of replays while another replay of the endpoint is open or has just ended.

use std::time::Duration;

use serde_json::{Value, json};

use super::progress::{MANY, missed};
use super::{NOT_JOINED, OLD_ENOUGH, all_time, publish, replay};
use crate::support::{EVENT_TYPE, Receiver, Tenant, World, text};

async fn cancel(tenant: &Tenant, job: &Value) {
    tenant.post(&format!("/jobs/{}/cancel", text(&job["id"])), &json!({})).await.data(200);
}

#[tokio::test]
async fn an_endpoint_has_one_open_replay_by_events() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, MANY).await;
    let path = format!("{}/replay", endpoint.path());
    let open = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!(open["status"], "open");
    for other in [
        all_time("all"),
        json!({"since": "2020-01-01T00:00:00.001Z", "what": "missed"}),
        json!({"since": "2020-01-01T00:00:00Z", "what": "missed", "event_types": [EVENT_TYPE]}),
    ] {
        let refused = tenant.post(&path, &other).await;
        refused.is_error(409, "replay_open");
        let message = text(&refused.body["error"]["message"]);
        assert!(message.contains(&format!("/jobs/{}/cancel", text(&open["id"]))), "{message}");
        tenant.post(&format!("{path}?dry_run=true"), &other).await.data(200);
    }
    let joined = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!([&joined["id"], &joined["created_at"]], [&open["id"], &open["created_at"]]);
    assert_eq!(replay(&tenant, &endpoint, &all_time("failed")).await["deliveries"], 0, "it does not go by events");
    let other = tenant.endpoint(&Receiver::new().await).await;
    assert_eq!(replay(&tenant, &other, &all_time("all")).await["deliveries"], 500, "each endpoint has its own");

    cancel(&tenant, &open).await;
    let next = replay(&tenant, &endpoint, &all_time("all")).await;
    assert_eq!((&next["id"], &next["replay"]["what"]), (&open["id"], &json!("all")));
    assert_ne!(next["created_at"], open["created_at"]);
    // What ends in the millisecond of the request counts as ended before it.
    world.advance(Duration::from_secs(1));
    world.run_to_the_end().await;
    assert_eq!(
        receiver.received().len(),
        MANY,
        "what the first one sent is on its way when the second one is requested"
    );
}

#[tokio::test]
async fn replays_within_ten_minutes_send_500_at_once_together() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, MANY).await;
    let open = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!(open["deliveries"], 500);
    cancel(&tenant, &open).await;
    world.drain().await;
    world.advance(Duration::from_secs(599));
    let next = replay(&tenant, &endpoint, &all_time("all")).await;
    assert_eq!(json!([next["status"], next["deliveries"]]), json!(["open", 0]));
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 500 + MANY);
    world.advance(Duration::from_secs(600));
    assert_eq!(replay(&tenant, &endpoint, &all_time("all")).await["deliveries"], 500);
}

#[tokio::test]
async fn requests_at_once_begin_one_replay() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, 50).await;
    let path = format!("{}/replay", endpoint.path());
    let (processes, body) = ([0; 4].map(|_| world.another_process()), all_time("all"));
    let requests = processes.iter().map(async |process| tenant.at(process).post(&path, &body).await.data(202));
    let jobs = futures_util::future::join_all(requests).await;
    assert!(jobs.iter().all(|job| job["created_at"] == jobs[0]["created_at"]));
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 50);
}

#[tokio::test]
async fn the_same_request_within_a_minute_joins_a_replay_that_has_ended() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    world.drain().await;
    world.advance(OLD_ENOUGH);
    let first = replay(&tenant, &endpoint, &all_time("all")).await;
    assert_eq!(json!([first["status"], first["deliveries"]]), json!(["done", 1]));
    world.drain().await;
    world.advance(NOT_JOINED.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(replay(&tenant, &endpoint, &all_time("all")).await, first);
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
    world.advance(Duration::from_millis(1));
    let second = replay(&tenant, &endpoint, &all_time("all")).await;
    assert_eq!(json!([second["status"], second["deliveries"]]), json!(["done", 1]));
    let other = json!({"since": "2020-01-01T00:00:00Z", "what": "all", "event_types": ["nothing"]});
    assert_eq!(replay(&tenant, &endpoint, &other).await["deliveries"], 0, "another selection is another replay");
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 3);
}
