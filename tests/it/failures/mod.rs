//! Partial failures of DynamoDB and SQS at every call that publishing, delivering and sweeping make: what follows is
//! what ARCHITECTURE.md says, and the delivery still arrives.

mod rows;
mod scene;
mod stage;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;
use shared::config;

use crate::support::{Answer, Call, Fate, Gate, Part, Receiver, World, done, eventually, listed, over_network_by_call};
use rows::{Effect, Row, USUAL, rows};
use scene::{Function, Scene};
use wire::{Spoilt, Times, Wire};

/// How many worlds are run at once.
const AT_ONCE: usize = 8;

/// Something that goes wrong with a call again and again, or that cannot go unnoticed.
#[derive(Debug, Clone)]
struct Fault {
    kind: Kind,
    fates: Vec<Fate>,
    times: Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What the SDK tries again: throttling, faults of the service, broken connections, no answer in time.
    Passing,
    /// What it does not: one of the scene's calls of this kind fails.
    Denied,
    /// It is performed, and nobody hears of it.
    Lost,
    /// The service leaves some or all of a batch undone.
    Undone,
    /// The service does not want an entry of a batch.
    Refused,
}

/// The faults that the rows of the table are run with, one by one.
fn faults(row: &Row) -> Vec<Fault> {
    let fault = |kind, times, fates: &[Fate]| Fault { kind, fates: fates.to_vec(), times };
    let [early, late] = passing(row.operation());
    let mut faults = vec![
        fault(Kind::Passing, Times::Always, &[early, late].concat()),
        fault(Kind::Denied, Times::Once, &[Fate::Error(400, "AccessDeniedException")]),
    ];
    // To lose what was read is not to read it.
    if !row.reads() {
        faults.push(fault(Kind::Lost, Times::Always, &[Fate::LoseAnswer]));
    }
    if row.lost_once != USUAL {
        faults.push(fault(Kind::Lost, Times::Once, &[Fate::LoseAnswer]));
    }
    if row.operation().contains("Batch") {
        let part = if row.reads() { Part::Nothing } else { Part::Half };
        faults.push(fault(Kind::Undone, Times::Always, &[Fate::Only(part)]));
    }
    if row.undone_once != USUAL {
        faults.push(fault(Kind::Undone, Times::Once, &[Fate::Only(Part::Half)]));
    }
    if row.operation().contains("MessageBatch") || row.operation().contains("VisibilityBatch") {
        faults.push(fault(Kind::Refused, Times::Once, &[Fate::Only(Part::NothingBySender)]));
    }
    faults
}

/// Everything that the SDK tries again, in the words of the service, in two parts that it outlasts.
fn passing(operation: &str) -> [Vec<Fate>; 2] {
    if operation.contains("Message") {
        let (throttled, failed) = (Fate::Error(400, "RequestThrottled"), Fate::Error(500, "InternalFailure"));
        return [vec![throttled, Fate::TimeOut], vec![Fate::Break, failed]];
    }
    let (throttled, failed) = (Fate::Error(400, "ThrottlingException"), Fate::Error(500, "InternalServerError"));
    let over_capacity = Fate::Error(400, "ProvisionedThroughputExceededException");
    [vec![throttled, Fate::TimeOut], vec![over_capacity, failed]]
}

/// Faults at every call of a function at once, none of which anybody may notice: the SDK tries three times, and what
/// is left undone of a batch is sent again.
fn passing_everywhere(rows: &[Row], part: usize) -> Vec<Spoilt> {
    let spoil = |row: &Row| {
        let mut fates = passing(row.operation())[part].clone();
        if row.lost_once == USUAL && part == 0 {
            fates[1] = Fate::LoseAnswer;
        }
        if row.undone_once == USUAL && row.operation().contains("Batch") {
            fates.extend([Fate::Only(Part::Nothing), Fate::Only(Part::Half)]);
        }
        Spoilt { kind: row.call, after: 0, fates, times: Times::Once }
    };
    let mut spoilt: BTreeMap<_, Spoilt> = BTreeMap::new();
    for row in rows {
        let spoil = spoil(row);
        let known = spoilt.entry(row.call).or_insert_with(|| spoil.clone());
        // In another scene the same call may not lose its answer unnoticed.
        if row.lost_once != USUAL {
            *known = spoil;
        }
    }
    spoilt.into_values().collect()
}

/// What the table says of a fault; `None` if only that everything comes to its end.
fn effect(row: &Row, fault: &Fault) -> Option<Effect> {
    match (fault.kind, fault.times) {
        (Kind::Denied, _) => None,
        (Kind::Lost, Times::Once) => Some(row.lost_once),
        (Kind::Lost, Times::Always) => Some(row.lost),
        (Kind::Undone, Times::Once) => Some(row.undone_once),
        (Kind::Passing | Kind::Undone | Kind::Refused, _) => Some(row.failed),
    }
}

