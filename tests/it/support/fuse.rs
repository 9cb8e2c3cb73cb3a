//! Death at a chosen moment: a process whose calls out all pass through one fuse, which blows after one of them.

use std::future::{Future, pending};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Fate, Gate, Process, World, over_network};

/// Lets calls out through, one after the other. When so many were performed, it blows: the last one is not answered,
/// and no other is performed.
///
/// To die after a call, before its answer comes, and to die before the next call leave the same behind: what the
/// process knew is gone in either case. So there is one cut between any two calls. Clones are the same fuse.
#[derive(Debug, Clone)]
pub(crate) struct Fuse(Arc<State>);

#[derive(Debug)]
struct State {
    lasts: usize,
    /// How many calls were performed. It is held during a call, so that the same ones are performed every time.
    performed: Mutex<usize>,
    blown: Gate,
}

impl Fuse {
    /// A fuse that blows after so many calls; after none, the first one is not performed.
    pub(crate) fn after(calls: usize) -> Self {
        Self(Arc::new(State { lasts: calls, performed: Mutex::default(), blown: Gate::closed() }))
    }

    /// A process that dies when this fuse blows.
    pub(crate) fn process(&self, world: &World) -> Process {
        let fuse = self.clone();
        world.process_on(&over_network(&world.sdk(), move |_| Fate::Through(fuse.clone())))
    }

    /// Performs a call, as far as the fuse lets it.
    pub(crate) async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let mut performed = self.0.performed.lock().await;
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
