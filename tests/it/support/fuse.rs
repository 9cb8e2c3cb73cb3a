//! Crashes at a chosen point: all calls of a process pass through one fuse, which blows after a number of changing
//! calls.

use std::future::{Future, pending};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Fate, Gate, Process, World, over_network};

/// Lets calls pass one at a time. After this number of performed changing calls the fuse blows: the last call gets no
/// response, and no later call is performed.
///
/// A crash after a call but before its response leaves the same state as a crash before the next call, because the
/// state in memory is lost in both cases. A read leaves no state. So there is one cut between two consecutive changing
/// calls, and no cut at reads. Clones share the fuse.
#[derive(Debug, Clone)]
pub(crate) struct Fuse(Arc<State>);

#[derive(Debug)]
struct State {
    lasts: usize,
    /// The number of performed changing calls. The mutex is locked during each call, so that every run performs the
    /// same calls.
    performed: Mutex<usize>,
    /// Opens before the first changing call is performed, or when no more calls pass.
    begun: Gate,
    blown: Gate,
}

impl Fuse {
    /// A fuse that blows after this many changing calls. With 0, no call is performed, not even a read.
    pub(crate) fn after(calls: usize) -> Self {
        Self(Arc::new(State {
            lasts: calls,
            performed: Mutex::default(),
            begun: Gate::closed(),
            blown: Gate::closed(),
        }))
    }

    /// A gate that opens when the process is about to change something or is dead.
    pub(crate) fn begun(&self) -> Gate {
        self.0.begun.clone()
    }

    /// A process that dies when this fuse blows.
    pub(crate) fn process(&self, world: &World) -> Process {
        let fuse = self.clone();
        world.process_on(&over_network(&world.sdk(), move |_| Fate::Through(fuse.clone())))
    }

    /// Performs a read, unless the fuse has blown.
    pub(crate) async fn pass_read<T>(&self, call: impl Future<Output = T>) -> T {
        let performed = self.0.performed.lock().await;
        if *performed < self.0.lasts {
            return call.await;
        }
        drop(performed);
        self.0.begun.open();
        self.0.blown.open();
        pending().await
    }

    /// Performs a changing call as far as the fuse lets it.
    pub(crate) async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let mut performed = self.0.performed.lock().await;
        self.0.begun.open();
        if *performed < self.0.lasts {
            let answer = call.await;
            *performed += 1;
            if *performed < self.0.lasts {
                return answer;
            }
        }
        self.0.blown.open();
        pending().await
    }

    /// Runs the work of a process. When the fuse blows, it drops the work and returns `None`.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.blown.pass() => None,
            done = work => Some(done),
        }
    }
}
