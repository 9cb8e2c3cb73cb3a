//! Calls to AWS, classified by their purpose as far as the request shows it.

use std::collections::BTreeSet;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde_json::Value;

/// A request to DynamoDB or SQS.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// `dynamodb` or `sqs`, as in the names of IAM actions.
    pub(crate) service: &'static str,
    pub(crate) operation: String,
    pub(crate) body: Value,
}

impl Call {
    pub(in crate::support) fn read(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (service, operation) = target.split_once('.').unwrap_or_default();
        Self {
            service: match service {
                "AmazonSQS" => "sqs",
                "AmazonSSM" => "ssm",
                _ => "dynamodb",
            },
            operation: operation.to_owned(),
            body: request.body().bytes().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default(),
        }
    }

    /// Whether the call changes nothing. Receiving messages is a change, because it hides them.
    pub(crate) fn reads(&self) -> bool {
        ["GetItem", "BatchGetItem", "Query", "Scan", "GetParameter"].contains(&self.operation.as_str())
    }

    /// The name of the index that the call reads, if any.
    pub(crate) fn index(&self) -> Option<&str> {
        self.body["IndexName"].as_str()
    }

    /// The kind of the call: its operation, the items and the change.
    pub(crate) fn kind(&self) -> String {
        let detail = match self.operation.as_str() {
            "GetItem" | "DeleteItem" => entity(&self.body["Key"]),
            "PutItem" => format!("{}{}", entity(&self.body["Item"]), self.put_state()),
            "UpdateItem" => match entity(&self.body["Key"]) {
                // The attributes depend on what was counted.
                stats if stats == "stats" => stats,
                other => format!("{other} {}", self.updated()),
            },
            "BatchExecuteStatement" => joined(self.inserted().map(|item| match entity(&item).as_str() {
                "delivery" => format!("delivery{}", attempt(&item)),
                other => other.to_owned(),
            })),
            "BatchGetItem" => self.batch_read(),
            "BatchWriteItem" => self.batch_write(),
            "TransactWriteItems" => joined(items(&self.body["TransactItems"]).flat_map(written).map(entity)),
            "Query" => self.queried(),
            "SendMessageBatch" => joined(items(&self.body["Entries"]).map(|entry| sent(entry).to_owned())),
            _ => String::new(),
        };
        format!("{} {detail}", self.operation).trim_end().to_owned()
    }

    /// The IAM actions that allow the call. A batch of messages needs the action for one message. A transaction or a
    /// batch of statements needs the actions of its entries.
    pub(crate) fn actions(&self) -> BTreeSet<String> {
        let operations = match (self.service, self.operation.as_str()) {
            ("sqs", operation) => vec![operation.trim_end_matches("Batch").to_owned()],
            (_, "TransactWriteItems") => {
                let actions = items(&self.body["TransactItems"]).flat_map(|item| item.as_object().unwrap().keys());
                actions.map(|name| format!("{name}Item")).collect()
            }
            (_, "BatchExecuteStatement") => {
                let first_word = |statement: &Value| match statement["Statement"].as_str().unwrap().split(' ').next() {
                    Some("INSERT") => "PartiQLInsert".to_owned(),
                    word => panic!("no statement here begins with {word:?}"),
                };
                items(&self.body["Statements"]).map(first_word).collect()
            }
            (_, operation) => vec![operation.to_owned()],
        };
        operations.iter().map(|operation| format!("{}:{operation}", self.service)).collect()
    }

    /// The first parts of the partition keys in the call. It is empty for a call to an index or a queue.
    pub(crate) fn partitions(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if self.service == "dynamodb" && self.index().is_none() {
            collect_partitions(&self.body, &mut found);
            self.inserted().for_each(|item| collect_partitions(&item, &mut found));
        }
        found
    }

    /// The items of a batch of statements.
    pub(crate) fn inserted(&self) -> impl Iterator<Item = Value> {
        items(&self.body["Statements"]).map(inserted)
    }

    fn in_table(&self) -> impl Iterator<Item = &Value> {
        let tables = self.body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
        tables.flat_map(|of_table| items(of_table.get("Keys").unwrap_or(of_table)))
    }

    /// Uncached endpoints and organization states are read together, or together with deliveries.
    fn batch_read(&self) -> String {
        let (mut found, along): (BTreeSet<_>, BTreeSet<_>) =
            self.in_table().map(entity).partition(|entity| !["endpoint", "state"].contains(&entity.as_str()));
        if !along.is_empty() && !found.contains("delivery") {
            found.insert("endpoint, state".to_owned());
        }
        joined(found)
    }

    /// A chunk of a publish request can contain events, deliveries or both.
    fn batch_write(&self) -> String {
        let found: BTreeSet<_> = self.in_table().flat_map(written).map(entity).collect();
        let published = found.iter().all(|entity| ["event", "delivery"].contains(&entity.as_str()));
        if published { "events and deliveries".to_owned() } else { joined(found) }
    }