/// Plays a scene in which calls are spoilt, and says what is not as it should be.
async fn play(scene: Scene, spoilt: Vec<Spoilt>, expected: Option<Effect>, known: &BTreeSet<&str>) -> Vec<String> {
    let is_one = spoilt.len() == 1;
    let wire = Wire::new(of_itself(scene).chain(spoilt).collect());
    let mut stage = Box::pin(scene.set(&wire)).await;
    let (outcome, is_all_sent) = Box::pin(stage.act()).await;
    let ended = Box::pin(stage.end()).await;
    let mut differences = Differences::default();
    differences.note("the fault happens", &(wire.is_spoilt() || !is_one), &true);
    let ends = scene.ends();
    let statuses: BTreeMap<_, _> = ends.statuses.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect();
    differences.note("statuses", &ended.statuses, &statuses);
    // Nobody was promised the first of two publishings without a key.
    differences.note("unfinished", &ended.unfinished, &if scene == Scene::Keyless { ended.unfinished } else { 0 });
    let unknown: Vec<_> = wire.kinds().into_iter().filter(|kind| !known.contains(kind.as_str())).collect();
    differences.note("calls without a row", &unknown, &vec![]);
    let (counted, done) = ended.usage;
    let too_much: Vec<_> = counted.iter().zip(&done).filter(|(counted, done)| counted > done).collect();
    differences.note("counted too much", &too_much, &vec![]);
    let Some(effect) = expected else {
        differences.note("repeats more than one", &(ended.repetitions > 1), &false);
        return differences.0;
    };
    differences.note("outcome", &outcome, &effect.outcome.unwrap_or(scene.usual()));
    let announced = if effect.is_unannounced { &[] } else { ends.announced };
    differences.note("announced", &ended.announced, &announced.iter().map(|it| (*it).to_owned()).collect());
    let endpoint = if effect.is_unnoted { ends.endpoint.1 } else { ends.endpoint.0 };
    differences.note("endpoint", &ended.endpoint, &endpoint.to_owned());
    // Of two publishings without a key, the first was not accepted.
    if scene != Scene::Keyless {
        let is_less = counted.iter().zip(&done).any(|(counted, done)| counted < done);
        differences.note("counted less", &is_less, &effect.is_uncounted);
    }
    differences.note("repeats", &(ended.repetitions > 0), &effect.repeats);
    differences.note("sent what else is to be sent", &(is_all_sent || !effect.others_go_on), &true);
    differences.0
}

/// What is not as it should be.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn note<T: PartialEq + fmt::Debug>(&mut self, what: &str, seen: &T, expected: &T) {
        if seen != expected {
            self.0.push(format!("{what}: {seen:?}, not {expected:?}"));
        }
    }
}

/// What fails in a scene of itself.
fn of_itself(scene: Scene) -> impl Iterator<Item = Spoilt> {
    let kind = match scene {
        Scene::CutOff => Some("BatchWriteItem events and deliveries"),
        Scene::SuccessAlone => Some("BatchExecuteStatement delivery, attempt: success, none"),
        Scene::ShortRetryAlone => Some("BatchExecuteStatement delivery, attempt: retrying, none"),
        Scene::LongRetryAlone => Some("BatchExecuteStatement delivery, attempt: retrying, due"),
        Scene::ExhaustionAlone => Some("BatchExecuteStatement delivery, attempt: exhausted, failed"),
        Scene::GoneAlone => Some("BatchExecuteStatement delivery, attempt: failed, failed"),
        _ => None,
    };
    let fates = vec![Fate::Error(500, "InternalServerError")];
    kind.map(|kind| Spoilt { kind, after: 0, fates, times: Times::Always }).into_iter()
}

