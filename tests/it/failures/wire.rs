//! The network of the function under test. It records every call and applies the faults of the test.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Call, Fate};

/// The occurrences of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Each fate occurs once. The SDK's next attempt passes.
    Once,
    /// The fates occur at every attempt in turn, until the process is replaced.
    Always,
}

/// Faults of one kind of call.
#[derive(Debug, Clone)]
pub(super) struct Spoilt {
    pub(super) kind: &'static str,
    /// The number of calls of the kind that pass before.
    pub(super) after: usize,
    pub(super) fates: Vec<Fate>,
    pub(super) times: Times,
}

/// The network. Clones share its state.
#[derive(Clone)]
pub(super) struct Wire(Arc<State>);

struct State {
    spoilt: Vec<Spoilt>,
    counts: Vec<AtomicUsize>,
    is_armed: AtomicBool,
    seen: Mutex<Vec<Call>>,
}

impl Wire {
    pub(super) fn new(spoilt: Vec<Spoilt>) -> Self {
        let counts = spoilt.iter().map(|_| AtomicUsize::new(0)).collect();
        Self(Arc::new(State { spoilt, counts, is_armed: AtomicBool::new(false), seen: Mutex::default() }))
    }

    /// Runs `act` while the network records calls and applies faults.
    pub(super) async fn armed<T>(&self, act: impl Future<Output = T>) -> T {
        self.0.is_armed.store(true, Ordering::SeqCst);
        let done = act.await;
        self.0.is_armed.store(false, Ordering::SeqCst);
        done
    }

    pub(super) fn fate(&self, call: &Call) -> Fate {
        if !self.0.is_armed.load(Ordering::SeqCst) {
            return Fate::Pass;
        }
        self.0.seen.lock().unwrap().push(call.clone());
        let kind = call.kind();
        let spoilt = self.0.spoilt.iter().zip(&self.0.counts).filter(|(spoilt, _)| spoilt.kind == kind);
        for (Spoilt { after, fates, times, .. }, count) in spoilt {
            let Some(number) = count.fetch_add(1, Ordering::SeqCst).checked_sub(*after) else { continue };
            if number < fates.len() || *times == Times::Always {
                return fates[number % fates.len()].clone();
            }
        }
        Fate::Pass
    }

    /// Whether every fault occurred.
    pub(super) fn is_spoilt(&self) -> bool {
        let hit = |(spoilt, count): (&Spoilt, &AtomicUsize)| count.load(Ordering::SeqCst) > spoilt.after;
        self.0.spoilt.iter().zip(&self.0.counts).all(hit)
    }

    pub(super) fn seen(&self) -> Vec<Call> {
        self.0.seen.lock().unwrap().clone()
    }

    /// The kinds of the recorded calls.
    pub(super) fn kinds(&self) -> BTreeSet<String> {
        self.seen().iter().map(Call::kind).collect()
    }
}