    fn queried(&self) -> String {
        let value = |name: &str| self.body["ExpressionAttributeValues"][name]["S"].as_str().unwrap_or_default();
        match self.index() {
            Some(index) => {
                let partition = value(":partition").split('#').next().unwrap_or_default();
                let how = match (&self.body["Select"], &self.body["Limit"]) {
                    (select, _) if select == "COUNT" => ", counted",
                    (_, limit) if *limit == 1 => ", one",
                    _ if partition == "half_open" && value(":to") == "~" => ", all",
                    _ => "",
                };
                format!("{index} {partition}{how}")
            }
            None => name(value(":pk"), &format!("{}{}", value(":prefix"), value(":from"))),
        }
    }

    /// For a delivery: the kind of its condition and the change of its mark. For an endpoint: its new status.
    fn put_state(&self) -> String {
        let (item, condition) = (&self.body["Item"], self.body["ConditionExpression"].as_str().unwrap_or_default());
        let text = |name: &str| item[name]["S"].as_str();
        let now = mark(&item["waiting_pk"]);
        let attempts = |value: &Value| value["N"].as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let before = attempts(&self.body["ExpressionAttributeValues"][":attempts"]);
        match entity(item).as_str() {
            "delivery" if attempts(&item["attempts"]) > before => attempt(item),
            "delivery" if item.get("deliveries").is_some() => ", list".to_owned(),
            "delivery" if condition.contains(":attempts") => {
                format!(", moved: {} to {now}", mark(&self.body["ExpressionAttributeValues"][":waiting_pk"]))
            }
            "delivery" => format!(", new: {now}"),
            "endpoint" => match (text("suspended_since"), item.get("probes")) {
                (None, _) => format!(", {}", text("status").unwrap_or_default()),
                (Some(_), None) => ", suspended".to_owned(),
                (Some(_), Some(_)) => ", probed".to_owned(),
            },
            "job" => match text("status") {
                _ if !condition.contains("from_id") => ", new".to_owned(),
                Some("open") => ", advanced".to_owned(),
                ended => format!(", {}", ended.unwrap_or_default()),
            },
            _ => String::new(),
        }
    }

    /// The clauses of an update and the names of its attributes.
    fn updated(&self) -> String {
        let expression = self.body["UpdateExpression"].as_str().unwrap_or_default();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && !"_:#".contains(c));
        let mut found: Vec<&str> = Vec::new();
        for word in words.filter(|word| !word.is_empty() && !word.starts_with(':') && *word != "if_not_exists") {
            if !found.contains(&word) {
                found.push(word);
            }
        }
        found.join(" ")
    }
}

/// The status and the mark in the record of an attempt.
fn attempt(item: &Value) -> String {
    format!(", attempt: {}, {}", item["status"]["S"].as_str().unwrap_or_default(), mark(&item["waiting_pk"]))
}

/// The first part of a mark's key.
fn mark(waiting_pk: &Value) -> &str {
    waiting_pk["S"].as_str().and_then(|mark| mark.split('#').next()).unwrap_or("none")
}

/// The item of a statement `INSERT INTO "table" VALUE {'name': ?, …}`.
fn inserted(statement: &Value) -> Value {
    let names = statement["Statement"].as_str().unwrap_or_default().split('\'').skip(1).step_by(2);
    names.zip(items(&statement["Parameters"])).map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// The items or keys of one entry of a batch or a transaction that writes.
fn written(entry: &Value) -> impl Iterator<Item = &Value> {
    let requests = entry.as_object().into_iter().flat_map(|entry| entry.values());
    requests.filter_map(|request| request.get("Item").or_else(|| request.get("Key")))
}

fn sent(entry: &Value) -> &'static str {
    let task: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap_or_default()).unwrap_or_default();
    match task.get("resend_v1") {
        Some(_) => "resend",
        None if task["deliver_v1"]["probe"] == true => "probe",
        None => "delivery",
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn joined(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// The kind of an item or a key.
fn entity(item: &Value) -> String {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default();
    name(text("pk"), text("sk"))
}

fn name(pk: &str, sk: &str) -> String {
    let first = |key: &str| key.split('#').next().unwrap_or_default().to_owned();
    match (first(pk).as_str(), first(sk).as_str()) {
        ("org", "org") => "organization".to_owned(),
        ("org", of) => of.to_owned(),
        ("key", _) => "key by hash".to_owned(),
        ("type", "schema") => "schema".to_owned(),
        ("endpoint", "deleted") => "deleted endpoint".to_owned(),
        ("attempt", "of") => "resends".to_owned(),
        ("event", _) if sk.contains("#more#") => "appended".to_owned(),
        (of, _) => of.to_owned(),
    }
}

fn collect_partitions(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "pk" || name == ":pk" {
                    found.extend(value["S"].as_str().and_then(|pk| pk.split('#').next()).map(str::to_owned));
                }
                collect_partitions(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_partitions(value, found)),
        _ => {}
    }
}
