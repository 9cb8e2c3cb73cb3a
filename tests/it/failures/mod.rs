//! Partial failures of DynamoDB and SQS at every call that publishing, delivering and sweeping make. Each has the
//! effect in the table `rows.rs`, and the delivery still arrives.

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

/// The number of worlds that run concurrently.
const CONCURRENT_RUNS: usize = 8;

/// A fault of a call that is permanent, or that has an effect even if it occurs once.
#[derive(Debug, Clone)]
struct Fault {
    kind: Kind,
    fates: Vec<Fate>,
    times: Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A fault that the SDK retries: throttling, a service error, a broken connection or a timeout.
    Passing,
    /// A fault that the SDK does not retry. One call of this kind fails.
    Denied,
    /// The call is performed and its response is lost.
    LostAnswer,
    /// The service leaves a part of a batch or the whole batch unprocessed.
    Undone,
    /// The service rejects an entry of a batch.
    Refused,
}

/// The faults that each scene of a row is run with, one at a time.
fn faults(row: &Row) -> Vec<Fault> {
    let fault = |kind, times, fates: &[Fate]| Fault { kind, fates: fates.to_vec(), times };
    let [early, late] = passing(row.operation());
    let mut faults = vec![
        fault(Kind::Passing, Times::Always, &[early, late].concat()),
        fault(Kind::Denied, Times::Once, &[Fate::Error(400, "AccessDeniedException")]),
    ];
    // For a read, a lost response has the same effect as a failed read.
    if !row.reads() {
        faults.push(fault(Kind::LostAnswer, Times::Always, &[Fate::LoseAnswer]));
    }
    if row.lost_once != USUAL {
        faults.push(fault(Kind::LostAnswer, Times::Once, &[Fate::LoseAnswer]));
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

/// All faults that the SDK retries, with the service's error codes, in two groups. The SDK survives all faults of one
/// group.
fn passing(operation: &str) -> [Vec<Fate>; 2] {
    if operation.contains("Message") {
        let (throttled, failed) = (Fate::Error(400, "RequestThrottled"), Fate::Error(500, "InternalFailure"));
        return [vec![throttled, Fate::TimeOut], vec![Fate::Break, failed]];
    }
    let (throttled, failed) = (Fate::Error(400, "ThrottlingException"), Fate::Error(500, "InternalServerError"));
    let over_capacity = Fate::Error(400, "ProvisionedThroughputExceededException");
    [vec![throttled, Fate::TimeOut], vec![over_capacity, failed]]
}

/// Faults at every call of a function in one run. None of them may have an effect: the SDK tries three times, and
/// unprocessed parts of a batch are sent again.
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
        // In another scene, a lost response of the same call may have an effect.
        if row.lost_once != USUAL {
            *known = spoil;
        }
    }
    spoilt.into_values().collect()
}

/// The effect of a fault according to the table. `None` if the table only requires that every delivery ends.
fn effect(row: &Row, fault: &Fault) -> Option<Effect> {
    match (fault.kind, fault.times) {
        (Kind::Denied, _) => None,
        (Kind::LostAnswer, Times::Once) => Some(row.lost_once),
        (Kind::LostAnswer, Times::Always) => Some(row.lost),
        (Kind::Undone, Times::Once) => Some(row.undone_once),
        (Kind::Passing | Kind::Undone | Kind::Refused, _) => Some(row.failed),
    }
}

/// Runs a scene with faults, and returns the differences from the expected result.
async fn play(scene: Scene, spoilt: Vec<Spoilt>, expected: Option<Effect>, known: &BTreeSet<&str>) -> Vec<String> {
    let is_one = spoilt.len() == 1;
    let wire = Wire::new(of_itself(scene).chain(spoilt).collect());
    let mut stage = Box::pin(scene.set(&wire)).await;
    let (outcome, is_all_sent) = Box::pin(stage.act()).await;
    let ended = Box::pin(stage.end()).await;
    let mut differences = Differences::default();
    differences.compare("the fault occurred", &(wire.is_spoilt() || !is_one), &true);
    let ends = scene.ends();
    let statuses: BTreeMap<_, _> = ends.statuses.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect();
    differences.compare("statuses", &ended.statuses, &statuses);
    // In the scene `Keyless` the first request was not accepted, so its deliveries may stay unfinished.
    differences.compare("unfinished", &ended.unfinished, &if scene == Scene::Keyless { ended.unfinished } else { 0 });
    let unknown: Vec<_> = wire.kinds().into_iter().filter(|kind| !known.contains(kind.as_str())).collect();
    differences.compare("calls without a row", &unknown, &vec![]);
    let (counted, done) = ended.usage;
    let too_much: Vec<_> = counted.iter().zip(&done).filter(|(counted, done)| counted > done).collect();
    differences.compare("counted too much", &too_much, &vec![]);
    let Some(effect) = expected else {
        differences.compare("repeats more than one", &(ended.repetitions > 1), &false);
        return differences.0;
    };
    differences.compare("outcome", &outcome, &effect.outcome.unwrap_or(scene.usual()));
    let announced = if effect.is_unannounced { &[] } else { ends.announced };
    differences.compare("announced", &ended.announced, &announced.iter().map(|it| (*it).to_owned()).collect());
    let endpoint = if effect.is_unnoted { ends.endpoint.1 } else { ends.endpoint.0 };
    differences.compare("endpoint", &ended.endpoint, &endpoint.to_owned());
    // In the scene `Keyless` the first request was not accepted.
    if scene != Scene::Keyless {
        let is_less = counted.iter().zip(&done).any(|(counted, done)| counted < done);
        differences.compare("counted less", &is_less, &effect.is_uncounted);
    }
    differences.compare("repeats", &(ended.repetitions > 0), &effect.repeats);
    differences.compare("sent what else is to be sent", &(is_all_sent || !effect.others_go_on), &true);
    differences.0
}

