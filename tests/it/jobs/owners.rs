//! The API of jobs for their owners.

use serde_json::{Value, json};

use super::{PAGE, begin_recovery, exhausted, held, jobs, resume, seconds, summary};
use crate::support::{Fate, Gate, Receiver, World, over_network_by_call, text};

#[tokio::test]
async fn jobs_are_listed_latest_first_with_their_progress_and_for_thirty_days_after_their_end() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let first = held(&tenant, &receiver, 3).await;
    tenant.set_status(&first, "active").await;
    world.advance(seconds(1));
    let second = held(&tenant, &receiver, 2).await;
    tenant.set_status(&second, "disabled").await;

    let listed = jobs(&tenant).await;
    let ids: Vec<_> = listed.iter().map(|job| text(&job["endpoint_id"])).collect();
    assert_eq!(ids, [&second.id, &first.id]);
    assert_eq!(summary(&listed[0]), json!(["fail_held", "open", 0]));
    assert_eq!(summary(&listed[1]), json!(["release", "open", 3]));
    assert_eq!(tenant.get(&format!("/jobs/{}", text(&listed[1]["id"]))).await.data(200), listed[1]);

    let page = tenant.get("/jobs?limit=1").await;
    assert_eq!(page.body["data"], json!([listed[0]]));
    let cursor = text(&page.body["pagination"]["next_cursor"]).to_owned();
    let rest = tenant.get(&format!("/jobs?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest.body["data"], &rest.body["pagination"]["has_more"]), (&json!([listed[1]]), &json!(false)));
    tenant.get("/jobs?cursor=x").await.is_error(400, "validation_failed");

    world.sweep().await;
    world.advance(seconds(121));
    world.sweep().await;
    let ended = jobs(&tenant).await;
    assert_eq!(
        ended.iter().map(summary).collect::<Vec<_>>(),
        [json!(["fail_held", "done", 2]), json!(["release", "done", 3])]
    );
    assert!(ended.iter().all(|job| job["ended_at"].is_string()));
    world.advance(seconds(30 * 86_400));
    assert_eq!(jobs(&tenant).await, [Value::Null; 0], "30 days have passed");
}

#[tokio::test]
async fn a_removal_of_data_is_listed_for_a_day_after_its_end() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = tenant.post("/events", &json!({"type": "a.b", "data": {}})).await.data(202);
    tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
    world.advance(seconds(121));
    world.sweep().await;
    let [removal] = &jobs(&tenant).await[..] else { panic!("one job") };
    assert_eq!((&removal["kind"], &removal["status"]), (&json!("expunge"), &json!("done")));
    let path = format!("/jobs/{}", text(&removal["id"]));
    world.advance(seconds(86_400 - 60));
    tenant.get(&path).await.data(200);
    world.advance(seconds(60));
    tenant.get(&path).await.is_error(404, "not_found");
    assert_eq!(jobs(&tenant).await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_cancelled_recovery_retries_nothing_more_and_can_be_requested_again() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (endpoint, receiver) = exhausted(&world, &tenant, 2).await;
    let id = begin_recovery(&world, &tenant, &endpoint).await;
    let path = format!("/jobs/{id}/cancel");
    let cancelled = tenant.post(&path, &json!({})).await.data(200);
    assert_eq!(summary(&cancelled), json!(["recover", "cancelled", 0]));
    tenant.post(&path, &json!({})).await.is_error(409, "conflict");
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);

    world.advance(seconds(1));
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    let again = tenant.post(&format!("{}/recover", endpoint.path()), &body).await.data(202);
    assert_eq!(json!([again["id"], again["recovered"], again["joined"]]), json!([id, 2, null]));
    world.drain().await;
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn releases_and_failings_of_held_deliveries_cannot_be_cancelled() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let released = held(&tenant, &receiver, 1).await;
    resume(&world, &tenant, &released).await;
    let failed = held(&tenant, &receiver, 1).await;
    tenant.set_status(&failed, "disabled").await;
    for job in jobs(&tenant).await {
        let refused = tenant.post(&format!("/jobs/{}/cancel", text(&job["id"])), &json!({})).await;
        refused.is_error(409, "conflict");
        assert!(text(&refused.body["error"]["message"]).contains(text(&job["kind"])), "{}", refused.body);
    }
    assert!(jobs(&tenant).await.iter().all(|job| job["status"] == "open"));
}

#[tokio::test]
async fn a_tenant_can_neither_read_nor_cancel_another_tenants_jobs() {
    let world = World::new().await;
    let (owner, other_tenant) = (world.tenant().await, world.tenant().await);
    let (endpoint, _receiver) = exhausted(&world, &owner, 1).await;
    let id = begin_recovery(&world, &owner, &endpoint).await;
    assert_eq!(jobs(&other_tenant).await, [Value::Null; 0]);
    let as_owner = owner.with_key(&other_tenant.key);
    for tenant in [&other_tenant, &as_owner] {
        tenant.get(&format!("/jobs/{id}")).await.is_error(404, "not_found");
        tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.is_error(404, "not_found");
    }
    as_owner.get("/jobs").await.is_error(404, "not_found");
    assert_eq!(jobs(&owner).await[0]["status"], "open");
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_a_page_is_done_stays_cancelled() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (endpoint, _receiver) = exhausted(&world, &tenant, 150).await;
    let id = begin_recovery(&world, &tenant, &endpoint).await;
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (write_reached, write_gate) = (reached.clone(), gate.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() != "PutItem job, advanced" {
            return Fate::Pass;
        }
        write_reached.open();
        Fate::Behind(write_gate.clone())
    });
    let sweeper = world.process_on(&network);
    let cancel = async {
        reached.pass().await;
        tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.data(200);
        gate.open();
    };
    tokio::join!(async { sweeper.sweep().await }, cancel);
    world.advance(seconds(121));
    world.sweep().await;
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["recover", "cancelled", 0]));
    assert_eq!(world.in_the_queue().await, PAGE, "the page that was in progress");
}
