//! Calls that a process coalesces for several requests. A failure for one request does not affect the others.

mod publishing;
mod records;

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Call, Fate, Process, World, over_network_by_call};

/// The maximum number of rounds until concurrent requests are coalesced.
const MOST_ROUNDS: usize = 50;

/// Repeats a round in new worlds until its requests shared a call. Their timing varies, but every round's result must
/// be correct.
async fn until_shared(round: impl AsyncFn(World) -> bool) {
    let world = World::new().await;
    for _ in 0..MOST_ROUNDS {
        if Box::pin(round(world.new_world().await)).await {
            return;
        }
    }
    panic!("no call was shared");
}

/// The recorded calls of a process.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// Creates a process whose calls are recorded. `fate` gets the call and its number among the calls of its
    /// operation, from 0.
    fn of_process(world: &World, fate: impl Fn(&Call, usize) -> Fate + Send + Sync + 'static) -> (Process, Self) {
        let calls = Self::default();
        let recorded = calls.clone();
        let network = over_network_by_call(&world.sdk(), move |call| {
            let number = recorded.of(&call.operation).len();
            recorded.0.lock().unwrap().push(call.clone());
            fate(call, number)
        });
        (world.process_on(&network), calls)
    }

    fn of(&self, operation: &str) -> Vec<Call> {
        self.0.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// The deliveries in each coalesced call that writes records.
    fn recorded(&self) -> Vec<Vec<String>> {
        self.of("BatchExecuteStatement")
            .iter()
            .map(|call| call.inserted().map(|item| sort_key(&item)).collect())
            .collect()
    }
}

fn sort_key(item: &Value) -> String {
    item["sk"]["S"].as_str().unwrap().to_owned()
}
