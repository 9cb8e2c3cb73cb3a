//! A world before a handler is cut, and the expected end of the world.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Answer, Endpoint, FinalState, Fuse, Gate, Process, Receiver, Requests, Tenant, World};

/// A limit above the number of calls that any handler makes.
const MOST_CALLS: usize = 200;
/// The number of consecutive runs that a handler must complete without a cut.
const THROUGH: usize = 3;

/// A world in which a handler is about to run.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) tenant: Tenant,
    pub(super) receivers: Vec<Receiver>,
    /// The accepted deliveries.
    pub(super) expected: BTreeMap<String, Expected>,
    /// Opens when the process that is cut is about to change something. Concurrent processes start then.
    pub(super) begun: Gate,
    /// Healthy processes that run concurrently with the one that is cut.
    pub(super) beside: Mutex<Vec<JoinHandle<()>>>,
    /// Whether a publish request without a response may have left deliveries that no retry completed.
    pub(super) abandoned: bool,
}

/// The allowed results of a delivery.
pub(super) struct Expected {
    statuses: &'static [&'static str],
    /// The maximum number of recorded attempts.
    attempts: usize,
}

impl Scene {
    pub(super) fn new(world: World, tenant: Tenant, receivers: impl IntoIterator<Item = Receiver>) -> Self {
        let (receivers, expected) = (receivers.into_iter().collect(), BTreeMap::new());
        let (begun, beside) = (Gate::closed(), Mutex::default());
        Self { world, tenant, receivers, expected, begun, beside, abandoned: false }
    }

    /// Creates an endpoint with these fields. Its receiver gives these responses and then 200.
    pub(super) async fn with_endpoint(
        world: World,
        fields: Value,
        answers: impl IntoIterator<Item = Answer>,
    ) -> (Self, Endpoint) {
        let receiver = Receiver::scripted(answers).await;
        let tenant = world.tenant().await;
        let endpoint = endpoint(&tenant, &receiver, fields).await;
        (Self::new(world, tenant, [receiver]), endpoint)
    }

    /// Also publishes an event. Its delivery must end in one of these statuses after at most this many attempts.
    pub(super) async fn with_delivery(
        world: World,
        fields: Value,
        answers: impl IntoIterator<Item = Answer>,
        status: &'static [&'static str],
        attempts: usize,
    ) -> (Self, Endpoint) {
        let (mut scene, endpoint) = Self::with_endpoint(world, fields, answers).await;
        let id = scene.tenant.publish_one().await;
        scene.expect([id], status, attempts);
        (scene, endpoint)
    }

    /// Creates another endpoint that subscribes to these operational events.
    pub(super) async fn listening_to(&mut self, event_types: Value) {
        let receiver = Receiver::new().await;
        endpoint(&self.tenant, &receiver, json!({"event_types": event_types})).await;
        self.receivers.push(receiver);
    }

    pub(super) fn expect(
        &mut self,
        ids: impl IntoIterator<Item = String>,
        statuses: &'static [&'static str],
        attempts: usize,
    ) {
        self.expected.extend(ids.into_iter().map(|id| (id, Expected { statuses, attempts })));
    }

    fn receivers(&self) -> Vec<&Receiver> {
        self.receivers.iter().collect()
    }

    /// The number of received events of this type.
    pub(super) fn heard(&self, event_type: &str) -> usize {
        let received = self.receivers.iter().flat_map(Receiver::received);
        received.filter(|request| request.header("x-webhook-event") == event_type).count()
    }

    /// The deliveries that arrived at their receiver without a record of the attempt.
    async fn unrecorded(&self) -> BTreeMap<String, usize> {
        let requests = Requests::of(&self.receivers());
        let unrecorded = |(id, attempts): (String, usize)| {
            let count = requests.count(&id) - attempts;
            assert!(count <= 1, "{id} arrived {count} times more than recorded");
            (count > 0).then_some((id, count))
        };
        let records = self.world.records().await;
        records.into_iter().filter_map(|(id, record)| unrecorded((id, record.attempts))).collect()
    }

    /// Asserts that every delivery has an allowed result, and that only unrecorded attempts were repeated.
    async fn check(&self, final_state: &FinalState, unrecorded: &BTreeMap<String, usize>) {
        let requests = Requests::of(&self.receivers());
        for (id, record) in &final_state.records {
            let repeated = unrecorded.get(id).copied().unwrap_or(0);
            assert_eq!(requests.count(id), record.attempts + repeated, "requests of {id}: {record:?}");
            let is_final = record.mark.is_some() || record.status == "success";
            assert!(is_final || self.abandoned, "{id} is not final: {record:?}");
        }
        for (id, expected) in &self.expected {
            let record = final_state.record(id);
            assert!(expected.statuses.contains(&record.status.as_str()), "{id}: {record:?}");
            assert!(record.attempts <= expected.attempts, "{id}: {record:?}");
        }
        let accepted: Vec<_> = self.expected.keys().cloned().collect();
        final_state.keeps_the_promise(&accepted, &self.receivers());
        for (partition, key) in self.world.marks().await {
            assert!(
                ["failed", "half_open"].contains(&partition.split('#').next().unwrap()),
                "{partition} {key} is left"
            );
        }
    }
}

