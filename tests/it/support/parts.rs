//! Batches that are performed partially, with the responses of DynamoDB and SQS.

use serde_json::{Map, Value, json};

use super::Call;

/// The part of a batch that is performed, and who is at fault for the rest. Only SQS reports the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Nothing is performed.
    Nothing,
    /// The first half is performed, rounded down.
    Half,
    /// Nothing is performed, and the sender is at fault.
    NothingBySender,
    /// Everything is performed except entries with this text.
    Without(&'static str),
    /// Everything is performed except entries with this text, and the sender is at fault.
    WithoutBySender(&'static str),
}

impl Part {
    /// Keeps the entries to perform and returns the others.
    fn leave(self, entries: &mut Vec<Value>) -> Vec<Value> {
        match self {
            Self::Nothing | Self::NothingBySender => std::mem::take(entries),
            Self::Half => entries.split_off(entries.len() / 2),
            Self::Without(text) | Self::WithoutBySender(text) => {
                entries.extract_if(.., |entry| entry.to_string().contains(text)).collect()
            }
        }
    }
}

/// The request for the entries to perform, if there are any, and the response about the others.
pub(super) fn split(call: &Call, part: Part) -> (Option<Value>, Value) {
    let mut body = call.body.clone();
    let entries = entries_of(&call.operation, &mut body);
    // The entries are sorted by kind, deliveries last, so the unperformed part contains those that the test is about.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry["pk"]["S"].as_str().map(str::to_owned)));
    let left = part.leave(entries);
    let something = !entries.is_empty();
    let answer = match call.operation.as_str() {
        "BatchExecuteStatement" => json!({"Responses": vec![throttled(); left.len()]}),
        "BatchGetItem" => json!({"Responses": {}, "UnprocessedKeys": of_table(call, json!({"Keys": left}))}),
        "BatchWriteItem" => json!({"UnprocessedItems": of_table(call, Value::Array(left))}),
        _ => json!({"Successful": [], "Failed": left.iter().map(|entry| failed(entry, part)).collect::<Vec<_>>()}),
    };
    (something.then_some(body), answer)
}

/// Joins the responses about the performed and the unperformed entries.
pub(super) fn join(done: Value, left: Value) -> Value {
    let (Value::Object(mut done), Value::Object(left)) = (done, left) else { panic!("answers are objects") };
    for (name, rest) in left {
        let is_empty = rest.as_array().is_some_and(Vec::is_empty) || rest.as_object().is_some_and(Map::is_empty);
        match (done.get_mut(&name), rest) {
            (Some(Value::Array(done)), Value::Array(rest)) => done.extend(rest),
            (_, rest) if !is_empty => drop(done.insert(name, rest)),
            _ => {}
        }
    }
    Value::Object(done)
}

/// The entries of a batch.
pub(super) fn entries_of<'a>(operation: &str, body: &'a mut Value) -> &'a mut Vec<Value> {
    let at = match operation {
        "BatchExecuteStatement" => "/Statements",
        "BatchGetItem" => "/RequestItems/*/Keys",
        "BatchWriteItem" => "/RequestItems/*",
        _ => "/Entries",
    };
    let mut found = body;
    for name in at.split('/').skip(1) {
        let object = found.as_object_mut().unwrap();
        found = match name {
            "*" => object.values_mut().next().unwrap(),
            name => &mut object[name],
        };
    }
    found.as_array_mut().unwrap()
}

pub(super) fn of_table(call: &Call, left: Value) -> Value {
    let table = call.body["RequestItems"].as_object().unwrap().keys().next().unwrap();
    json!({ table: left })
}

fn failed(entry: &Value, part: Part) -> Value {
    let (code, fault) = match part {
        Part::NothingBySender | Part::WithoutBySender(_) => ("InvalidMessageContents", true),
        Part::Nothing | Part::Half | Part::Without(_) => ("InternalError", false),
    };
    json!({"Id": entry["Id"], "Code": code, "SenderFault": fault, "Message": "so the test will have it"})
}

/// DynamoDB's result for an unperformed statement.
fn throttled() -> Value {
    json!({"Error": {"Code": "ThrottlingError", "Message": "so the test will have it"}})
}
