//! Processes that wait at a chosen call, while others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Fate, Gate, Process, World, over_network_by_call};

/// A process whose changing call with this number waits at the gate. `reached` opens when it waits. Also returns the number of
/// changing calls that it has made.
pub(crate) fn stopped_at(world: &World, number: usize, reached: &Gate, gate: &Gate) -> (Process, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let (counted, reached, gate) = (Arc::clone(&made), reached.clone(), gate.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.reads() || counted.fetch_add(1, Ordering::SeqCst) != number {
            return Fate::Pass;
        }
        reached.open();
        Fate::Behind(gate.clone())
    });
    (world.process_on(&network), made)
}
