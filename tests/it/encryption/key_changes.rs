//! A change of the key: a second key is readable before it encrypts, and the sweep encrypts everything again.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use super::{KEYS, Scene, fields};
use crate::support::{Endpoint, Fate, Fuse, ParameterAnswer, over_network};

const MINUTE: Duration = Duration::from_secs(60);
/// One of so many runs of the sweep looks for a new key.
const RUNS: usize = 5;

fn value(keys: &[&str]) -> ParameterAnswer {
    ParameterAnswer::Value(keys.join(" "))
}

/// Runs the sweep every minute until the walk has ended: a pass, the settling of the change, and the last pass.
async fn sweep_until_done(scene: &Scene) {
    let process = scene.process();
    for _ in 0..2 * RUNS {
        scene.world.advance(MINUTE);
        process.sweep().await;
    }
}

/// Asserts that the endpoint can be used with the second key alone.
async fn assert_under_the_second_key(scene: &Scene, requests: usize) {
    scene.parameter.answer(value(&KEYS[1..]));
    scene.world.advance(Duration::from_secs(6));
    scene.deliver(&scene.process()).await;
    scene.assert_arrived(requests);
}

#[tokio::test]
async fn a_process_that_does_not_know_a_key_reads_the_keys_again() {
    let scene = Scene::new().await;
    let warm = scene.process();
    scene.deliver(&warm).await;
    scene.assert_arrived(1);
    // The owner changes the endpoint in a process that encrypts with a key that was added since.
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    scene.tenant.at(&scene.process()).patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
    scene.world.advance(Duration::from_secs(11));
    scene.deliver(&warm).await;
    scene.assert_arrived(2);
}

/// It has read the keys so recently that it does not read them again, and does not conclude that the key is lost.
#[tokio::test]
async fn a_key_that_was_added_a_moment_after_a_read_is_not_taken_for_lost() {
    let scene = Scene::new().await;
    let warm = scene.process();
    scene.deliver(&warm).await;
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    scene.tenant.at(&scene.process()).patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
    scene.world.advance(Duration::from_secs(6));
    let delivery = scene.tenant.publish_one().await;
    assert_eq!(warm.drain().await, 1);
    assert_eq!(scene.receiver.received().len(), 1);
    scene.tenant.at(&warm).get(&format!("{}/secret", scene.endpoint.path())).await.is_error(503, "unavailable");
    scene.world.advance(Duration::from_secs(361));
    assert_eq!(warm.drain().await, 1);
    scene.assert_arrived(2);
    assert_eq!(scene.tenant.delivery(&delivery).await["attempts"], 1);
}

#[tokio::test]
async fn a_key_that_a_read_did_not_bring_is_looked_for_once_in_five_minutes() {
    let scene = Scene::new().await;
    scene.parameter.answer(value(&KEYS[1..]));
    let process = scene.process();
    let before = scene.parameter.requests();
    for (seconds, reads) in [(0, 1), (20, 1), (279, 1), (1, 2), (20, 2)] {
        scene.world.advance(Duration::from_secs(seconds));
        scene.tenant.publish_one().await;
        process.drain().await;
        assert_eq!(scene.parameter.requests() - before, reads, "{seconds}");
    }
    assert!(scene.receiver.received().is_empty());
}

#[tokio::test]
async fn a_process_encrypts_with_keys_that_are_at_most_a_minute_old() {
    let scene = Scene::new().await;
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    let read = scene.parameter.requests();
    for (seconds, requests) in [(50, 0), (20, 1)] {
        scene.world.advance(Duration::from_secs(seconds));
        scene.tenant.patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
        assert_eq!(scene.parameter.requests() - read, requests);
    }
    assert_under_the_second_key(&scene, 1).await;
}

#[tokio::test]
async fn the_sweep_encrypts_everything_under_a_new_key() {
    let scene = Scene::new().await;
    let mut others = Vec::new();
    for _ in 0..12 {
        let tenant = scene.world.tenant().await.at(&scene.process());
        others.push((tenant.clone(), tenant.endpoint_with(fields(&scene.receiver)).await));
    }
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    sweep_until_done(&scene).await;
    assert_under_the_second_key(&scene, 1).await;
    for (requests, (tenant, _)) in (2..).zip(&others) {
        tenant.publish_one().await;
        scene.process().drain().await;
        scene.assert_arrived(requests);
    }
    // The walk is done: a further run reads the keys and its state, and changes nothing.
    let before = scene.world.all_items().await.len();
    sweep_until_done(&scene).await;
    assert_eq!(scene.world.all_items().await.len(), before);
}

/// A process may have read the keys just before the change and encrypt with the former key for a minute.
#[tokio::test]
async fn the_last_pass_meets_what_was_encrypted_under_the_former_key_after_the_change() {
    let scene = Scene::new().await;
    let process = scene.process();
    while scene.world.items("reencryption").await.is_empty() {
        scene.world.advance(Duration::from_secs(61));
        scene.parameter.answer(value(&KEYS[..1]));
        scene.tenant.patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
        scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
        process.sweep().await;
    }
    let secrets = || async { scene.world.items("endpoint").await.remove(0)["secrets"].clone() };
    let of_the_first_pass = secrets().await;
    scene.tenant.patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
    assert_ne!(secrets().await, of_the_first_pass);
    scene.parameter.answer(value(&KEYS[..1]));
    scene.deliver(&scene.process()).await;
    scene.assert_arrived(1);
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    sweep_until_done(&scene).await;
    assert_under_the_second_key(&scene, 2).await;
}

