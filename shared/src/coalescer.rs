//! Coalescing of calls: inputs that arrive while a call is in progress share the next call.
//!
//! A call is sent immediately if no call with the same key is in progress. Under load the calls get larger, up to
//! their limit, instead of more frequent. No timer is involved.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::oneshot;

/// Makes one call for several inputs. Returns an output for each input, in order.
type Call<Key, In, Out> = dyn Fn(Key, Vec<In>) -> BoxFuture<'static, Vec<Out>> + Send + Sync;

/// A coalescer. For each key one call is in progress at a time, and only inputs with the same key share calls.
pub(crate) struct Coalescer<Key, In, Out> {
    shared: Arc<Shared<Key, In, Out>>,
}

struct Shared<Key, In, Out> {
    call: Box<Call<Key, In, Out>>,
    max_inputs: usize,
    /// The keys with a call in progress, each with the inputs that wait for the next call.
    open: Mutex<HashMap<Key, Vec<Input<In, Out>>>>,
}

struct Input<In, Out> {
    input: In,
    sender: oneshot::Sender<Out>,
}

/// The call ended without an output, because it panicked or the runtime shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unanswered;

impl<Key, In, Out> Coalescer<Key, In, Out>
where
    Key: Clone + Eq + Hash + Send + Sync + 'static,
    In: Send + 'static,
    Out: Send + 'static,
{
    /// A coalescer whose calls have at most `max_inputs` inputs.
    pub(crate) fn new(
        max_inputs: usize,
        call: impl Fn(Key, Vec<In>) -> BoxFuture<'static, Vec<Out>> + Send + Sync + 'static,
    ) -> Self {
        Self { shared: Arc::new(Shared { call: Box::new(call), max_inputs, open: Mutex::default() }) }
    }

    /// Returns the output for one input.
    pub(crate) async fn call(&self, key: Key, input: In) -> Result<Out, Unanswered> {
        let (sender, receiver) = oneshot::channel();
        self.enqueue(key, [Input { input, sender }]);
        receiver.await.map_err(|_| Unanswered)
    }

    /// Returns the outputs for several inputs, in order, when all are available. The inputs share one call if they
    /// fit.
    pub(crate) async fn call_all(&self, key: Key, inputs: Vec<In>) -> Result<Vec<Out>, Unanswered> {
        let (mut waiting, mut outputs) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
        for input in inputs {
            let (sender, receiver) = oneshot::channel();
            waiting.push(Input { input, sender });
            outputs.push(receiver);
        }
        self.enqueue(key, waiting);
        join_all(outputs).await.into_iter().map(|receiver| receiver.map_err(|_| Unanswered)).collect()
    }

    /// Makes a separate call for inputs that fill one. It does not wait for a call in progress.
    pub(crate) async fn uncoalesced(&self, key: Key, inputs: Vec<In>) -> Vec<Out> {
        (self.shared.call)(key, inputs).await
    }

    fn enqueue(&self, key: Key, waiting: impl IntoIterator<Item = Input<In, Out>>) {
        match self.shared.open().entry(key.clone()) {
            Entry::Occupied(mut open) => return open.get_mut().extend(waiting),
            Entry::Vacant(closed) => closed.insert(waiting.into_iter().collect()),
        };
        let run = Run { shared: Arc::clone(&self.shared), key: Some(key) };
        // The calls run in a task of their own, because other inputs depend on them even if the first caller is
        // cancelled.
        tokio::spawn(run.make_calls());
    }
}

/// The sequence of calls for one key.
struct Run<Key: Eq + Hash, In, Out> {
    shared: Arc<Shared<Key, In, Out>>,
    /// `None` when the sequence has ended.
    key: Option<Key>,
}

impl<Key: Clone + Eq + Hash, In, Out> Run<Key, In, Out> {
    /// Makes calls until no inputs are waiting.
    async fn make_calls(mut self) {
        while let Some((key, waiting)) = self.next() {
            let (inputs, senders): (Vec<_>, Vec<_>) = waiting.into_iter().map(|it| (it.input, it.sender)).unzip();
            // After a panic there are no outputs, and the waiting callers get [`Unanswered`].
            let called = async { (self.shared.call)(key, inputs).await };
            let outputs = AssertUnwindSafe(called).catch_unwind().await.unwrap_or_default();
            for (sender, output) in senders.into_iter().zip(outputs) {
                // The caller may have been cancelled.
                let _ = sender.send(output);
            }
        }
    }

