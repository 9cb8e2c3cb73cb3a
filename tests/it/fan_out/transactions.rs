//! Reads during a transaction, which may find one of its items changed and another one not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use serde_json::json;

use crate::support::{Gate, Process, Receiver, Splitter, World, eventually};

/// A process that stops once between the items of a transaction: it opens `reached` and waits for `gate`.
fn process_behind(world: &World, backwards: bool, reached: &Gate, gate: &Gate) -> (Splitter, Process) {
    let (reached, gate) = (reached.clone(), gate.clone());
    let splitter = Splitter::new(
        move || backwards,
        move || {
            let (reached, gate) = (reached.clone(), gate.clone());
            async move {
                reached.open();
                gate.pass().await;
            }
            .boxed()
        },
    );
    let process = world.process_on(&splitter.over(&world.sdk()));
    (splitter, process)
}

/// A publisher reads the state and the targets while the endpoint is being created, so its cached targets may not
/// contain the endpoint.
#[tokio::test]
async fn an_endpoint_gets_the_next_event_of_a_publisher_that_read_during_its_transaction() {
    for backwards in [false, true] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let (reached, gate) = (Gate::closed(), Gate::closed());
        let (_, maker) = process_behind(&world, backwards, &reached, &gate);
        let publisher = world.another_process();
        let (maker, publisher) = (tenant.at(&maker), tenant.at(&publisher));
        let within = async {
            reached.pass().await;
            let found = publisher.publish().await.len();
            assert_eq!(found, usize::from(backwards), "whether the target has been written");
            gate.open();
        };
        tokio::join!(maker.endpoint(&receiver), within);
        assert_eq!(publisher.publish().await.len(), 1, "backwards: {backwards}");
    }
}

#[tokio::test]
async fn a_publisher_that_read_during_the_transaction_that_resumes_an_endpoint_does_not_park_the_next_delivery() {
    for backwards in [false, true] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "status": "paused"})).await;
        let (reached, gate) = (Gate::closed(), Gate::closed());
        let (_, maker) = process_behind(&world, backwards, &reached, &gate);
        let publisher = world.another_process();
        let (maker, publisher) = (tenant.at(&maker), tenant.at(&publisher));
        let within = async {
            reached.pass().await;
            publisher.publish().await;
            gate.open();
        };
        tokio::join!(maker.set_status(&endpoint, "active"), within);
        publisher.publish().await;
        world.drain().await;
        assert_eq!(receiver.received().len(), 2, "backwards: {backwards}");
    }
}

/// The second change conflicts with the first one's transaction.
#[tokio::test]
async fn a_change_that_conflicts_with_another_one_is_repeated_and_not_refused() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (splitter, process) = process_behind(&world, false, &reached, &gate);
    let tenant = tenant.at(&process);
    let (path, is_done) = (endpoint.path(), Arc::new(AtomicBool::new(false)));
    let (name, timeout) = (json!({"name": "first"}), json!({"timeout_seconds": 9}));
    let first = tenant.patch(&path, &name);
    let second = async {
        reached.pass().await;
        let reply = tenant.patch(&path, &timeout).await;
        is_done.store(true, Ordering::SeqCst);
        reply
    };
    let open = async {
        eventually("the transactions conflict", async || splitter.conflicts() > 0).await;
        assert!(!is_done.load(Ordering::SeqCst));
        gate.open();
    };
    let (first, second, ()) = tokio::join!(first, second, open);
    first.data(200);
    let changed = second.data(200);
    assert_eq!((&changed["name"], &changed["timeout_seconds"]), (&json!("first"), &json!(9)));
}

#[tokio::test]
async fn an_endpoint_that_is_deleted_during_a_change_is_deleted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (splitter, process) = process_behind(&world, false, &reached, &gate);
    let tenant = tenant.at(&process);
    let path = endpoint.path();
    let delete = async {
        reached.pass().await;
        tenant.delete(&format!("{path}?permanent=true")).await
    };
    let open = async {
        eventually("the transactions conflict", async || splitter.conflicts() > 0).await;
        gate.open();
    };
    let name = json!({"name": "n"});
    let (changed, deleted, ()) = tokio::join!(tenant.patch(&path, &name), delete, open);
    changed.data(200);
    deleted.data(204);
    tenant.get(&path).await.is_error(404, "not_found");
    assert!(tenant.publish().await.is_empty());
}