#[tokio::test]
async fn texts_of_a_time_without_keys_are_encrypted() {
    let scene = Scene::new().await;
    let without = scene.tenant.at(&scene.world.process_without_keys());
    without.patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
    assert!(format!("{:?}", scene.world.all_items().await).contains(super::SECRET));
    sweep_until_done(&scene).await;
    assert!(!format!("{:?}", scene.world.all_items().await).contains(super::SECRET));
}

/// The processes whose deployment was replaced later had no key.
#[tokio::test]
async fn the_walk_of_the_next_day_meets_what_was_written_after_the_last_pass() {
    let scene = Scene::new().await;
    sweep_until_done(&scene).await;
    let without = scene.tenant.at(&scene.world.process_without_keys());
    without.patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
    sweep_until_done(&scene).await;
    assert!(format!("{:?}", scene.world.all_items().await).contains(super::SECRET));
    scene.world.advance(Duration::from_secs(24 * 60 * 60));
    sweep_until_done(&scene).await;
    assert!(!format!("{:?}", scene.world.all_items().await).contains(super::SECRET));
}

/// The keys are changed and changed back between two runs that look for a change.
#[tokio::test]
async fn a_key_that_was_first_for_a_short_time_is_found() {
    let scene = Scene::new().await;
    sweep_until_done(&scene).await;
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    scene.tenant.at(&scene.process()).patch(&scene.endpoint.path(), &fields(&scene.receiver)).await.data(200);
    scene.parameter.answer(value(&KEYS));
    sweep_until_done(&scene).await;
    scene.parameter.answer(value(&KEYS[..1]));
    scene.deliver(&scene.process()).await;
    scene.assert_arrived(1);
}

/// A stale item is counted, and the walk goes on with the others.
#[tokio::test]
async fn an_endpoint_that_cannot_be_read_does_not_stop_the_walk() {
    let scene = Scene::new().await;
    let other = scene.world.tenant().await.at(&scene.process());
    let second = other.endpoint_with(fields(&scene.receiver)).await;
    let mut item = scene.world.items("endpoint").await.remove(0);
    let is_first = item["sk"].as_s().unwrap() == &scene.endpoint.id;
    item.insert("status".to_owned(), AttributeValue::S("of a later version".to_owned()));
    scene.world.dynamodb().put_item().table_name(scene.world.table()).set_item(Some(item)).send().await.unwrap();
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    sweep_until_done(&scene).await;
    let walk = scene.world.items("reencryption").await.remove(0);
    assert_eq!(walk["undecryptable"].as_n().unwrap(), "1");
    assert!(walk.contains_key("finished_at"));
    scene.parameter.answer(value(&KEYS[1..]));
    let (tenant, readable) = if is_first { (&other, &second) } else { (&scene.tenant, &scene.endpoint) };
    assert_eq!(tenant.at(&scene.process()).read_endpoint(readable).await["headers"]["Authorization"], super::TOKEN);
}

/// Its endpoints can be read, and are encrypted again as those of any other.
#[tokio::test]
async fn an_organization_that_cannot_be_read_does_not_stop_the_walk() {
    let scene = Scene::new().await;
    let mut item = scene.world.items("organization").await.remove(0);
    item.insert("status".to_owned(), AttributeValue::S("of a later version".to_owned()));
    scene.world.dynamodb().put_item().table_name(scene.world.table()).set_item(Some(item)).send().await.unwrap();
    let other = scene.world.tenant().await.at(&scene.process());
    other.endpoint_with(fields(&scene.receiver)).await;
    scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
    sweep_until_done(&scene).await;
    let walk = scene.world.items("reencryption").await.remove(0);
    assert_eq!((walk["changed"].as_n().unwrap().as_str(), walk["undecryptable"].as_n().unwrap().as_str()), ("2", "0"));
    assert!(walk.contains_key("finished_at"));
    // The event is published with the state of the organization, which is another item.
    assert_under_the_second_key(&scene, 1).await;
}

#[tokio::test]
async fn an_interrupted_walk_goes_on_at_every_call() {
    for calls in 1.. {
        let scene = Scene::new().await;
        let other = scene.world.tenant().await.at(&scene.process());
        let second: Endpoint = other.endpoint_with(fields(&scene.receiver)).await;
        scene.parameter.answer(value(&[KEYS[1], KEYS[0]]));
        let fuse = Fuse::after(calls);
        let cut = fuse.clone();
        let network = over_network(&scene.parameter.beside(&scene.world.sdk()), move |_| Fate::Through(cut.clone()));
        let process = scene.world.process_on(&network);
        let mut died = false;
        for _ in 0..2 * RUNS {
            scene.world.advance(MINUTE);
            died |= fuse.run(process.sweep()).await.is_none();
        }
        sweep_until_done(&scene).await;
        assert_under_the_second_key(&scene, 1).await;
        other.publish_one().await;
        scene.process().drain().await;
        scene.assert_arrived(2);
        assert_eq!(other.read_endpoint(&second).await["status"], json!("active"));
        if !died {
            assert!(calls > 4, "two endpoints and the progress of two passes");
            return;
        }
    }
}
