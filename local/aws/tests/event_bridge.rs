use serde_json::{Value, json};

use super::*;

/// Puts entries, and returns the response.
async fn put(aws: &EmbeddedAws, entries: Value) -> (u16, Value) {
    let body = json!({"Entries": entries}).to_string();
    let answer = aws.engines.call("AWSEvents.PutEvents", body.as_bytes()).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn an_event_arrives_at_the_queue_as_event_bridge_sends_it() {
    let aws = StillClock::new().aws();
    let queue = TestQueue::named(&aws, "ingest", &[]).await;
    let detail = r#"{"n": 1.10,  "a": []}"#;
    let entry = json!({"Source": "com.example", "DetailType": "a.b", "Detail": detail, "Resources": ["ext:acme"]});
    let (status, answer) = put(&aws, json!([entry])).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(0)), "{answer}");
    let messages = aws.messages(&queue.url);
    let id = answer["Entries"][0]["EventId"].as_str().unwrap();
    let expected = format!(
        r#"{{"version":"0","id":"{id}","detail-type":"a.b","source":"com.example","account":"000000000000","time":"2027-01-15T08:00:00Z","region":"us-east-1","resources":["ext:acme"],"detail":{detail}}}"#
    );
    assert_eq!(messages, [expected]);
}

#[tokio::test]
async fn an_invalid_entry_does_not_affect_the_others() {
    let aws = StillClock::new().aws();
    let queue = TestQueue::named(&aws, "ingest", &[]).await;
    let good = json!({"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": "arn:aws:events:us-east-1:0:event-bus/pigeonpost"});
    let changed = |field: &str, value: &str| {
        let mut entry = good.clone();
        entry[field] = json!(value);
        entry
    };
    let entries = json!([
        good,
        changed("Source", ""),
        changed("Detail", "[]"),
        changed("Detail", "{"),
        changed("EventBusName", "default"),
    ]);
    let (status, answer) = put(&aws, entries).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(4)), "{answer}");
    let codes: Vec<_> = answer["Entries"].as_array().unwrap().iter().map(|it| it["ErrorCode"].as_str()).collect();
    let malformed = Some("MalformedDetail");
    assert_eq!(codes, [None, Some("InvalidArgument"), malformed, malformed, Some("ResourceNotFoundException")]);
    assert_eq!(aws.messages(&queue.url).len(), 1);
}

#[tokio::test]
async fn a_request_has_one_to_ten_entries_of_256_kib_together() {
    let aws = StillClock::new().aws();
    let entry = |detail: &str| json!({"Source": "s", "DetailType": "d", "Detail": detail});
    let large = json!({"text": "x".repeat(200 * 1024)}).to_string();
    for entries in [json!([]), json!(vec![entry("{}"); 11]), json!([entry(&large), entry(&large)])] {
        let (status, answer) = put(&aws, entries).await;
        assert_eq!(status, 400);
        assert!(answer["__type"].as_str().unwrap().ends_with("ValidationException"), "{answer}");
    }
}

/// On AWS the sender would not notice. Here nothing but the missing queue can be the cause.
#[tokio::test]
async fn without_the_queue_an_event_is_not_accepted() {
    let aws = StillClock::new().aws();
    let (_, answer) = put(&aws, json!([{"Source": "s", "DetailType": "d", "Detail": "{}"}])).await;
    assert_eq!(answer["FailedEntryCount"], 1);
}
