//! The partition keys that a call to DynamoDB uses, as far as its body shows them.

use std::fmt;

use serde_json::{Value, json};

use super::Call;

/// A partition key of the table or of its index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Table(String),
    Index(String),
}

impl Key {
    pub(super) fn partition(&self) -> &str {
        match self {
            Self::Table(partition) | Self::Index(partition) => partition,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Table(_)) { "table" } else { "index" };
        write!(f, "{} of the {kind}", self.partition())
    }
}

/// An item that a call reads or writes, or a partition that it queries.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    pub(super) key: Key,
    write: Option<Write>,
}

/// The effect of a write on the index.
#[derive(Debug, Clone)]
struct Write {
    table: Value,
    item_key: Value,
    /// The item's index key before the write.
    before: Option<Mark>,
    after: After,
}

#[derive(Debug, Clone)]
enum After {
    /// The index key after the write is this one, or there is none.
    Is(Option<Mark>),
    /// The write does not change the index key.
    Stays,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    key: Key,
    sort_key: String,
}

impl Touched {
    /// The items that a call uses. It is empty if the call is not about items.
    pub(super) fn by(call: &Call) -> impl Iterator<Item = Self> {
        let body = &call.body;
        let found = match call.operation.as_str() {
            "GetItem" => vec![Self::read(&body["Key"])],
            "BatchGetItem" => in_tables(body).flat_map(|(_, keys)| items(&keys["Keys"])).map(Self::read).collect(),
            "Query" => vec![Self::queried(body)],
            "PutItem" => vec![Self::put(&body["TableName"], &body["Item"])],
            "DeleteItem" => vec![Self::deleted(&body["TableName"], &body["Key"])],
            "UpdateItem" => vec![Self::updated(body)],
            "BatchWriteItem" => in_tables(body)
                .flat_map(|(table, writes)| {
                    items(writes).map(move |write| Self::put(&table, &write["PutRequest"]["Item"]))
                })
                .collect(),
            "BatchExecuteStatement" => {
                let table =
                    |statement: &Value| statement["Statement"].as_str().unwrap().split('"').nth(1).map(Value::from);
                let statements = items(&body["Statements"]).map(|statement| table(statement).unwrap());
                statements.zip(call.inserted()).map(|(table, item)| Self::put(&table, &item)).collect()
            }
            "TransactWriteItems" => items(&body["TransactItems"]).map(Self::in_transaction).collect(),
            _ => Vec::new(),
        };
        found.into_iter()
    }

    fn read(key: &Value) -> Self {
        Self { key: Key::Table(text(&key["pk"])), write: None }
    }

    fn queried(body: &Value) -> Self {
        // `name = :value AND …`
        let name = body["KeyConditionExpression"].as_str().unwrap().split(' ').nth(2).unwrap();
        let partition = text(&body["ExpressionAttributeValues"][name]);
        let key = if body["IndexName"].is_string() { Key::Index(partition) } else { Key::Table(partition) };
        Self { key, write: None }
    }

    fn put(table: &Value, item: &Value) -> Self {
        Self::written(table, &json!({"pk": item["pk"], "sk": item["sk"]}), After::Is(Mark::of(item)))
    }

    fn deleted(table: &Value, key: &Value) -> Self {
        Self::written(table, key, After::Is(None))
    }

    fn updated(update: &Value) -> Self {
        let expression = update["UpdateExpression"].as_str().unwrap();
        let after = match expression.split_once("REMOVE") {
            Some((_, removed)) if removed.contains("waiting_pk") => After::Is(None),
            _ => After::Stays,
        };
        Self::written(&update["TableName"], &update["Key"], after)
    }

    fn in_transaction(action: &Value) -> Self {
        let (name, action) = action.as_object().unwrap().iter().next().unwrap();
        match name.as_str() {
            "Put" => Self::put(&action["TableName"], &action["Item"]),
            "Delete" => Self::deleted(&action["TableName"], &action["Key"]),
            "Update" => Self::updated(action),
            _ => Self::written(&action["TableName"], &action["Key"], After::Stays),
        }
    }

    fn written(table: &Value, key: &Value, after: After) -> Self {
        let write = Write { table: table.clone(), item_key: key.clone(), before: None, after };
        Self { key: Key::Table(text(&key["pk"])), write: Some(write) }
    }

    /// A request that reads the index key of an item before it is written.
    pub(super) fn read_mark(&self) -> Option<Value> {
        let Write { table, item_key, .. } = self.write.as_ref()?;
        let projection = "waiting_pk, waiting_sk";
        Some(json!({
            "TableName": table, "Key": item_key, "ConsistentRead": true, "ProjectionExpression": projection,
        }))
    }

    /// Adds the index key of the item as it is before the write.
    pub(super) fn with_mark(mut self, item: &Value) -> Self {
        if let Some(write) = &mut self.write {
            write.before = Mark::of(item);
        }
        self
    }

    /// The index keys that the write writes to, at one unit each, since index entries contain only keys.
    pub(super) fn index_writes(&self) -> impl Iterator<Item = &Key> {
        let moved = self.write.as_ref().and_then(|write| match &write.after {
            After::Is(after) if *after != write.before => Some((write.before.as_ref(), after.as_ref())),
            _ => None,
        });
        moved.into_iter().flat_map(|(before, after)| before.into_iter().chain(after)).map(|mark| &mark.key)
    }

    /// All keys whose budgets the call needs.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.key).chain(self.index_writes())
    }
}

impl Mark {
    fn of(item: &Value) -> Option<Self> {
        let partition = item["waiting_pk"]["S"].as_str()?;
        Some(Self { key: Key::Index(partition.to_owned()), sort_key: text(&item["waiting_sk"]) })
    }
}

fn text(value: &Value) -> String {
    value["S"].as_str().unwrap().to_owned()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn in_tables(body: &Value) -> impl Iterator<Item = (Value, &Value)> {
    body["RequestItems"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(table, of_table)| (Value::from(table.as_str()), of_table))
}
