//! What can never be published goes to the dead-letter queue, with the reason. The rest of a batch is published.

use http::Method;
use serde_json::{Value, json};

use super::{events, message, numbers, subscribed, types};
use crate::event_types;
use crate::support::{EVENT_TYPE, Fate, World, over_network};

async fn set_limits(world: &World, organization: &str, limits: Value) {
    let path = format!("/v1/organizations/{organization}/limits");
    world.platform().call(Method::PUT, &path, &[], Some(limits.to_string())).await.data(200);
}

#[tokio::test]
async fn a_message_that_can_never_be_published_is_a_dead_letter_with_its_reason() {
    let (world, receiver, tenant) = subscribed().await;
    let schema = json!({"type": "object", "required": ["member"]});
    event_types::create(&world, &json!({"name": "strict", "schema": schema})).await;
    let (small, suspended, limited) = (world.tenant().await, world.tenant().await, world.tenant().await);
    set_limits(&world, &small.id, json!({"max_event_bytes": 10})).await;
    set_limits(&world, &limited.id, json!({"events_per_month": 1})).await;
    let path = format!("/v1/organizations/{}", suspended.id);
    world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
    tenant.post("/events", &json!({"type": EVENT_TYPE, "data": {"number": 0}, "external_id": "taken"})).await.data(202);
    limited.post("/events", &json!({"type": EVENT_TYPE, "data": {}})).await.data(202);
    world.process.meter.write_all_usage().await;

    let changed = |field: &str, value: Value| {
        let mut message = message(&tenant, 1);
        message[field] = value;
        message.to_string()
    };
    let unknown = "org_0123456789abcdefghjkmnpqrs";
    for (body, reason, detail) in [
        ("no json".to_owned(), "invalid_json", "expected"),
        ("[]".to_owned(), "invalid_json", "must be a JSON object"),
        ("{}".to_owned(), "validation_failed", "organization is required"),
        (changed("organization", json!("acme")), "validation_failed", "organization must be"),
        (changed("organization", json!(unknown)), "not_found", "organization not found"),
        (changed("organization", json!("ext:unknown")), "not_found", "organization not found"),
        (changed("type", json!("not a type")), "validation_failed", "type must be"),
        (changed("data", json!(7)), "validation_failed", "data must be a JSON object"),
        (changed("dta", json!({})), "validation_failed", "dta is not a known field"),
        (changed("type", json!("strict")), "validation_failed", "/data"),
        (changed("external_id", json!("taken")), "conflict", "the external_id is taken"),
        (changed("\u{ffff}", json!({})), "validation_failed", "\u{fffd} is not a known field"),
        (message(&small, 123_456).to_string(), "payload_too_large", "data must be at most 10 bytes"),
        (message(&suspended, 1).to_string(), "forbidden", "suspended"),
        (message(&limited, 1).to_string(), "rate_limited", "events_per_month"),
    ] {
        // SQS accepts only an escaped one.
        let body = body.replace('\u{ffff}', "\\uffff");
        let id = world.send_to_ingest(&body).await;
        assert_eq!(world.process.ingest().await, 1, "{body}");
        assert!(world.ingest_messages().is_empty(), "{body}");
        let letters = world.take_ingest_dead_letters().await;
        let [(letter, [found, explained, message_id])] = &letters[..] else { panic!("{body}: {letters:?}") };
        assert_eq!((letter, found.as_str(), message_id), (&body, reason, &id), "{explained}");
        assert!(explained.contains(detail), "{body}: {explained}");
    }
    world.drain().await;
    assert_eq!(numbers(&receiver), [0]);
}

#[tokio::test]
async fn a_refused_message_does_not_affect_the_others_of_its_batch() {
    let (world, receiver, tenant) = subscribed().await;
    let mut wrong = message(&tenant, 1);
    wrong["type"] = json!(7);
    world.ingest(&[message(&tenant, 0), wrong, json!("x"), message(&tenant, 3)]).await;
    assert!(world.ingest_messages().is_empty());
    world.drain().await;
    assert_eq!(numbers(&receiver), [0, 3]);
    assert_eq!(world.take_ingest_dead_letters().await.len(), 2);
}

