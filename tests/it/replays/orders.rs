//! The calls of concurrent requests in every order, or in random ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::support::{Fate, Gate, Process, World, over_network_by_call};

/// A request in a process of its own. Its calls that change an event, a delivery or the queue wait for their turns.
pub(super) struct Actor {
    gates: UnboundedReceiver<Gate>,
    request: JoinHandle<()>,
    has_ended: bool,
    next: Option<Gate>,
}

impl Actor {
    /// Starts a request. `work` gets its process, and a flag that it sets when the calls begin to wait.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(
        world: &World,
        work: impl FnOnce(Process, Arc<AtomicBool>) -> F,
    ) -> Self {
        let (send, gates) = unbounded_channel();
        let is_armed = Arc::new(AtomicBool::new(false));
        let armed = Arc::clone(&is_armed);
        let network = over_network_by_call(&world.sdk(), move |call| {
            let kind = call.kind();
            let is_ordered = ["event", "appended", "delivery"].iter().any(|it| kind.contains(it));
            if call.reads() || !is_ordered || !armed.load(Ordering::SeqCst) {
                return Fate::Pass;
            }
            let gate = Gate::closed();
            send.send(gate.clone()).unwrap();
            Fate::Behind(gate)
        });
        let process = world.process_on(&network);
        Self { gates, request: tokio::spawn(work(process, is_armed)), has_ended: false, next: None }
    }

    /// Waits until the next call waits for its turn; `false` if the request has ended.
    async fn waits(&mut self) -> bool {
        while self.next.is_none() && !self.has_ended {
            tokio::select! {
                Some(gate) = self.gates.recv() => self.next = Some(gate),
                ended = &mut self.request => {
                    ended.unwrap();
                    self.has_ended = true;
                }
            }
        }
        self.next.is_some()
    }

    /// Lets the next call pass, and waits for the one after it.
    async fn step(&mut self) {
        self.next.take().unwrap().open();
        self.waits().await;
    }
}

/// Chooses the actor of each step.
pub(super) trait Order {
    /// One of this many actors.
    fn choose(&mut self, actors: usize) -> usize;
}

/// All orders, one after the other: the choices of this run, each with the number of actors that could be chosen.
#[derive(Default)]
pub(super) struct Exhaustive {
    choices: Vec<(usize, usize)>,
    at: usize,
}

impl Exhaustive {
    /// Prepares the next run; `false` after the last one.
    pub(super) fn advance(&mut self) -> bool {
        self.choices.truncate(self.at);
        self.at = 0;
        while let Some((choice, actors)) = self.choices.pop() {
            if choice + 1 < actors {
                self.choices.push((choice + 1, actors));
                return true;
            }
        }
        false
    }
}

impl Order for Exhaustive {
    fn choose(&mut self, actors: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, actors));
        }
        // Calls that a request makes concurrently may arrive in another order than in the run before.
        let (choice, _) = self.choices[self.at];
        self.at += 1;
        choice.min(actors - 1)
    }
}

/// An order that this number determines.
pub(super) struct Random(pub(super) u64);

impl Order for Random {
    fn choose(&mut self, actors: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % actors
    }
}

/// Lets the calls of the actors pass one by one in this order, until all have ended.
pub(super) async fn run(mut actors: Vec<Actor>, order: &mut impl Order) {
    loop {
        let mut waiting = Vec::new();
        for actor in &mut actors {
            if actor.waits().await {
                waiting.push(actor);
            }
        }
        if waiting.is_empty() {
            return;
        }
        let chosen = order.choose(waiting.len());
        waiting[chosen].step().await;
    }
}