/// The differences from the expected result.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + fmt::Debug>(&mut self, what: &str, seen: &T, expected: &T) {
        if seen != expected {
            self.0.push(format!("{what}: {seen:?}, not {expected:?}"));
        }
    }
}

/// The fault that is a part of the scene itself.
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

/// Runs the scenes of every row of a function with every fault.
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
        let wrong = played.unwrap_or_else(|_| vec!["the run panics; the message is above".to_owned()]);
        wrong.into_iter().map(|wrong| format!("{name}: {wrong}")).collect::<Vec<_>>()
    });
    let wrong: Vec<_> = stream::iter(runs).buffer_unordered(CONCURRENT_RUNS).concat().await;
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn deliveries_arrive_after_every_fault_of_publishing() {
    every_fault_ends_well(Function::Publish).await;
}

#[tokio::test]
async fn deliveries_arrive_after_every_fault_of_delivering() {
    every_fault_ends_well(Function::Deliver).await;
}

#[tokio::test]
async fn deliveries_arrive_after_every_fault_of_sweeping() {
    every_fault_ends_well(Function::Sweep).await;
}

/// All calls of all scenes without additional faults.
async fn calls_of_all_scenes() -> Vec<(Function, Call)> {
    let runs = Scene::ALL.into_iter().map(async |scene| {
        let wire = Wire::new(of_itself(scene).collect());
        let mut stage = Box::pin(scene.set(&wire)).await;
        Box::pin(stage.act()).await;
        wire.seen().into_iter().map(|call| (scene.function(), call)).collect::<Vec<_>>()
    });
    stream::iter(runs).buffer_unordered(CONCURRENT_RUNS).concat().await
}

#[tokio::test]
async fn every_call_of_a_function_has_a_row_and_every_row_a_call() {
    let calls = calls_of_all_scenes().await;
    let seen: BTreeSet<_> = calls.iter().map(|(function, call)| (*function, call.kind())).collect();
    let rows: BTreeSet<_> = rows().into_iter().map(|row| (row.function, row.call.to_owned())).collect();
    let none = BTreeSet::new();
    assert_eq!(seen.difference(&rows).collect::<BTreeSet<_>>(), none, "calls without a row");
    assert_eq!(rows.difference(&seen).collect::<BTreeSet<_>>(), none, "rows without a call");

    let batch = Wire::new(Vec::new());
    Box::pin(Box::pin(Scene::Batch.set(&batch)).await.act()).await;
    let count = |operation| batch.seen().iter().filter(|call| call.operation == operation).count();
    assert!(count("BatchWriteItem") > 1 && count("SendMessageBatch") > 1, "a batch takes several calls");

    for function in [Function::Publish, Function::Deliver, Function::Sweep] {
        let own = calls.iter().filter(|(of, _)| *of == function).map(|(_, call)| call.clone());
        let name = function.name();
        assert_eq!(done(own), listed(name), "the actions of {name} and those listed in support/calls.rs");
    }
}

#[tokio::test]
async fn a_call_without_a_response_times_out_and_is_retried() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let fates = vec![Fate::Hang];
    let wire = Wire::new(vec![Spoilt { kind: "BatchGetItem delivery", after: 0, fates, times: Times::Once }]);
    let seen = wire.clone();
    let network = over_network_by_call(&world.sdk(), move |call| seen.fate(call));
    let network = network.to_builder().timeout_config(config::timeouts()).build();
    let process = world.process_on(&network);
    assert_eq!(wire.armed(process.drain()).await, 1);
    assert!(wire.is_spoilt());
    let final_state = world.run_to_the_end().await;
    final_state.keeps_the_promise(&[id], &[&receiver]);
    receiver.only();
}

/// The first write of the announcement is performed and its response is lost. The retry of the write comes after a
/// sweep.
#[tokio::test]
async fn an_announcement_is_sent_once_if_a_sweep_precedes_the_retry_of_its_write() {
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
    let process = world.process_on(&network);
    let meanwhile = async || {
        eventually("the write is retried", async || tries.load(Ordering::SeqCst) == 2).await;
        world.sweep().await;
        assert_eq!(world.process.drain().await, 1);
        gate.open();
    };
    assert_eq!(tokio::join!(process.poll(), meanwhile()).0, 1);
    world.run_to_the_end().await;
    let announced: Vec<_> = listener.received().iter().map(|it| it.header("x-webhook-attempt").to_owned()).collect();
    assert_eq!(announced, ["1"]);
}
