//! Death at a chosen moment: a process whose calls out all pass through one fuse, which blows after one of those that
//! change something.

use std::future::{Future, pending};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Fate, Gate, Process, World, over_network};

/// Lets calls out through, one after the other. When so many that change something were performed, it blows: the last
/// one is not answered, and no other is performed.
///
/// To die after a call, before its answer comes, and to die before the next call leave the same behind: what the
/// process knew is gone in either case. A call that only reads leaves nothing behind. So there is one cut between any two
/// calls that change something, and none at the reads between them. Clones are the same fuse.
#[derive(Debug, Clone)]
pub(crate) struct Fuse(Arc<State>);

#[derive(Debug)]
struct State {
    lasts: usize,
    /// How many changing calls were performed. It is held during each call, so that the same ones are performed every time.
    performed: Mutex<usize>,
    /// Opens when the first changing call is to be performed, or nothing more is.
    begun: Gate,
    blown: Gate,
}

impl Fuse {
    /// A fuse that blows after so many changing calls; after none, not even a read is performed.
    pub(crate) fn after(calls: usize) -> Self {
        Self(Arc::new(State {
            lasts: calls,
            performed: Mutex::default(),
            begun: Gate::closed(),
            blown: Gate::closed(),
        }))
    }

    /// Opens when the process is about to change something, or is dead.
    pub(crate) fn begun(&self) -> Gate {
        self.0.begun.clone()
    }

    /// A process that dies when this fuse blows.
    pub(crate) fn process(&self, world: &World) -> Process {
        let fuse = self.clone();
        world.process_on(&over_network(&world.sdk(), move |_| Fate::Through(fuse.clone())))
    }

    /// Performs a call that only reads, unless the fuse is blown.
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

    /// Performs a call that changes something, as far as the fuse lets it.
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

    /// Does what a process does, and drops it where the process dies. `None` if that happens.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.blown.pass() => None,
            done = work => Some(done),
        }
    }
}