#[tokio::test]
async fn the_refused_events_of_a_list_become_a_dead_letter_that_can_be_sent_again() {
    let (world, receiver, tenant) = subscribed().await;
    let schema = json!({"type": "object", "required": ["name"]});
    event_types::create(&world, &json!({"name": "strict", "schema": schema})).await;
    let event = |kind: &str, number: u32| json!({"type": kind, "data": {"number": number}});
    let list = json!([event("a", 0), event("not a type", 1), event("strict", 2), event("a", 3)]);
    world.ingest(&[json!({"organization": tenant.id, "events": list, "idempotency_key": "k"})]).await;
    let letters = world.take_ingest_dead_letters().await;
    let [(body, [reason, detail, _])] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(reason, "validation_failed");
    assert!(detail.starts_with("events[1]: type must be"), "{detail}");
    let rest: Value = serde_json::from_str(body).unwrap();
    assert_eq!(rest, json!({"organization": tenant.id, "events": [event("not a type", 1), event("strict", 2)]}));
    // The schema is corrected, and the dead letter is moved back.
    let corrected = json!({"schema": {"type": "object"}});
    world.platform().call(Method::PUT, "/v1/event-types/strict", &[], Some(corrected.to_string())).await.data(200);
    world.advance(std::time::Duration::from_secs(11));
    world.ingest(&[rest]).await;
    world.drain().await;
    assert_eq!(numbers(&receiver), [0, 2, 3]);
    let letters = world.take_ingest_dead_letters().await;
    let last: Value = serde_json::from_str(&letters[0].0).unwrap();
    assert_eq!(last, json!({"organization": tenant.id, "events": [event("not a type", 1)]}));
    // A list of which every event is refused is a dead letter as it is.
    let list = json!({"organization": tenant.id, "events": [{}], "idempotency_key": "all"});
    world.ingest(std::slice::from_ref(&list)).await;
    assert_eq!(world.take_ingest_dead_letters().await[0].0, list.to_string());
}

#[tokio::test]
async fn a_message_whose_dead_letter_cannot_be_sent_stays_in_the_queue() {
    let (world, _receiver, tenant) = subscribed().await;
    let network = over_network(&world.sdk(), |name| if name == "SendMessage" { Fate::Refuse } else { Fate::Pass });
    let process = world.process_on(&network);
    world.ingest_by(&process, &[json!({"organization": tenant.id, "type": 7}), message(&tenant, 1)]).await;
    assert_eq!(world.ingest_messages().len(), 1);
    assert!(world.take_ingest_dead_letters().await.is_empty());
    world.redeliver_ingest();
    world.process.ingest().await;
    assert!(world.ingest_messages().is_empty());
    assert_eq!(world.take_ingest_dead_letters().await.len(), 1);
    assert_eq!(events(&tenant).await.len(), 1);
}

#[tokio::test]
async fn a_refused_message_reveals_nothing_and_changes_nothing_of_another_organization() {
    let (world, receiver, tenant) = subscribed().await;
    let other = world.tenant().await;
    let mut events = message(&tenant, 1);
    events["organization"] = json!([tenant.id, other.id]);
    world.ingest(&[events]).await;
    world.drain().await;
    assert!(types(&tenant).await.is_empty() && types(&other).await.is_empty() && receiver.received().is_empty());
}

/// SQS counts the attributes of a message, with their names and types, towards its size.
#[tokio::test]
async fn a_refused_message_near_the_size_limit_is_a_dead_letter_with_fewer_attributes() {
    const LIMIT: usize = 1024 * 1024;
    let (world, _receiver, tenant) = subscribed().await;
    let reason = "reason".len() + "String".len() + "validation_failed".len();
    let message_id = "message_id".len() + "String".len() + 36;
    for (bytes, kept) in [
        (LIMIT - 1_000, [true, true, true]),
        (LIMIT - reason - message_id, [true, false, true]),
        (LIMIT - reason - message_id + 1, [true, false, false]),
        (LIMIT - reason, [true, false, false]),
        (LIMIT - reason + 1, [false; 3]),
        (LIMIT, [false; 3]),
    ] {
        let mut message = json!({"organization": tenant.id, "type": 7, "data": {"text": ""}});
        message["data"]["text"] = json!("x".repeat(bytes - message.to_string().len()));
        world.send_to_ingest(&message.to_string()).await;
        assert_eq!(world.process.ingest().await, 1);
        assert!(world.ingest_messages().is_empty(), "{bytes}");
        let letters = world.take_ingest_dead_letters().await;
        let [(body, attributes)] = &letters[..] else { panic!("{bytes}: {}", letters.len()) };
        assert_eq!((body.len(), attributes.each_ref().map(|it| !it.is_empty())), (bytes, kept), "{bytes}");
    }
}
