//! The alarms and the dashboard.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{properties, template};
use crate::support::text;

/// An alarm for one queue does not detect problems of the other.
#[test]
fn both_queues_have_the_same_alarms() {
    let template = template();
    let alarms_of = |queue: &str| {
        let of_queue = json!([{"Name": "QueueName", "Value": {"!GetAtt": format!("{queue}.QueueName")}}]);
        let resources = template["Resources"].as_object().unwrap().values();
        let alarms = resources.map(|resource| &resource["Properties"]).filter(|it| it["Dimensions"] == of_queue);
        let rules = ["MetricName", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator", "Threshold"];
        alarms.map(|alarm| rules.map(|rule| alarm[rule].to_string())).collect::<BTreeSet<_>>()
    };
    assert_eq!(alarms_of("Queue").len(), 2);
    assert_eq!(alarms_of("Queue"), alarms_of("SlowQueue"));
}

/// Every alarm on a custom metric uses a metric that the functions write, and docs/operations.md explains it.
#[test]
fn every_alarm_uses_an_existing_metric_and_is_documented() {
    const METRICS: [&str; 5] = ["Delivered", "SweepOverdueSeconds", "Undecryptable", "Unreadable", "Unrecorded"];
    let template = template();
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (handbook, source) = (read("docs/operations.md"), read("shared/src/telemetry/metrics.rs"));
    let mut watched = BTreeSet::new();
    for (name, alarm) in template["Resources"].as_object().unwrap() {
        if alarm["Type"] != "AWS::CloudWatch::Alarm" {
            continue;
        }
        let alarm = &alarm["Properties"];
        assert!(handbook.lines().any(|line| line.starts_with("### ") && line.contains(name.as_str())), "{name}");
        if alarm["Namespace"] == "Pigeonpost" {
            let dimensions = json!([{"Name": "Stack", "Value": {"!Ref": "AWS::StackName"}}]);
            assert_eq!(alarm["Dimensions"], dimensions, "{name}");
            watched.insert(text(&alarm["MetricName"]).to_owned());
        }
    }
    assert_eq!(watched, METRICS.map(str::to_owned).into());
    assert!(METRICS.iter().all(|metric| source.contains(&format!("= \"{metric}\";"))));
}

#[test]
fn the_dashboard_shows_every_queue_and_function_with_and_without_the_ingest_queue() {
    let template = template();
    let dashboard = &properties(&template, "CloudWatchDashboard")["DashboardBody"]["!Sub"];
    let ingest = &dashboard[1]["Ingest"]["!If"];
    assert_eq!((&ingest[0], &ingest[2]), (&json!("HasIngestQueue"), &json!("")));
    let body = |ingest: &str| {
        let body = text(&dashboard[0]).replace("${Ingest}", ingest);
        serde_json::from_str::<Value>(&body).unwrap()["widgets"].as_array().unwrap().len()
    };
    assert_eq!(body(text(&ingest[1]["!Sub"])), body("") + 2);
    for (name, definition) in template["Resources"].as_object().unwrap() {
        let shown = match text(&definition["Type"]) {
            "AWS::SQS::Queue" => format!("${{{name}.QueueName}}"),
            "AWS::Serverless::Function" => format!("${{{name}}}"),
            _ => continue,
        };
        let part = if definition.get("Condition").is_some() { &ingest[1]["!Sub"] } else { &dashboard[0] };
        assert!(text(part).contains(&shown), "{name}");
    }
}
