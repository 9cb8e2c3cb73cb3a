//! Performs batches of writes as one transaction of the engine.
//!
//! The engine makes a SQLite transaction for each item of a batch. One transaction for all items takes a fraction of
//! the time. DynamoDB's batches are not transactions, but the outcome of a successful transaction is a valid outcome of
//! a batch. A failed transaction changes nothing, and the caller then performs the batch item by item. Batches that
//! request the consumed capacity are not performed here, because a transaction consumes other amounts.

use dynoxide::Database;
use dynoxide::actions::batch_write_item::BatchWriteItemRequest;
use dynoxide::actions::execute_transaction::{ExecuteTransactionRequest, ParameterizedStatement};
use dynoxide::actions::transact_write_items::{TransactPut, TransactWriteItem, TransactWriteItemsRequest};
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;

/// The sizes of batches that are performed as a transaction. A single item gains nothing, and DynamoDB allows at most
/// 25 items in a batch.
const WORTH_IT: std::ops::RangeInclusive<usize> = 2..=25;

/// Performs a batch. Returns `None` if a transaction cannot perform it or if the transaction fails.
pub(crate) fn perform(database: &Database, operation: &str, body: &[u8]) -> Option<Answer> {
    match operation {
        "BatchWriteItem" => write_items(database, serde_json::from_slice(body).ok()?),
        "BatchExecuteStatement" => insert(database, serde_json::from_slice(body).ok()?),
        _ => None,
    }
}

/// Performs a `BatchWriteItem` request that contains only puts.
fn write_items(database: &Database, request: BatchWriteItemRequest) -> Option<Answer> {
    if request.return_consumed_capacity.is_some() || request.return_item_collection_metrics.is_some() {
        return None;
    }
    let mut transaction = TransactWriteItemsRequest::default();
    for (table_name, writes) in request.request_items {
        for write in writes {
            let item = write.put_request.filter(|_| write.delete_request.is_none())?.item;
            let put = TransactPut { table_name: table_name.clone(), item, ..TransactPut::default() };
            transaction.transact_items.push(TransactWriteItem { put: Some(put), ..TransactWriteItem::default() });
        }
    }
    if !WORTH_IT.contains(&transaction.transact_items.len()) {
        return None;
    }
    database.transact_write_items(transaction).ok()?;
    Some(Answer::ok(json!({"UnprocessedItems": {}}).to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statements {
    statements: Vec<ParameterizedStatement>,
    return_consumed_capacity: Option<String>,
}

/// Performs a `BatchExecuteStatement` request that contains only INSERT statements.
fn insert(database: &Database, request: Statements) -> Option<Answer> {
    if request.return_consumed_capacity.is_some() || !WORTH_IT.contains(&request.statements.len()) {
        return None;
    }
    let tables = request.statements.iter().map(|statement| table_of_insert(&statement.statement));
    let responses: Option<Vec<_>> = tables.map(|table| Some(json!({"TableName": table?}))).collect();
    let responses = responses?;
    let transaction =
        ExecuteTransactionRequest { transact_statements: request.statements, ..ExecuteTransactionRequest::default() };
    database.execute_transaction(transaction).ok()?;
    Some(Answer::ok(json!({"Responses": responses}).to_string()))
}

/// The table in a statement of the form `INSERT INTO "table" …`.
fn table_of_insert(statement: &str) -> Option<&str> {
    let (table, _) = statement.strip_prefix("INSERT INTO \"")?.split_once('"')?;
    Some(table)
}
