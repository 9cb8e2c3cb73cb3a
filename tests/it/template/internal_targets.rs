//! The AWS resources that deliveries may go to. The deployment's own are never among them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::endpoint::destination::arn::ResourceArn;
use shared::domain::endpoint::destination::internal_targets::InternalTargets;
use shared::domain::endpoint::lane::ByLane;

use super::roles::{ROLES, statements};
use super::{properties, template};
use crate::support::text;

#[test]
fn deliveries_may_go_to_exactly_the_listed_resources() {
    let template = template();
    for (_, role) in ROLES {
        let named = statements(&template, role).filter(|it| it["Resource"].to_string().contains("InternalTargets"));
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), usize::from(role == "DeliverRole"), "{role}");
        for statement in named {
            let actions = ["events:PutEvents", "lambda:InvokeFunction", "sqs:SendMessage"];
            assert_eq!(statement["Action"], json!(actions));
            assert_eq!(statement["Resource"], json!({"!Split": [",", {"!Ref": "InternalTargets"}]}));
        }
    }
    let is_empty = json!({"!Equals": [{"!Ref": "InternalTargets"}, ""]});
    assert_eq!(template["Conditions"]["HasInternalTargets"], json!({"!Not": [is_empty]}));
    let statement = properties(&template, "DeliverRole")["Policies"][0]["PolicyDocument"]["Statement"].as_array();
    let conditions: Vec<_> = statement.unwrap().iter().filter_map(|it| it["!If"].get(0)).collect();
    assert!(conditions.contains(&&json!("HasInternalTargets")), "an empty list is no resource");
}

/// Deliveries to the deployment's own queues, bus and functions would be endless loops.
#[test]
fn the_deployments_own_queues_bus_and_functions_are_no_internal_targets() {
    let template = template();
    let url = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/123456789012/stack-{name}-A1");
    let urls = ByLane { fast: url("Queue"), slow: url("SlowQueue") };
    let mut checked = 0;
    for (resource, definition) in template["Resources"].as_object().unwrap() {
        let service = match text(&definition["Type"]) {
            "AWS::SQS::Queue" => "sqs:us-east-1:123456789012:",
            "AWS::Serverless::Function" => "lambda:us-east-1:123456789012:function:",
            // The name of a bus is that of the stack.
            "AWS::Events::EventBus" => {
                assert_eq!(definition["Properties"]["Name"], json!({"!Ref": "AWS::StackName"}));
                "events"
            }
            _ => continue,
        };
        let of = |name: &str| match service {
            "events" if name == resource => "arn:aws:events:us-east-1:123456789012:event-bus/stack".to_owned(),
            "events" => format!("arn:aws:events:us-east-1:123456789012:event-bus/{name}"),
            _ => format!("arn:aws:{service}stack-{name}-B2"),
        };
        for (arn, is_allowed) in [(of(resource), false), (of("Other"), true)] {
            let targets = InternalTargets::parse(&arn, &urls).unwrap();
            assert_eq!(targets.check(&ResourceArn::parse(&arn).unwrap()).is_ok(), is_allowed, "{arn}");
        }
        checked += 1;
    }
    assert_eq!(checked, 12);
}

/// The role's own statement allows the queues of deliveries, which the settings name exactly.
#[test]
fn the_deliver_role_denies_the_deployments_own_queues_bus_and_functions() {
    let template = template();
    let policy = &template["Resources"]["NoDeliveryToItself"];
    assert_eq!((&policy["Type"], &policy["Condition"]), (&json!("AWS::IAM::Policy"), &json!("HasInternalTargets")));
    assert_eq!(policy["Properties"]["Roles"], json!([{"!Ref": "DeliverRole"}]));
    let mut denied = BTreeSet::new();
    for statement in policy["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap() {
        let statement = unconditional(statement);
        assert_eq!(statement["Effect"], "Deny");
        let resources = match &statement["Resource"] {
            Value::Array(resources) => resources.iter().map(unconditional).collect(),
            resource => vec![resource],
        };
        denied.extend(resources.into_iter().map(|it| (text(&statement["Action"]).to_owned(), it.to_string())));
    }
    let resources = template["Resources"].as_object().unwrap();
    let expected = resources.iter().filter_map(|(name, definition)| {
        let (action, resource) = match text(&definition["Type"]) {
            "AWS::SQS::Queue" if ["Queue", "SlowQueue"].contains(&name.as_str()) => return None,
            "AWS::SQS::Queue" => ("sqs:SendMessage", json!({"!GetAtt": format!("{name}.Arn")})),
            "AWS::Events::EventBus" => ("events:PutEvents", json!({"!GetAtt": format!("{name}.Arn")})),
            "AWS::Serverless::Function" => ("lambda:InvokeFunction", json!({"!Sub": format!("${{{name}.Arn}}*")})),
            _ => return None,
        };
        Some((action.to_owned(), resource.to_string()))
    });
    assert_eq!(denied, expected.collect());
}

/// A value, or that of a condition which holds.
fn unconditional(value: &Value) -> &Value {
    value.get("!If").map_or(value, |conditional| &conditional[1])
}