    fn next(&mut self) -> Option<(Key, Vec<Input<In, Out>>)> {
        let mut open = self.shared.open();
        let key = self.key.clone()?;
        let waiting = open.get_mut(&key)?;
        if waiting.is_empty() {
            open.remove(&key);
            self.key = None;
            return None;
        }
        let rest = waiting.split_off(waiting.len().min(self.shared.max_inputs));
        let next = std::mem::replace(waiting, rest);
        Some((key, next))
    }
}

impl<Key: Eq + Hash, In, Out> Drop for Run<Key, In, Out> {
    /// Lets waiting callers get [`Unanswered`] if the runtime shuts down during a call.
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.open().remove(&key);
        }
    }
}

impl<Key, In, Out> Shared<Key, In, Out> {
    fn open(&self) -> MutexGuard<'_, HashMap<Key, Vec<Input<In, Out>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Key, In, Out> Clone for Coalescer<Key, In, Out> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<Key, In, Out> fmt::Debug for Coalescer<Key, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gather")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;

    /// How long, in real time, a test waits for an expected event.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A call in progress. The test decides how it ends. A call that is dropped panics.
    struct Begun {
        key: char,
        inputs: Vec<u32>,
        end: oneshot::Sender<()>,
    }

    /// A coalescer that doubles numbers when the test allows it, and reports each call to the test.
    struct Doubler {
        coalescer: Coalescer<char, u32, u32>,
        begun: UnboundedReceiver<Begun>,
    }

    impl Doubler {
        fn of_at_most(max_inputs: usize) -> Self {
            let (show, begun) = unbounded_channel();
            Self {
                coalescer: Coalescer::new(max_inputs, move |key, inputs| double(show.clone(), key, inputs).boxed()),
                begun,
            }
        }

        /// Submits inputs, before the test continues.
        fn ask(&self, key: char, inputs: &[u32]) -> JoinHandle<Result<Vec<u32>, Unanswered>> {
            let (coalescer, inputs) = (self.coalescer.clone(), inputs.to_vec());
            let mut asking = Box::pin(async move { coalescer.call_all(key, inputs).await });
            // The future is polled until it waits for its call. The test awaits its output later.
            assert!(asking.as_mut().now_or_never().is_none());
            tokio::spawn(asking)
        }

        async fn next(&mut self) -> Begun {
            timeout(PATIENCE, self.begun.recv()).await.expect("a call begins").unwrap()
        }

        /// Whether no other call is in progress or about to begin.
        async fn is_idle(&mut self) -> bool {
            let ends = async {
                while !self.coalescer.shared.open().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, ends).await.expect("the last call ends");
            self.begun.try_recv().is_err()
        }
    }

    async fn double(show: UnboundedSender<Begun>, key: char, inputs: Vec<u32>) -> Vec<u32> {
        let (end, ended) = oneshot::channel();
        show.send(Begun { key, inputs: inputs.clone(), end }).unwrap();
        ended.await.expect("so the test will have it");
        inputs.iter().map(|input| 2 * input).collect()
    }

    async fn receiver(pending_call: JoinHandle<Result<Vec<u32>, Unanswered>>) -> Result<Vec<u32>, Unanswered> {
        timeout(PATIENCE, pending_call).await.expect("the caller gets an answer").unwrap()
    }

    #[tokio::test]
    async fn a_call_is_sent_immediately_if_none_is_in_progress() {
        let mut doubler = Doubler::of_at_most(10);
        for input in 1..=3 {
            let pending_call = doubler.ask('a', &[input]);
            let begun = doubler.next().await;
            assert_eq!(begun.inputs, [input]);
            begun.end.send(()).unwrap();
            assert_eq!(receiver(pending_call).await, Ok(vec![2 * input]));
            assert!(doubler.is_idle().await);
        }
    }

    #[tokio::test]
    async fn inputs_that_arrive_during_a_call_share_the_next_one_in_order() {
        let mut doubler = Doubler::of_at_most(10);
        let first = doubler.ask('a', &[1]);
        let call = doubler.next().await;
        let meanwhile = [doubler.ask('a', &[5]), doubler.ask('a', &[4, 3]), doubler.ask('a', &[2])];
        call.end.send(()).unwrap();
        assert_eq!(receiver(first).await, Ok(vec![2]));
        let call = doubler.next().await;
        assert_eq!(call.inputs, [5, 4, 3, 2]);
        call.end.send(()).unwrap();
        for (pending_call, expected) in meanwhile.into_iter().zip([vec![10], vec![8, 6], vec![4]]) {
            assert_eq!(receiver(pending_call).await, Ok(expected));
        }
        assert!(doubler.is_idle().await);
    }

