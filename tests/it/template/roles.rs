//! The roles of the functions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{properties, template};
use crate::support::{Done, listed, text};

/// The functions and their roles.
pub(super) const ROLES: [(&str, &str); 6] = [
    ("api", "ApiRole"),
    ("publish", "PublishRole"),
    ("ingest", "IngestRole"),
    ("portal", "PortalRole"),
    ("deliver", "DeliverRole"),
    ("sweep", "SweepRole"),
];

/// The functions that manage everything, so that their roles name no partitions.
const MANAGERS: [&str; 2] = ["api", "portal"];

/// The actions that a role allows on the table and on both queues. Each has the partitions in its condition, or none if
/// it has no condition.
fn allowed(template: &Value, role: &str) -> Done {
    let mut allowed = Done::new();
    for statement in statements(template, role) {
        assert_eq!(statement["Effect"], "Allow");
        for (action, index) in actions(statement) {
            // The ingest function sends to the queues of deliveries, and to its own ones.
            let is_own = action == "sqs:SendMessage" && statement["Sid"] == "RefuseAndDelayRequests";
            let known = allowed.insert((action, index), conditions(statement));
            assert_eq!(known.is_some(), is_own, "{role} has two statements for an action in {statement}");
        }
    }
    allowed
}

/// The statements of a role, with those that depend on a parameter.
pub(super) fn statements<'a>(template: &'a Value, role: &str) -> impl Iterator<Item = &'a Value> {
    let policies = properties(template, role)["Policies"].as_array().unwrap();
    let statements = policies.iter().flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
    statements.map(|statement| match statement.get("!If") {
        Some(conditional) => {
            assert_eq!(conditional[2], json!({"!Ref": "AWS::NoValue"}));
            &conditional[1]
        }
        None => statement,
    })
}

/// The actions of a statement and the index to which they apply. Statements for logs and parameters have no actions here.
fn actions(statement: &Value) -> Vec<(String, Option<String>)> {
    let names: Vec<_> = match &statement["Action"] {
        Value::Array(names) => names.iter().map(text).collect(),
        name => vec![text(name)],
    };
    let (resource, index) = match &statement["Resource"] {
        it if *it == json!({"!GetAtt": "Table.Arn"}) => ("dynamodb:", None),
        it if *it == json!({"!Sub": "${Table.Arn}/index/waiting"}) => ("dynamodb:", Some("waiting".to_owned())),
        it if *it == json!([{"!GetAtt": "Queue.Arn"}, {"!GetAtt": "SlowQueue.Arn"}]) => ("sqs:", None),
        it if *it == json!({"!GetAtt": "IngestMessages.Arn"}) => ("sqs:", None),
        it if *it == json!([{"!GetAtt": "IngestDeadLetterQueue.Arn"}, {"!GetAtt": "IngestMessages.Arn"}]) => {
            ("sqs:", None)
        }
        // `deliveries_may_go_to_exactly_the_listed_resources` tests this statement.
        it if it.get("!Split").is_some() => return Vec::new(),
        it if it.get("!Sub").is_some_and(|it| text(it).contains(":ssm:")) => return Vec::new(),
        it => {
            assert!(text(&it["!GetAtt"]).ends_with("LogGroup.Arn"), "{it}");
            assert_eq!(names, ["logs:CreateLogStream", "logs:PutLogEvents"]);
            return Vec::new();
        }
    };
    assert!(names.iter().all(|name| name.starts_with(resource) && !name.contains('*')), "{statement}");
    names.into_iter().map(|name| (name.to_owned(), index.clone())).collect()
}

fn conditions(statement: &Value) -> BTreeSet<String> {
    let Some(condition) = statement.get("Condition") else { return BTreeSet::new() };
    let patterns = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"].as_array().unwrap();
    assert_eq!(
        *condition,
        json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns}}),
        "no other condition"
    );
    let partition = |pattern: &Value| match text(pattern) {
        "catalogue" | "reencryption" => text(pattern).to_owned(),
        pattern => pattern.strip_suffix("#*").unwrap().to_owned(),
    };
    patterns.iter().map(partition).collect()
}

/// Tests of `failures` and `access` compare the list with the functions' actual calls.
#[test]
fn each_role_allows_exactly_the_actions_of_its_function() {
    let template = template();
    for (function, role) in ROLES {
        let (mut allowed, done) = (allowed(&template, role), listed(function));
        if ["deliver", "ingest"].contains(&function) {
            // AWS requires this action for a function with a queue. Only Lambda uses it.
            let own = allowed.remove(&("sqs:GetQueueAttributes".to_owned(), None));
            assert!(own.is_some());
        }
        assert_eq!(allowed.keys().collect::<Vec<_>>(), done.keys().collect::<Vec<_>>(), "{role}");
        for (action, partitions) in &allowed {
            let is_limited = !MANAGERS.contains(&function) && action.0.starts_with("dynamodb:") && action.1.is_none();
            assert_eq!(!partitions.is_empty(), is_limited, "{role}: {action:?}");
            let missing: Vec<_> = done[action].difference(partitions).filter(|_| is_limited).collect();
            assert_eq!(missing, [""; 0], "{role} lacks these for {action:?}");
        }
        // All actions of a statement share its condition, so each partition must be used by at least one of them.
        for partitions in allowed.values() {
            let shares = allowed.iter().filter(|(_, others)| *others == partitions).map(|(action, _)| action);
            let used: BTreeSet<_> = shares.flat_map(|action| done[action].clone()).collect();
            assert!(partitions.is_subset(&used), "{role} allows {partitions:?} for {used:?}");
        }
    }
}

#[test]
fn no_role_allows_forbidden_actions() {
    let template = template();
    let may = |role: &str, name: &str| allowed(&template, role).keys().any(|(action, _)| action == name);
    for (_, role) in ROLES {
        for action in ["ChangeMessageVisibility", "ReceiveMessage", "DeleteMessage"] {
            let consumes = ["DeliverRole", "IngestRole"].contains(&role);
            assert_eq!(may(role, &format!("sqs:{action}")), consumes, "{role} {action}");
        }
        assert!(may(role, "sqs:SendMessage"), "{role}");
    }
    let consumed = statements(&template, "IngestRole").filter(|it| it["Action"].to_string().contains("ReceiveMessage"));
    assert_eq!(consumed.map(|it| &it["Resource"]).collect::<Vec<_>>(), [&json!({"!GetAtt": "IngestMessages.Arn"})]);
    for ((action, _), partitions) in ["PublishRole", "IngestRole"].iter().flat_map(|role| allowed(&template, role)) {
        let changes = ["Put", "Insert", "Update", "Delete", "Write"].iter().any(|word| action.contains(word));
        let managed = ["key", "org", "slug", "state", "endpoint", "fanout"];
        let is_managed = managed.iter().any(|managed| partitions.contains(*managed));
        assert!(!(changes && is_managed && action.starts_with("dynamodb:")), "{action}: {partitions:?}");
        let sees_secrets = ["endpoint", "org"].iter().any(|hidden| partitions.contains(*hidden));
        assert!(!sees_secrets, "{action}: {partitions:?}");
    }
    for ((action, _), partitions) in allowed(&template, "DeliverRole") {
        assert!(!["key", "org", "slug"].iter().any(|hidden| partitions.contains(*hidden)), "{action}: {partitions:?}");
    }
}