/// Plays the scenes of every row of a function with every fault.
async fn every_fault_ends_well(function: Function) {
    let rows: Vec<_> = rows().into_iter().filter(|row| row.function == function).collect();
    let known: BTreeSet<_> = rows.iter().map(|row| row.call).collect();
    let mut cases = Vec::new();
    for scene in Scene::ALL.into_iter().filter(|scene| scene.function() == function) {
        let everywhere = [0, 1].map(|part| passing_everywhere(&rows, part));
        cases.extend(everywhere.map(|spoilt| (format!("everything passing in {scene:?}"), scene, spoilt, Some(USUAL))));
    }
    for row in &rows {
        for (scene, fault) in row.scenes.iter().flat_map(|scene| faults(row).into_iter().map(|fault| (*scene, fault))) {
            let name = format!("{} in {scene:?}, {fault:?}", row.call);
            let effect = effect(row, &fault);
            let Fault { fates, times, .. } = fault;
            cases.push((name, scene, vec![Spoilt { kind: row.call, after: row.after, fates, times }], effect));
        }
    }
    let runs = cases.into_iter().map(async |(name, scene, spoilt, effect)| {
        let played = AssertUnwindSafe(Box::pin(play(scene, spoilt, effect, &known))).catch_unwind().await;
        let wrong = played.unwrap_or_else(|_| vec!["it panics, as is said above".to_owned()]);
        wrong.into_iter().map(|wrong| format!("{name}: {wrong}")).collect::<Vec<_>>()
    });
    let wrong: Vec<_> = stream::iter(runs).buffer_unordered(AT_ONCE).concat().await;
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn whatever_fails_while_publishing_the_deliveries_arrive() {
    every_fault_ends_well(Function::Publish).await;
}

#[tokio::test]
async fn whatever_fails_while_delivering_the_deliveries_arrive() {
    every_fault_ends_well(Function::Deliver).await;
}

#[tokio::test]
async fn whatever_fails_while_sweeping_the_deliveries_arrive() {
    every_fault_ends_well(Function::Sweep).await;
}

/// Every call of every scene in which nothing fails but what belongs to it.
async fn calls_of_all_scenes() -> Vec<(Function, Call)> {
    let runs = Scene::ALL.map(async |scene| {
        let wire = Wire::new(of_itself(scene).collect());
        let mut stage = Box::pin(scene.set(&wire)).await;
        Box::pin(stage.act()).await;
        wire.seen().into_iter().map(|call| (scene.function(), call)).collect::<Vec<_>>()
    });
    stream::iter(runs).buffer_unordered(AT_ONCE).concat().await
}

#[tokio::test]
async fn every_call_of_a_function_has_a_row_and_every_row_a_call() {
    let calls = calls_of_all_scenes().await;
    let made: BTreeSet<_> = calls.iter().map(|(function, call)| (*function, call.kind())).collect();
    let rows: BTreeSet<_> = rows().into_iter().map(|row| (row.function, row.call.to_owned())).collect();
    let none = BTreeSet::new();
    assert_eq!(made.difference(&rows).collect::<BTreeSet<_>>(), none, "calls without a row");
    assert_eq!(rows.difference(&made).collect::<BTreeSet<_>>(), none, "rows without a call");

    let batch = Wire::new(Vec::new());
    Box::pin(Box::pin(Scene::Batch.set(&batch)).await.act()).await;
    let count = |operation| batch.seen().iter().filter(|call| call.operation == operation).count();
    assert!(count("BatchWriteItem") > 1 && count("SendMessageBatch") > 1, "a batch takes several calls");

    for function in [Function::Publish, Function::Deliver, Function::Sweep] {
        let own = calls.iter().filter(|(of, _)| *of == function).map(|(_, call)| call.clone());
        let name = function.name();
        assert_eq!(done(own), listed(name), "what {name} does, and what support/calls.rs says it does");
    }
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_given_up_and_made_again() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let fates = vec![Fate::Hang];
    let wire = Wire::new(vec![Spoilt { kind: "BatchGetItem delivery", after: 0, fates, times: Times::Once }]);
    let seen = wire.clone();
    let network = over_network_by_call(&world.sdk(), move |call| seen.fate(call));
    let network = network.to_builder().timeout_config(config::timeouts()).build();
    let process = world.process_over(&network, world.clock.clock());
    assert_eq!(wire.armed(process.drain()).await, 1);
    assert!(wire.is_spoilt());
    let ending = world.run_to_the_end().await;
    ending.keeps_the_promise(&[id], &[&receiver]);
    receiver.only();
}

/// The first try to store the announcement is performed and its answer lost, and the second comes after a sweep.
#[tokio::test]
async fn an_announcement_is_sent_once_though_the_sweep_is_faster_than_the_answer() {
    let (world, receiver, listener) =
        (World::new().await, Receiver::always(Answer::status(500)).await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": ["delivery.exhausted"]})).await;
    tenant.publish_one().await;
    let (tries, gate) = (Arc::new(AtomicUsize::new(0)), Gate::closed());
    let (counter, second) = (Arc::clone(&tries), gate.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() != "PutItem delivery, new: due" {
            return Fate::Pass;
        }
        if counter.fetch_add(1, Ordering::SeqCst) == 0 { Fate::LoseAnswer } else { Fate::Behind(second.clone()) }
    });
    let process = world.process_over(&network, world.clock.clock());
    let meanwhile = async || {
        eventually("it is tried again", async || tries.load(Ordering::SeqCst) == 2).await;
        world.sweep().await;
        assert_eq!(world.process.drain().await, 1);
        gate.open();
    };
    assert_eq!(tokio::join!(process.poll(), meanwhile()).0, 1);
    world.run_to_the_end().await;
    let announced: Vec<_> = listener.received().iter().map(|it| it.header("x-webhook-attempt").to_owned()).collect();
    assert_eq!(announced, ["1"]);
}
