//! Tests of the simulated budgets: how a key whose budget is used up affects each kind of call, and which units a write
//! uses in the index.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementRequest, KeysAndAttributes, Put, PutRequest, TransactWriteItem, WriteRequest,
};

use crate::support::{Budget, Budgets, UsedUp, World};

const TWO: Budget = Budget { write_units: 2.0, read_units: 2.0 };
const EXCEEDED: Option<&str> = Some("ProvisionedThroughputExceededException");

/// The table of a `World` with a budget for each key, and a client without retries.
struct Table {
    world: World,
    client: Client,
}

type Item = HashMap<String, AttributeValue>;

impl Table {
    async fn new(budget: Budget) -> Self {
        let world = World::new().await;
        let sdk = Budgets::new(&world, budget, UsedUp::Throttled).over(&world.sdk());
        let client = Client::new(&sdk.to_builder().retry_config(RetryConfig::disabled()).build());
        Self { world, client }
    }

    fn name(&self) -> &str {
        self.world.table()
    }

    /// Writes an item. Returns the code of the error; `None` if the item was written.
    async fn put(&self, item: Item) -> Option<String> {
        let put = self.client.put_item().table_name(self.name()).set_item(Some(item)).send().await;
        put.err().and_then(|error| error.code().map(str::to_owned))
    }

    async fn write(&self, items: [Item; 2]) -> Result<Vec<String>, Option<String>> {
        let put = |item| PutRequest::builder().set_item(Some(item)).build().unwrap();
        let writes = items.into_iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
        let sent = self.client.batch_write_item().request_items(self.name(), writes).send().await;
        let left = sent.map_err(|error| error.code().map(str::to_owned))?.unprocessed_items.unwrap_or_default();
        Ok(left.into_values().flatten().map(|write| name(write.put_request.unwrap().item())).collect())
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// An item that is also in the index.
fn marked(pk: &str, partition: &str) -> Item {
    let mut marked = item(pk, "1");
    marked.extend([("waiting_pk".to_owned(), text(partition)), ("waiting_sk".to_owned(), text(pk))]);
    marked
}

fn name(item: &Item) -> String {
    format!("{}{}", item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap())
}

#[tokio::test]
async fn a_key_without_budget_throttles_writes_until_the_next_second() {
    let table = Table::new(TWO).await;
    for sk in ["1", "2"] {
        assert_eq!(table.put(item("a", sk)).await, None);
    }
    assert_eq!(table.put(item("a", "3")).await.as_deref(), EXCEEDED);
    assert_eq!(table.put(item("b", "1")).await, None, "another key has a separate budget");

    let left = table.write([item("a", "4"), item("c", "1")]).await;
    assert_eq!(left, Ok(vec!["a4".to_owned()]), "the rest of a batch is written");
    let refused = table.write([item("a", "4"), item("a", "5")]).await;
    assert_eq!(refused, Err(EXCEEDED.map(str::to_owned)), "a batch of which no item can be written");

    let insert = |pk: &str| {
        let statement = format!("INSERT INTO \"{}\" VALUE {{'pk': ?, 'sk': ?}}", table.name());
        BatchStatementRequest::builder()
            .statement(statement)
            .parameters(text(pk))
            .parameters(text("6"))
            .build()
            .unwrap()
    };
    let inserts = table.client.batch_execute_statement().statements(insert("a")).statements(insert("d"));
    let inserted = inserts.send().await.unwrap();
    let codes: Vec<_> =
        inserted.responses().iter().map(|it| it.error().map(|error| error.code().unwrap().as_str())).collect();
    assert_eq!(codes, [Some("ThrottlingError"), None]);

    let put = |pk| {
        let put = Put::builder().table_name(table.name()).set_item(Some(item(pk, "7"))).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let transaction = table.client.transact_write_items().transact_items(put("a")).transact_items(put("e"));
    let cancelled = transaction.send().await.unwrap_err().into_service_error();
    let reasons: Vec<_> = match &cancelled {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            it,
        ) => it.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reasons, ["ThrottlingError", "None"]);

    table.world.advance(Duration::from_secs(1));
    assert_eq!(table.put(item("a", "3")).await, None);
    let mut stored: Vec<_> = table.world.all_items().await.iter().map(name).collect();
    stored.sort();
    assert_eq!(stored, ["a1", "a2", "a3", "b1", "c1", "d6"]);
}

#[tokio::test]
async fn a_key_without_budget_throttles_reads_until_the_next_second() {
    let table = Table::new(TWO).await;
    for pk in ["a", "b"] {
        assert_eq!(table.put(item(pk, "1")).await, None);
    }
    let get = async |pk| {
        let get = table.client.get_item().table_name(table.name()).set_key(Some(item(pk, "1"))).consistent_read(true);
        get.send().await.err().and_then(|error| error.code().map(str::to_owned))
    };
    for _ in 0..2 {
        assert_eq!(get("a").await, None);
    }
    assert_eq!(get("a").await.as_deref(), EXCEEDED);

    let keys = ["a", "b"].map(|pk| item(pk, "1"));
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.to_vec())).build().unwrap();
    let output = table.client.batch_get_item().request_items(table.name(), keys).send().await.unwrap();
    let found: Vec<_> = output.responses().unwrap()[table.name()].iter().map(name).collect();
    let left: Vec<_> = output.unprocessed_keys().unwrap()[table.name()].keys().iter().map(name).collect();
    assert_eq!((found, left), (vec!["b1".to_owned()], vec!["a1".to_owned()]));

    let query = async |pk| {
        let query = table.client.query().table_name(table.name()).key_condition_expression("pk = :pk");
        let sent = query.expression_attribute_values(":pk", text(pk)).send().await;
        sent.err().and_then(|error| error.code().map(str::to_owned))
    };
    assert_eq!((query("a").await.as_deref(), query("b").await), (EXCEEDED, None));
    table.world.advance(Duration::from_secs(1));
    assert_eq!(query("a").await, None);
}

#[tokio::test]
async fn a_write_uses_a_unit_of_each_index_partition_that_it_changes_and_is_throttled_by_one_without_budget() {
    let table = Table::new(TWO).await;
    for (pk, partition, thrown) in [
        ("1", "held", None),
        ("2", "held", None),
        ("3", "held", EXCEEDED),
        ("3", "due", None),
        // Removing an item from a partition is a write to the partition.
        ("1", "due", EXCEEDED),
    ] {
        assert_eq!(table.put(marked(pk, partition)).await.as_deref(), thrown, "{pk} {partition}");
    }
    assert_eq!(table.put(item("4", "1")).await, None, "an item that is not in the index");
    table.world.advance(Duration::from_secs(1));
    for (pk, partition, thrown) in [
        ("1", "due", None),
        ("2", "held", None),
        ("5", "held", None),
        ("6", "held", EXCEEDED),
        ("7", "due", None),
        ("8", "due", EXCEEDED),
    ] {
        assert_eq!(table.put(marked(pk, partition)).await.as_deref(), thrown, "{pk} {partition}");
    }
}
