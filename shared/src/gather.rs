//! Puts what comes while a call is under way into the next call.
//!
//! Who comes alone is served at once, and waits for nobody. Under load calls grow instead of becoming more, up to
//! their limit, without a timer that would have to be right for both.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// Makes one call for several inputs, and returns an output for each, in order.
type Call<Key, In, Out> = dyn Fn(Key, Vec<In>) -> BoxFuture<'static, Vec<Out>> + Send + Sync;

/// Gathers inputs, those of a key apart from all others: of each key one call is under way at a time.
pub(crate) struct Gather<Key, In, Out> {
    shared: Arc<Shared<Key, In, Out>>,
}

struct Shared<Key, In, Out> {
    call: Box<Call<Key, In, Out>>,
    most: usize,
    /// The keys that have a call under way, and what waits for their next one.
    open: Mutex<HashMap<Key, Vec<Waiting<In, Out>>>>,
}

struct Waiting<In, Out> {
    input: In,
    tell: oneshot::Sender<Out>,
}

/// The call ended without an output: it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

impl<Key, In, Out> Gather<Key, In, Out>
where
    Key: Clone + Eq + Hash + Send + Sync + 'static,
    In: Send + 'static,
    Out: Send + 'static,
{
    /// Gathers at most `most` inputs into one call.
    pub(crate) fn new(
        most: usize,
        call: impl Fn(Key, Vec<In>) -> BoxFuture<'static, Vec<Out>> + Send + Sync + 'static,
    ) -> Self {
        Self { shared: Arc::new(Shared { call: Box::new(call), most, open: Mutex::default() }) }
    }

    /// The output for one input.
    pub(crate) async fn one(&self, key: Key, input: In) -> Result<Out, Lost> {
        let (tell, told) = oneshot::channel();
        self.enter(key, [Waiting { input, tell }]);
        told.await.map_err(|_| Lost)
    }

    /// The outputs for several inputs, in order. They get into one call, if they fit.
    pub(crate) async fn all(&self, key: Key, inputs: Vec<In>) -> Result<Vec<Out>, Lost> {
        let (mut waiting, mut outputs) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
        for input in inputs {
            let (tell, told) = oneshot::channel();
            waiting.push(Waiting { input, tell });
            outputs.push(told);
        }
        self.enter(key, waiting);
        let mut told = Vec::with_capacity(outputs.len());
        for output in outputs {
            told.push(output.await.map_err(|_| Lost)?);
        }
        Ok(told)
    }

    /// The same by a call of their own, for inputs that fill one: it need not wait for another to end.
    pub(crate) async fn alone(&self, key: Key, inputs: Vec<In>) -> Vec<Out> {
        (self.shared.call)(key, inputs).await
    }

    fn enter(&self, key: Key, waiting: impl IntoIterator<Item = Waiting<In, Out>>) {
        match self.shared.open().entry(key.clone()) {
            Entry::Occupied(mut open) => return open.get_mut().extend(waiting),
            Entry::Vacant(closed) => closed.insert(waiting.into_iter().collect()),
        };
        // A task of its own: who made the first request may go away, and the others still want theirs done.
        tokio::spawn(Arc::clone(&self.shared).run(key));
    }
}

impl<Key: Clone + Eq + Hash, In, Out> Shared<Key, In, Out> {
    /// Makes calls until nothing waits any more.
    async fn run(self: Arc<Self>, key: Key) {
        while let Some(waiting) = self.next(&key) {
            let (inputs, tells): (Vec<_>, Vec<_>) = waiting.into_iter().map(|it| (it.input, it.tell)).unzip();
            // After a panic nobody is told, which is told by that.
            let called = async { (self.call)(key.clone(), inputs).await };
            let outputs = AssertUnwindSafe(called).catch_unwind().await.unwrap_or_default();
            for (tell, output) in tells.into_iter().zip(outputs) {
                // Who does not wait any more does not want to know.
                let _ = tell.send(output);
            }
        }
    }

    fn next(&self, key: &Key) -> Option<Vec<Waiting<In, Out>>> {
        let mut open = self.open();
        let waiting = open.get_mut(key)?;
        if waiting.is_empty() {
            open.remove(key);
            return None;
        }
        let rest = waiting.split_off(waiting.len().min(self.most));
        Some(std::mem::replace(waiting, rest))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Vec<Waiting<In, Out>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Key, In, Out> Clone for Gather<Key, In, Out> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<Key, In, Out> fmt::Debug for Gather<Key, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gather")
    }
}
