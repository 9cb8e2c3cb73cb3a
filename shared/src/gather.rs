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
use futures_util::future::{BoxFuture, join_all};
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

/// The call ended without an output: it panicked, or the runtime ended.
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

    /// The outputs for several inputs, in order, once there are all of them. They get into one call, if they fit.
    pub(crate) async fn all(&self, key: Key, inputs: Vec<In>) -> Result<Vec<Out>, Lost> {
        let (mut waiting, mut outputs) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
        for input in inputs {
            let (tell, told) = oneshot::channel();
            waiting.push(Waiting { input, tell });
            outputs.push(told);
        }
        self.enter(key, waiting);
        join_all(outputs).await.into_iter().map(|told| told.map_err(|_| Lost)).collect()
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
        let run = Run { shared: Arc::clone(&self.shared), key: Some(key) };
        // A task of its own: who made the first request may go away, and the others still want theirs done.
        tokio::spawn(run.make_calls());
    }
}

/// The calls for one key.
struct Run<Key: Eq + Hash, In, Out> {
    shared: Arc<Shared<Key, In, Out>>,
    /// `None` when it has come to its end.
    key: Option<Key>,
}

impl<Key: Clone + Eq + Hash, In, Out> Run<Key, In, Out> {
    /// Makes calls until nothing waits any more.
    async fn make_calls(mut self) {
        while let Some((key, waiting)) = self.next() {
            let (inputs, tells): (Vec<_>, Vec<_>) = waiting.into_iter().map(|it| (it.input, it.tell)).unzip();
            // After a panic nobody is told, which is told by that.
            let called = async { (self.shared.call)(key, inputs).await };
            let outputs = AssertUnwindSafe(called).catch_unwind().await.unwrap_or_default();
            for (tell, output) in tells.into_iter().zip(outputs) {
                // Who does not wait any more does not want to know.
                let _ = tell.send(output);
            }
        }
    }

    fn next(&mut self) -> Option<(Key, Vec<Waiting<In, Out>>)> {
        let mut open = self.shared.open();
        let key = self.key.clone()?;
        let waiting = open.get_mut(&key)?;
        if waiting.is_empty() {
            open.remove(&key);
            self.key = None;
            return None;
        }
        let rest = waiting.split_off(waiting.len().min(self.shared.most));
        let next = std::mem::replace(waiting, rest);
        Some((key, next))
    }
}

impl<Key: Eq + Hash, In, Out> Drop for Run<Key, In, Out> {
    /// Who waits is told even if the runtime ends before the calls do.
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.open().remove(&key);
        }
    }
}

