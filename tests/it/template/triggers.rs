//! What invokes the consumer and the sweep.

use std::path::Path;

use serde_json::json;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS, VISIBILITY_SECONDS};

use super::{properties, template};
use crate::support::text;

#[test]
fn the_event_sources_report_failed_messages_and_limit_concurrency() {
    let template = template();
    let function = properties(&template, "DeliverFunction");
    let sources = function["Events"].as_object().unwrap();
    assert_eq!(sources.len(), 2);
    for (source, queue, concurrency) in
        [("Deliveries", "Queue", "MaximumConcurrency"), ("SlowDeliveries", "SlowQueue", "SlowMaximumConcurrency")]
    {
        let source = &sources[source];
        assert_eq!(source["Type"], "SQS");
        let source = &source["Properties"];
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(source["BatchSize"], json!(CONSUMER_BATCH));
        assert_eq!(source["Queue"], json!({"!GetAtt": format!("{queue}.Arn")}));
        assert!(source.get("MaximumBatchingWindowInSeconds").is_none());
        assert_eq!(
            source["ScalingConfig"],
            json!({"MaximumConcurrency": {"!Ref": concurrency}}),
            "each lane has its own limit"
        );
        assert!(template["Parameters"][concurrency]["MinValue"].as_u64().unwrap() >= 2, "AWS requires at least 2");
        let visibility = properties(&template, queue)["VisibilityTimeout"].as_u64().unwrap();
        let timeout = function["Timeout"].as_u64().unwrap();
        assert!(visibility >= 6 * timeout && visibility == u64::from(VISIBILITY_SECONDS));
    }
    assert!(
        function.get("ReservedConcurrentExecutions").is_none(),
        "it could move messages to the dead-letter queue without an attempt"
    );

    assert_eq!(function["Timeout"], json!(CONSUMER_TIMEOUT_SECONDS));
}

/// A delayed copy and a forwarded message are sent to the function's own queues. Lambda stops such a loop by default.
#[test]
fn only_functions_that_send_copies_of_messages_may_send_messages_to_themselves() {
    let template = template();
    let functions = template["Resources"].as_object().unwrap().iter();
    let functions = functions.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    for (name, function) in functions {
        let sends_to_itself = ["DeliverFunction", "IngestFunction"].contains(&name.as_str());
        let expected = sends_to_itself.then(|| json!("Allow"));
        assert_eq!(function["Properties"].get("RecursiveLoop").cloned(), expected, "{name}");
    }
}

#[test]
fn the_sweep_runs_every_minute_and_not_concurrently() {
    let template = template();
    let function = properties(&template, "SweepFunction");
    let schedule = &function["Events"]["EveryMinute"];
    assert_eq!((text(&schedule["Type"]), text(&schedule["Properties"]["Schedule"])), ("Schedule", "rate(1 minute)"));
    assert!(function["Timeout"].as_u64().unwrap() < 60);
}

/// Without the consumer, sweeps would repeatedly send messages that no consumer receives.
#[test]
fn delivery_enabled_switches_only_the_consumer_and_the_sweep() {
    let template = template();
    assert_eq!(template["Conditions"]["Delivers"], json!({"!Equals": [{"!Ref": "DeliveryEnabled"}, "true"]}));
    assert_eq!(template["Parameters"]["DeliveryEnabled"]["Default"], "true");
    let event = |function: &str, event: &str| properties(&template, function)["Events"][event]["Properties"].clone();
    for lane in ["Deliveries", "SlowDeliveries"] {
        assert_eq!(event("DeliverFunction", lane)["Enabled"], json!({"!If": ["Delivers", true, false]}));
    }
    let state = &event("SweepFunction", "EveryMinute")["State"];
    assert_eq!(*state, json!({"!If": ["Delivers", "ENABLED", "DISABLED"]}));
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
    assert_eq!(text.matches("[Delivers,").count(), 3);
}
