//! The queues of deliveries and the ingest queue, and the event bus that sends to it.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::{
    CONSUMER_BATCH, INGEST_TIMEOUT_SECONDS, INGEST_VISIBILITY_SECONDS, MAX_RECEIVES, RETENTION_SECONDS,
};

use super::{condition, properties, template};
use crate::support::{World, text};

/// The queues of the lanes in the template.
const QUEUES: [(&str, Lane); 2] = [("Queue", Lane::Fast), ("SlowQueue", Lane::Slow)];

/// Checks that the local host's queue at this URL has the times of the template's queue. Returns its attributes.
async fn checked_attributes(world: &World, url: &str, queue: &Value) -> HashMap<QueueAttributeName, String> {
    let attributes = world.sqs().get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
    let created = attributes.send().await.unwrap().attributes.unwrap();
    for (name, attribute) in [
        ("MessageRetentionPeriod", QueueAttributeName::MessageRetentionPeriod),
        ("VisibilityTimeout", QueueAttributeName::VisibilityTimeout),
    ] {
        assert_eq!(queue[name].to_string(), created[&attribute], "{name}");
    }
    created
}

#[tokio::test]
async fn the_queues_are_the_same_as_the_local_hosts() {
    let (world, template) = (World::new().await, template());
    for (resource, lane) in QUEUES {
        let queue = properties(&template, resource);
        let created = checked_attributes(&world, world.queue_url_of(lane), queue).await;
        let redrive: Value = serde_json::from_str(&created[&QueueAttributeName::RedrivePolicy]).unwrap();
        let max_receives = &redrive["maxReceiveCount"];
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"].to_string(), max_receives.to_string().trim_matches('"'));
        assert!(text(&redrive["deadLetterTargetArn"]).ends_with("-dead"), "{redrive}");
        assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"], json!({"!GetAtt": "DeadLetterQueue.Arn"}));
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], json!(MAX_RECEIVES));
    }
    let dead_letter_queue = properties(&template, "DeadLetterQueue");
    assert!(dead_letter_queue.get("RedriveAllowPolicy").is_none(), "both queues may use it");
    for queue in [properties(&template, "Queue"), properties(&template, "SlowQueue"), dead_letter_queue] {
        assert_eq!(queue["MessageRetentionPeriod"], json!(RETENTION_SECONDS));
        assert!(queue.get("FifoQueue").is_none() && queue.get("DelaySeconds").is_none());
    }
}

#[tokio::test]
async fn the_ingest_queue_is_the_same_as_the_local_hosts_and_optional() {
    let (world, template) = (World::new().await, template());
    let queue = properties(&template, "IngestMessages");
    let url = world.sqs().get_queue_url().queue_name("ingest").send().await.unwrap().queue_url.unwrap();
    checked_attributes(&world, &url, queue).await;
    assert_eq!(
        queue["RedrivePolicy"],
        json!({"deadLetterTargetArn": {"!GetAtt": "IngestDeadLetterQueue.Arn"}, "maxReceiveCount": MAX_RECEIVES})
    );
    assert_eq!(properties(&template, "IngestDeadLetterQueue")["MessageRetentionPeriod"], json!(RETENTION_SECONDS));

    let function = properties(&template, "IngestFunction");
    assert_eq!(function["Timeout"], json!(INGEST_TIMEOUT_SECONDS));
    assert_eq!(queue["VisibilityTimeout"], json!(INGEST_VISIBILITY_SECONDS));
    let source = &function["Events"]["Requests"]["Properties"];
    assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(source["BatchSize"], json!(CONSUMER_BATCH));
    assert_eq!(source["Queue"], json!({"!GetAtt": "IngestMessages.Arn"}));
    assert_eq!(source["ScalingConfig"], json!({"MaximumConcurrency": {"!Ref": "IngestMaximumConcurrency"}}));
    // It sends delayed copies to its own queue.
    assert_eq!(function["RecursiveLoop"], "Allow");
    let alarm = properties(&template, "IngestInFlightAlarm");
    assert_eq!(alarm["Threshold"], properties(&template, "InFlightAlarm")["Threshold"]);
    assert_eq!(alarm["Dimensions"][0]["Value"], json!({"!GetAtt": "IngestMessages.QueueName"}));
    let variables = json!({
        "INGEST_QUEUE_URL": {"!Ref": "IngestMessages"}, "INGEST_DEAD_LETTER_QUEUE_URL": {"!Ref": "IngestDeadLetterQueue"},
    });
    assert_eq!(function["Environment"]["Variables"], variables);

    assert_eq!(template["Parameters"]["IngestQueue"]["Default"], "false");
    let of_ingest = template["Resources"].as_object().unwrap().keys().filter(|name| name.starts_with("Ingest"));
    let of_ingest: Vec<_> = of_ingest.collect();
    assert_eq!(of_ingest.len(), 8, "{of_ingest:?}");
    for resource in of_ingest {
        assert_eq!(condition(&template, resource), "HasIngestQueue", "{resource}");
    }
}

#[test]
fn the_event_bus_is_optional_sends_to_the_ingest_queue_and_has_an_archive() {
    let template = template();
    let is_on = |parameter: &str| json!({"!Equals": [{"!Ref": parameter}, "true"]});
    assert_eq!(template["Conditions"]["HasEventBus"], is_on("EventBus"));
    let has_queue = json!({"!Or": [is_on("IngestQueue"), is_on("EventBus")]});
    assert_eq!(template["Conditions"]["HasIngestQueue"], has_queue, "the bus needs the queue");
    assert_eq!(template["Parameters"]["EventBus"]["Default"], "false");
    let resources = template["Resources"].as_object().unwrap().keys().filter(|name| name.starts_with("Bus"));
    let resources: Vec<_> = resources.collect();
    assert_eq!(resources.len(), 5, "{resources:?}");
    for resource in resources {
        assert_eq!(condition(&template, resource), "HasEventBus", "{resource}");
    }
    let [queue, dead_letter] = ["IngestMessages", "IngestDeadLetterQueue"];
    let arn = |name: &str| json!({"!GetAtt": format!("{name}.Arn")});
    let target = json!([{"Id": "ingest", "Arn": arn(queue), "DeadLetterConfig": {"Arn": arn(dead_letter)}}]);
    let rule = properties(&template, "BusRule");
    assert_eq!((&rule["Targets"], &rule["EventBusName"]), (&target, &json!({"!Ref": "Bus"})));
    assert_eq!(rule["EventPattern"], json!({"source": [{"prefix": ""}]}), "every event");
    assert!(rule.get("State").is_none());
    // Only the rule may send, and only to these queues.
    for (policy, queue) in [("BusQueuePolicy", queue), ("BusDeadLetterPolicy", dead_letter)] {
        let policy = properties(&template, policy);
        let statement = json!([{
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": arn("BusRule")}},
        }]);
        assert_eq!(
            (&policy["Queues"], &policy["PolicyDocument"]["Statement"]),
            (&json!([{"!Ref": queue}]), &statement)
        );
    }
    let archive = properties(&template, "BusArchive");
    assert_eq!((&archive["SourceArn"], &archive["RetentionDays"]), (&arn("Bus"), &json!({"!Ref": "EventArchiveDays"})));
}