impl<Key, In, Out> Shared<Key, In, Out> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;

    /// How long a test waits, in real time, for what has to happen.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A call that is under way. It ends when the test says how; a call that is dropped panics.
    struct Begun {
        key: char,
        inputs: Vec<u32>,
        end: oneshot::Sender<()>,
    }

    /// Doubles numbers, when the test lets it, and shows each call to the test.
    struct Doubler {
        gather: Gather<char, u32, u32>,
        begun: UnboundedReceiver<Begun>,
    }

    impl Doubler {
        fn of_at_most(most: usize) -> Self {
            let (show, begun) = unbounded_channel();
            Self { gather: Gather::new(most, move |key, inputs| double(show.clone(), key, inputs).boxed()), begun }
        }

        /// Enters, in this order, before anything else of the test goes on.
        fn ask(&self, key: char, inputs: &[u32]) -> JoinHandle<Result<Vec<u32>, Lost>> {
            let (gather, inputs) = (self.gather.clone(), inputs.to_vec());
            let mut asking = Box::pin(async move { gather.all(key, inputs).await });
            // Polled once it waits for its call; its output comes later.
            assert!(asking.as_mut().now_or_never().is_none());
            tokio::spawn(asking)
        }

        async fn next(&mut self) -> Begun {
            timeout(PATIENCE, self.begun.recv()).await.expect("a call begins").unwrap()
        }

        /// Whether no other call is under way or about to begin.
        async fn is_idle(&mut self) -> bool {
            let ends = async {
                while !self.gather.shared.open().is_empty() {
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

    async fn told(asked: JoinHandle<Result<Vec<u32>, Lost>>) -> Result<Vec<u32>, Lost> {
        timeout(PATIENCE, asked).await.expect("it is told").unwrap()
    }

    #[tokio::test]
    async fn who_comes_alone_is_served_at_once() {
        let mut doubler = Doubler::of_at_most(10);
        for input in 1..=3 {
            let asked = doubler.ask('a', &[input]);
            let begun = doubler.next().await;
            assert_eq!(begun.inputs, [input]);
            begun.end.send(()).unwrap();
            assert_eq!(told(asked).await, Ok(vec![2 * input]));
            assert!(doubler.is_idle().await);
        }
    }

    #[tokio::test]
    async fn what_comes_during_a_call_shares_the_next_one_in_order() {
        let mut doubler = Doubler::of_at_most(10);
        let first = doubler.ask('a', &[1]);
        let call = doubler.next().await;
        let meanwhile = [doubler.ask('a', &[5]), doubler.ask('a', &[4, 3]), doubler.ask('a', &[2])];
        call.end.send(()).unwrap();
        assert_eq!(told(first).await, Ok(vec![2]));
        let call = doubler.next().await;
        assert_eq!(call.inputs, [5, 4, 3, 2]);
        call.end.send(()).unwrap();
        for (asked, expected) in meanwhile.into_iter().zip([vec![10], vec![8, 6], vec![4]]) {
            assert_eq!(told(asked).await, Ok(expected));
        }
        assert!(doubler.is_idle().await);
    }

    #[tokio::test]
    async fn a_call_takes_no_more_than_it_may_and_the_rest_comes_next() {
        let mut doubler = Doubler::of_at_most(3);
        let asked =
            [doubler.ask('a', &[1]), doubler.ask('a', &[2, 3]), doubler.ask('a', &[4, 5, 6]), doubler.ask('a', &[7])];
        for expected in [&[1, 2, 3][..], &[4, 5, 6], &[7]] {
            let call = doubler.next().await;
            assert_eq!(call.inputs, expected);
            call.end.send(()).unwrap();
        }
        for (asked, expected) in asked.into_iter().zip([vec![2], vec![4, 6], vec![8, 10, 12], vec![14]]) {
            assert_eq!(told(asked).await, Ok(expected));
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
        assert_eq!(told(other).await, Ok(vec![4]));
        hangs.end.send(()).unwrap();
        assert_eq!(told(hanging).await, Ok(vec![2]));
    }

    #[tokio::test]
    async fn what_fills_a_call_of_its_own_waits_for_none() {
        let mut doubler = Doubler::of_at_most(2);
        let hanging = doubler.ask('a', &[1]);
        let hangs = doubler.next().await;
        let gather = doubler.gather.clone();
        let alone = tokio::spawn(async move { gather.alone('a', vec![2, 3]).await });
        let call = doubler.next().await;
        assert_eq!(call.inputs, [2, 3]);
        call.end.send(()).unwrap();
        assert_eq!(timeout(PATIENCE, alone).await.unwrap().unwrap(), [4, 6]);
        hangs.end.send(()).unwrap();
        assert_eq!(told(hanging).await, Ok(vec![2]));
    }

    #[tokio::test]
    async fn a_call_that_panics_is_lost_for_its_own_and_for_nobody_else() {
        let mut doubler = Doubler::of_at_most(2);
        let own = [doubler.ask('a', &[1]), doubler.ask('a', &[2])];
        let next = doubler.ask('a', &[3]);
        let panics = doubler.next().await;
        assert_eq!(panics.inputs, [1, 2]);
        drop(panics.end);
        for asked in own {
            assert_eq!(told(asked).await, Err(Lost));
        }
        doubler.next().await.end.send(()).unwrap();
        assert_eq!(told(next).await, Ok(vec![6]));
        assert!(doubler.is_idle().await);
        let later = doubler.ask('a', &[4]);
        doubler.next().await.end.send(()).unwrap();
        assert_eq!(told(later).await, Ok(vec![8]));
    }

    #[tokio::test]
    async fn who_began_a_call_may_go_away() {
        let mut doubler = Doubler::of_at_most(2);
        let first = doubler.ask('a', &[1]);
        let others = [doubler.ask('a', &[2]), doubler.ask('a', &[3])];
        let call = doubler.next().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        call.end.send(()).unwrap();
        doubler.next().await.end.send(()).unwrap();
        for (asked, expected) in others.into_iter().zip([vec![4], vec![6]]) {
            assert_eq!(told(asked).await, Ok(expected));
        }
    }

    #[test]
    fn a_call_whose_runtime_ends_is_lost_and_keeps_nobody_waiting() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut doubler = Doubler::of_at_most(2);
        let ends = runtime();
        let (first, second) = ends.block_on(async {
            let asked = (doubler.ask('a', &[1]), doubler.ask('a', &[2]));
            doubler.next().await;
            asked
        });
        drop((ends, first, second));
        runtime().block_on(async {
            let asked = doubler.ask('a', &[3]);
            doubler.next().await.end.send(()).unwrap();
            assert_eq!(told(asked).await, Ok(vec![6]));
        });
    }

    #[tokio::test]
    async fn who_is_told_of_a_loss_has_nothing_under_way_any_more() {
        let mut doubler = Doubler::of_at_most(2);
        let asked = doubler.ask('a', &[1, 2, 3]);
        drop(doubler.next().await.end);
        let second = doubler.next().await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!asked.is_finished());
        second.end.send(()).unwrap();
        assert_eq!(told(asked).await, Err(Lost));
    }
}