/// Creates an endpoint with these fields at a receiver.
pub(super) async fn endpoint(tenant: &Tenant, receiver: &Receiver, fields: Value) -> Endpoint {
    let mut all = json!({"url": receiver.url()});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    tenant.endpoint_with(all).await
}

/// Cuts a handler after each number of changing calls, from 0 on, until the handler completes, and checks the end of
/// the world each time. `afterwards` is what clients do after the cut. It gets the handler's response if there was one.
/// Returns the number of changing calls that the handler makes. With coalesced calls this number varies, so the handler
/// must complete several times in a row.
pub(super) async fn cut_everywhere<T>(
    prepare: impl AsyncFn(World) -> Scene,
    handle: impl AsyncFn(&Process, &Scene) -> T,
    afterwards: impl AsyncFn(&mut Scene, Option<T>),
) -> usize {
    let world = World::new().await;
    let mut through = 0;
    for calls in 0..MOST_CALLS {
        let run = async { cut(calls, prepare(world.new_world().await).await, &handle, &afterwards).await };
        let finished = Box::pin(AssertUnwindSafe(run).catch_unwind()).await;
        match finished.unwrap_or_else(|_| panic!("the test fails if the handler is cut after {calls} calls")) {
            true => through += 1,
            false => through = 0,
        }
        if through == THROUGH {
            return calls - THROUGH;
        }
    }
    panic!("the handler does not complete")
}

/// Returns whether the handler completed.
async fn cut<T>(
    calls: usize,
    mut scene: Scene,
    handle: &impl AsyncFn(&Process, &Scene) -> T,
    afterwards: &impl AsyncFn(&mut Scene, Option<T>),
) -> bool {
    let fuse = Fuse::after(calls);
    scene.begun = fuse.begun();
    scene.receivers.iter().for_each(|receiver| receiver.behind(&fuse));
    let answer = fuse.run(handle(&fuse.process(&scene.world), &scene)).await;
    scene.world.advance(Duration::from_secs(1));
    scene.receivers.iter().for_each(|receiver| receiver.outlives_it(scene.world.clock.now()));
    for beside in std::mem::take(scene.beside.get_mut().unwrap()) {
        beside.await.unwrap();
    }
    let (unrecorded, got_through) = (scene.unrecorded().await, answer.is_some());
    assert!(unrecorded.is_empty() || !got_through, "without a record: {unrecorded:?}");
    afterwards(&mut scene, answer).await;
    let final_state = scene.world.run_to_the_end().await;
    scene.check(&final_state, &unrecorded).await;
    got_through
}
