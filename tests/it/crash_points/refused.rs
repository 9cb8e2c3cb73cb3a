//! A batch of which the catalogue refuses a part.

use http::Method;
use serde_json::{Value, json};

use super::publishing::FIRST_REQUEST_ENDS;
use super::scene::{Scene, cut_everywhere};
use crate::event_types::{TYPES, create};
use crate::support::{EVENT_TYPE, Process, Reply, Tenant, World, delivery_ids};

async fn publish(tenant: &Tenant) -> Reply {
    let event = |data: Value| json!({"type": EVENT_TYPE, "data": data});
    let batch = json!({"events": [event(json!({"text": "a"})), event(json!({}))]}).to_string();
    tenant.call(Method::POST, "/events/batch", &[("idempotency-key", "once")], Some(batch)).await
}

fn statuses(results: &Value) -> [&Value; 2] {
    [&results[0]["status"], &results[1]["status"]]
}

/// After the cut, the schema also allows the entry that was refused.
#[tokio::test]
async fn an_entry_that_was_refused_stays_refused_after_every_cut() {
    let prepare = async |world: World| {
        create(&world, &json!({"name": EVENT_TYPE, "schema": {"required": ["text"]}})).await;
        Scene::with_endpoint(world, json!({}), []).await.0
    };
    let handle = async |process: &Process, scene: &Scene| publish(&scene.tenant.at(process)).await.data(202);
    let repeat = async |scene: &mut Scene, first: Option<Value>| {
        let path = format!("{TYPES}/{EVENT_TYPE}");
        scene.world.platform().patch(&path, &json!({"schema": true})).await.data(200);
        let mut reply = publish(&scene.tenant).await;
        if reply.status == 503 {
            scene.world.advance(FIRST_REQUEST_ENDS);
            reply = publish(&scene.tenant).await;
        }
        let results = reply.data(202);
        assert_eq!(results[0]["status"], "accepted");
        if let Some(first) = first {
            assert_eq!(statuses(&first), ["accepted", "refused"]);
            assert_eq!(statuses(&results), ["accepted", "refused"]);
            assert_eq!(results[0]["event"]["id"], first[0]["event"]["id"]);
        }
        let again = publish(&scene.tenant).await.data(202);
        assert_eq!(statuses(&again), statuses(&results), "the last answer is final");
        let accepted = results.as_array().unwrap().iter().filter(|result| result["status"] == "accepted");
        let ids: Vec<_> = accepted.flat_map(|result| delivery_ids(&result["event"])).collect();
        scene.expect(ids, &["success"], 1);
    };
    assert!(cut_everywhere(prepare, handle, repeat).await >= 6);
}
