//! Calls that serve several requests of a process at once: what goes wrong for one of them is nobody else's trouble.

mod publishing;
mod records;

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Call, Fate, Process, World, over_network_by_call};

/// More rounds than it takes until requests come so close together that they share a call.
const MOST_ROUNDS: usize = 50;

/// Plays rounds, each in a world of its own, until requests shared a call in one. Who comes when is the machine's
/// business; what comes of it has to be right in each of them.
async fn until_shared(round: impl AsyncFn(World) -> bool) {
    let world = World::new().await;
    for _ in 0..MOST_ROUNDS {
        if Box::pin(round(world.anew().await)).await {
            return;
        }
    }
    panic!("no call is ever shared");
}

/// The calls that a process made.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// A process whose calls are noted and have this fate; it knows which number of its operation a call is, from 0.
    fn of_process(world: &World, fate: impl Fn(&Call, usize) -> Fate + Send + Sync + 'static) -> (Process, Self) {
        let calls = Self::default();
        let noted = calls.clone();
        let network = over_network_by_call(&world.sdk(), move |call| {
            let number = noted.of(&call.operation).len();
            noted.0.lock().unwrap().push(call.clone());
            fate(call, number)
        });
        (world.process_over(&network, world.clock.clock()), calls)
    }

    fn of(&self, operation: &str) -> Vec<Call> {
        self.0.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// The deliveries that each call for several records is about.
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
