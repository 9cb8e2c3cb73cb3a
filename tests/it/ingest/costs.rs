//! The costs of ingesting, counted from the requests to AWS.

use serde_json::json;

use super::{message, subscribed};
use crate::meter::Meter;

/// Ten messages of one organization, each with one event and one delivery.
#[tokio::test]
async fn ten_messages_share_the_calls_that_can_be_shared() {
    let (world, _receiver, tenant) = subscribed().await;
    let (sdk, meter) = Meter::install(&world.sdk()).unwrap();
    let process = world.process_on(&sdk);
    let first = json!({"organization": tenant.id, "type": "nobody.wants.this", "data": {}});
    world.ingest_by(&process, &[first]).await;
    let messages: Vec<_> = (0..10).map(|number| message(&tenant, number)).collect();
    for message in &messages {
        world.send_to_ingest(&message.to_string()).await;
    }
    meter.take();
    assert_eq!(process.ingest().await, 10);
    let bill = meter.take();
    assert_eq!(bill.calls["GetItem"], 1, "{bill:?}: the state");
    assert_eq!(bill.calls["PutItem"], 10, "{bill:?}: a claim for each message");
    assert_eq!((bill.calls["ReceiveMessage"], bill.calls["DeleteMessageBatch"]), (1, 1), "{bill:?}");
    assert_eq!(bill.write_units, 30.0, "{bill:?}: claim, event and list of each message");
    assert!(bill.read_units <= 1.0, "{bill:?}");
    // All claims end before the first event is stored, so the requests are in step.
    assert_eq!((bill.calls["BatchWriteItem"], bill.calls["SendMessageBatch"]), (2, 1), "{bill:?}");
}