    #[tokio::test]
    async fn a_call_has_at_most_its_limit_of_inputs_and_the_next_call_has_the_rest() {
        let mut doubler = Doubler::of_at_most(3);
        let pending_call =
            [doubler.ask('a', &[1]), doubler.ask('a', &[2, 3]), doubler.ask('a', &[4, 5, 6]), doubler.ask('a', &[7])];
        for expected in [&[1, 2, 3][..], &[4, 5, 6], &[7]] {
            let call = doubler.next().await;
            assert_eq!(call.inputs, expected);
            call.end.send(()).unwrap();
        }
        for (pending_call, expected) in pending_call.into_iter().zip([vec![2], vec![4, 6], vec![8, 10, 12], vec![14]]) {
            assert_eq!(receiver(pending_call).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn keys_do_not_wait_for_each_other() {
        let mut doubler = Doubler::of_at_most(10);
        let hanging = doubler.ask('a', &[1]);
        let hangs = doubler.next().await;
        let other = doubler.ask('b', &[2]);
        let call = doubler.next().await;
        assert_eq!((call.key, &call.inputs), ('b', &vec![2]));
        call.end.send(()).unwrap();
        assert_eq!(receiver(other).await, Ok(vec![4]));
        hangs.end.send(()).unwrap();
        assert_eq!(receiver(hanging).await, Ok(vec![2]));
    }

    #[tokio::test]
    async fn inputs_that_fill_a_call_do_not_wait_for_a_call_in_progress() {
        let mut doubler = Doubler::of_at_most(2);
        let hanging = doubler.ask('a', &[1]);
        let hangs = doubler.next().await;
        let coalescer = doubler.coalescer.clone();
        let uncoalesced = tokio::spawn(async move { coalescer.uncoalesced('a', vec![2, 3]).await });
        let call = doubler.next().await;
        assert_eq!(call.inputs, [2, 3]);
        call.end.send(()).unwrap();
        assert_eq!(timeout(PATIENCE, uncoalesced).await.unwrap().unwrap(), [4, 6]);
        hangs.end.send(()).unwrap();
        assert_eq!(receiver(hanging).await, Ok(vec![2]));
    }

    #[tokio::test]
    async fn a_panic_in_a_call_affects_only_the_callers_of_that_call() {
        let mut doubler = Doubler::of_at_most(2);
        let own = [doubler.ask('a', &[1]), doubler.ask('a', &[2])];
        let next = doubler.ask('a', &[3]);
        let panics = doubler.next().await;
        assert_eq!(panics.inputs, [1, 2]);
        drop(panics.end);
        for pending_call in own {
            assert_eq!(receiver(pending_call).await, Err(Unanswered));
        }
        doubler.next().await.end.send(()).unwrap();
        assert_eq!(receiver(next).await, Ok(vec![6]));
        assert!(doubler.is_idle().await);
        let later = doubler.ask('a', &[4]);
        doubler.next().await.end.send(()).unwrap();
        assert_eq!(receiver(later).await, Ok(vec![8]));
    }

    #[tokio::test]
    async fn a_call_continues_if_the_caller_that_began_it_is_cancelled() {
        let mut doubler = Doubler::of_at_most(2);
        let first = doubler.ask('a', &[1]);
        let others = [doubler.ask('a', &[2]), doubler.ask('a', &[3])];
        let call = doubler.next().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        call.end.send(()).unwrap();
        doubler.next().await.end.send(()).unwrap();
        for (pending_call, expected) in others.into_iter().zip([vec![4], vec![6]]) {
            assert_eq!(receiver(pending_call).await, Ok(expected));
        }
    }

    #[test]
    fn callers_get_an_error_if_the_runtime_ends_during_their_call() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut doubler = Doubler::of_at_most(2);
        let ends = runtime();
        let (first, second) = ends.block_on(async {
            let pending_call = (doubler.ask('a', &[1]), doubler.ask('a', &[2]));
            doubler.next().await;
            pending_call
        });
        drop((ends, first, second));
        runtime().block_on(async {
            let pending_call = doubler.ask('a', &[3]);
            doubler.next().await.end.send(()).unwrap();
            assert_eq!(receiver(pending_call).await, Ok(vec![6]));
        });
    }

    #[tokio::test]
    async fn no_call_is_in_progress_when_a_caller_gets_its_error() {
        let mut doubler = Doubler::of_at_most(2);
        let pending_call = doubler.ask('a', &[1, 2, 3]);
        drop(doubler.next().await.end);
        let second = doubler.next().await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!pending_call.is_finished());
        second.end.send(()).unwrap();
        assert_eq!(receiver(pending_call).await, Err(Unanswered));
    }
}
