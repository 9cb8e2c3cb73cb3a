//! Reads beside a transaction, which may find one of its items changed and another one not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use serde_json::json;

use crate::support::{Gate, Process, Receiver, Splitter, World, eventually};

/// Between the items of its transactions waits a process for the gate, once.
fn process_behind(world: &World, backwards: bool, begun: &Gate, gate: &Gate) -> (Splitter, Process) {
    let (begun, gate) = (begun.clone(), gate.clone());
    let splitter = Splitter::new(
        move || backwards,
        move || {
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                begun.open();
                gate.pass().await;
            }
            .boxed()
        },
    );
    let process = world.process_on(&splitter.over(&world.sdk()));
    (splitter, process)
}

/// A publisher reads the state and the targets while the endpoint is being made, and so what it remembers may lack the
/// endpoint.
#[tokio::test]
async fn an_endpoint_gets_the_next_event_of_a_publisher_that_read_within_its_transaction() {
    for backwards in [false, true] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let (begun, gate) = (Gate::closed(), Gate::closed());
        let (_, maker) = process_behind(&world, backwards, &begun, &gate);
        let publisher = world.another_process();
        let (maker, publisher) = (tenant.at(&maker), tenant.at(&publisher));
        let within = async {
            begun.pass().await;
            let found = publisher.publish().await.len();
            assert_eq!(found, usize::from(backwards), "the target is there, or not");
            gate.open();
        };
        tokio::join!(maker.endpoint(&receiver), within);
        assert_eq!(publisher.publish().await.len(), 1, "backwards: {backwards}");
    }
}

#[tokio::test]
async fn a_resumed_endpoint_is_not_parked_for_by_a_publisher_that_read_within_its_transaction() {
    for backwards in [false, true] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "status": "paused"})).await;
        let (begun, gate) = (Gate::closed(), Gate::closed());
        let (_, maker) = process_behind(&world, backwards, &begun, &gate);
        let publisher = world.another_process();
        let (maker, publisher) = (tenant.at(&maker), tenant.at(&publisher));
        let within = async {
            begun.pass().await;
            publisher.publish().await;
            gate.open();
        };
        tokio::join!(maker.set_status(&endpoint, "active"), within);
        publisher.publish().await;
        world.drain().await;
        assert_eq!(receiver.received().len(), 2, "backwards: {backwards}");
    }
}

/// The second change finds the first one's transaction under way.
#[tokio::test]
async fn a_change_beside_another_one_is_decided_again_and_not_refused() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (begun, gate) = (Gate::closed(), Gate::closed());
    let (splitter, process) = process_behind(&world, false, &begun, &gate);
    let tenant = tenant.at(&process);
    let (path, is_done) = (endpoint.path(), Arc::new(AtomicBool::new(false)));
    let (name, timeout) = (json!({"name": "first"}), json!({"timeout_seconds": 9}));
    let first = tenant.patch(&path, &name);
    let second = async {
        begun.pass().await;
        let reply = tenant.patch(&path, &timeout).await;
        is_done.store(true, Ordering::SeqCst);
        reply
    };
    let open = async {
        eventually("they meet", async || splitter.conflicts() > 0).await;
        assert!(!is_done.load(Ordering::SeqCst));
        gate.open();
    };
    let (first, second, ()) = tokio::join!(first, second, open);
    first.data(200);
    let changed = second.data(200);
    assert_eq!((&changed["name"], &changed["timeout_seconds"]), (&json!("first"), &json!(9)));
}

#[tokio::test]
async fn an_endpoint_that_is_deleted_beside_a_change_is_deleted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (begun, gate) = (Gate::closed(), Gate::closed());
    let (splitter, process) = process_behind(&world, false, &begun, &gate);
    let tenant = tenant.at(&process);
    let path = endpoint.path();
    let delete = async {
        begun.pass().await;
        tenant.delete(&format!("{path}?permanent=true")).await
    };
    let open = async {
        eventually("they meet", async || splitter.conflicts() > 0).await;
        gate.open();
    };
    let name = json!({"name": "n"});
    let (changed, deleted, ()) = tokio::join!(tenant.patch(&path, &name), delete, open);
    changed.data(200);
    deleted.data(204);
    tenant.get(&path).await.is_error(404, "not_found");
    assert!(tenant.publish().await.is_empty());
}
