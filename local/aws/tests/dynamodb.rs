//! Tests of the engine's features that Pigeonpost depends on.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BatchStatementRequest, BillingMode, ConditionCheck, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TimeToLiveSpecification, TransactWriteItem, WriteRequest,
};

use super::*;

/// The name of the table in these tests.
pub(crate) const TABLE: &str = "items";

type Item = HashMap<String, AttributeValue>;

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Creates a table with the keys `pk` and `sk` and the sparse index `waiting`.
pub(crate) async fn create_table(client: &Client) {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let schema = |prefix: &str| {
        Some(vec![element(&format!("{prefix}pk"), KeyType::Hash), element(&format!("{prefix}sk"), KeyType::Range)])
    };
    let waiting = GlobalSecondaryIndex::builder().index_name("waiting").set_key_schema(schema("waiting_"));
    let waiting = waiting.projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let mut request = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for name in ["pk", "sk", "waiting_pk", "waiting_sk"] {
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(definition.build().unwrap());
    }
    let request = request.set_key_schema(schema("")).global_secondary_indexes(waiting.build().unwrap());
    request.send().await.unwrap();
}

async fn client() -> Client {
    let client = Client::new(&StillClock::new().aws().sdk_config());
    create_table(&client).await;
    client
}

async fn put(client: &Client, item: Item) {
    client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn a_failed_condition_returns_the_old_item() {
    let client = client().await;
    let mut item = key("a", "1");
    item.insert("n".into(), AttributeValue::N("1".into()));
    put(&client, item.clone()).await;
    let put = client.put_item().table_name(TABLE).set_item(Some(key("a", "1")));
    let put = put.condition_expression("attribute_not_exists(pk)");
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = put.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failure) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.item(), Some(&item));
    let update = client.update_item().table_name(TABLE).set_key(Some(key("a", "1")));
    let update = update.update_expression("SET n = n + :one").condition_expression("n = :was");
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".into()));
    let update = update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let ok = update.clone().expression_attribute_values(":was", AttributeValue::N("1".into())).send().await;
    ok.unwrap();
    let stale = update.expression_attribute_values(":was", AttributeValue::N("1".into())).send().await;
    let stale = stale.unwrap_err().into_service_error();
    assert!(stale.is_conditional_check_failed_exception(), "{stale:?}");
}

#[tokio::test]
async fn the_sparse_index_contains_only_items_with_its_keys_in_order_across_pages() {
    let client = client().await;
    for n in 0..5 {
        let mut item = key("a", &n.to_string());
        if n != 2 {
            item.insert("waiting_pk".into(), text("due"));
            item.insert("waiting_sk".into(), text(format!("{}", 9 - n)));
        }
        put(&client, item).await;
    }
    let remove = client.update_item().table_name(TABLE).set_key(Some(key("a", "3")));
    remove.update_expression("REMOVE waiting_pk, waiting_sk").send().await.unwrap();
    let query = || {
        let query = client.query().table_name(TABLE).index_name("waiting").limit(2);
        query.key_condition_expression("waiting_pk = :p").expression_attribute_values(":p", text("due"))
    };
    let first = query().send().await.unwrap();
    let second = query().set_exclusive_start_key(first.last_evaluated_key.clone()).send().await.unwrap();
    let items: Vec<Item> = first.items().iter().chain(second.items()).cloned().collect();
    assert_eq!(items.iter().map(|item| item["sk"].as_s().unwrap().as_str()).collect::<Vec<_>>(), ["4", "1", "0"]);
    assert!(items.iter().all(|item| item.len() == 4), "keys only: {items:?}");
    let consistent = query().consistent_read(true).send().await.unwrap_err();
    assert_eq!(code(consistent), "ValidationException");
}

#[tokio::test]
async fn a_transaction_is_atomic_and_reports_the_failed_condition() {
    let client = client().await;
    put(&client, key("a", "1")).await;
    let write = |sk: &str| Put::builder().table_name(TABLE).set_item(Some(key("b", sk))).build().unwrap();
    let check = ConditionCheck::builder().table_name(TABLE).set_key(Some(key("a", "1")));
    let check = check.condition_expression("attribute_not_exists(pk)").build().unwrap();
    let request = client.transact_write_items();
    let request = request.transact_items(TransactWriteItem::builder().put(write("1")).build());
    let request = request.transact_items(TransactWriteItem::builder().condition_check(check).build());
    let error = request.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        canceled,
    ) = error
    else {
        panic!("{error:?}");
    };
    let codes: Vec<_> = canceled.cancellation_reasons().iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, [Some("None"), Some("ConditionalCheckFailed")]);
    let nothing = client.get_item().table_name(TABLE).set_key(Some(key("b", "1"))).send().await.unwrap();
    assert!(nothing.item.is_none());
}

#[tokio::test]
async fn batches_process_every_item_and_omit_missing_keys() {
    let client = client().await;
    let write = |n: usize| {
        let put = PutRequest::builder().set_item(Some(key("a", &n.to_string()))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let answer = client.batch_write_item().request_items(TABLE, (0..25).map(write).collect()).send().await.unwrap();
    assert!(answer.unprocessed_items().is_none_or(HashMap::is_empty));
    let too_many = client.batch_write_item().request_items(TABLE, (0..26).map(write).collect()).send().await;
    assert_eq!(code(too_many.unwrap_err()), "ValidationException");
    let keys = (0..30).map(|n| key("a", &n.to_string())).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().unwrap();
    let request = client.batch_get_item().request_items(TABLE, keys);
    let answer = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(answer.responses().unwrap()[TABLE].len(), 25);
    assert!(answer.unprocessed_keys().is_none_or(HashMap::is_empty));
    assert_eq!(answer.consumed_capacity()[0].capacity_units(), Some(30.0), "a missing item also costs a unit");
}

#[tokio::test]
async fn batch_get_returns_the_keys_that_do_not_fit_into_sixteen_mebibytes() {
    let client = client().await;
    for n in 0..45 {
        let mut item = key("a", &n.to_string());
        item.insert("body".into(), text("x".repeat(390_000)));
        put(&client, item).await;
    }
    let keys = (0..45).map(|n| key("a", &n.to_string())).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
    let answer = client.batch_get_item().request_items(TABLE, keys).send().await.unwrap();
    let read = answer.responses().unwrap()[TABLE].len();
    let left = answer.unprocessed_keys().unwrap()[TABLE].keys().len();
    assert!(left > 0 && read + left == 45, "{read} + {left}");
}

#[tokio::test]
async fn expired_items_are_deleted_by_expire_items() {
    let clock = StillClock::new();
    let aws = clock.aws();
    let client = Client::new(&aws.sdk_config());
    create_table(&client).await;
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build().unwrap();
    client.update_time_to_live().table_name(TABLE).time_to_live_specification(ttl).send().await.unwrap();
    let now = clock.0.lock().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut item = key("a", "1");
    item.insert("expires_at".into(), AttributeValue::N((now + 100).to_string()));
    put(&client, item).await;
    assert_eq!(aws.expire_items().await.unwrap(), 0);
    clock.advance(101);
    assert_eq!(aws.expire_items().await.unwrap(), 1);
    assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_of_many_concurrent_conditional_updates_succeeds() {
    let client = client().await;
    put(&client, key("a", "1")).await;
    for round in 0..20 {
        let mut updates = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let update = client.update_item().table_name(TABLE).set_key(Some(key("a", "1")));
            let update = update.update_expression("SET attempts = :next");
            let update = update.condition_expression("attribute_not_exists(attempts) OR attempts < :next");
            updates
                .spawn(update.expression_attribute_values(":next", AttributeValue::N((round + 1).to_string())).send());
        }
        let won = updates.join_all().await.into_iter().filter(Result::is_ok).count();
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn invalid_requests_get_the_errors_of_dynamodb() {
    let client = client().await;
    let missing = client.get_item().table_name("none").set_key(Some(key("a", "1"))).send().await.unwrap_err();
    assert!(missing.as_service_error().unwrap().is_resource_not_found_exception());
    let incomplete = client.get_item().table_name(TABLE).key("pk", text("a")).send().await.unwrap_err();
    assert_eq!(code(incomplete), "ValidationException");
    let empty_set =
        client.put_item().table_name(TABLE).set_item(Some(key("a", "1"))).item("s", AttributeValue::Ss(vec![]));
    assert_eq!(code(empty_set.send().await.unwrap_err()), "ValidationException");
    let reserved =
        client.update_item().table_name(TABLE).set_key(Some(key("a", "1"))).update_expression("SET status = :s");
    let reserved = reserved.expression_attribute_values(":s", text("x")).send().await.unwrap_err();
    assert_eq!(code(reserved), "ValidationException");
    let mut big = key("a", "1");
    big.insert("body".into(), text("x".repeat(400 * 1024)));
    let big = client.put_item().table_name(TABLE).set_item(Some(big)).send().await.unwrap_err();
    assert_eq!(code(big), "ValidationException");
}

/// Requests with and without consumed capacity. Only without it, the batch is one transaction of the engine.
const EITHER_WAY: [Option<ReturnConsumedCapacity>; 2] = [None, Some(ReturnConsumedCapacity::Total)];

#[tokio::test]
async fn a_batch_of_puts_has_the_same_result_with_and_without_a_transaction() {
    for capacity in EITHER_WAY {
        let client = client().await;
        put(&client, key("a", "0")).await;
        let batch = async |items: Vec<Item>| {
            let puts = items.into_iter().map(|item| PutRequest::builder().set_item(Some(item)).build().unwrap());
            let writes = puts.map(|put| WriteRequest::builder().put_request(put).build()).collect();
            let batch = client.batch_write_item().request_items(TABLE, writes);
            batch.set_return_consumed_capacity(capacity.clone()).send().await.map_err(code)
        };
        let mut marked = key("a", "1");
        marked.extend([("waiting_pk".to_owned(), text("due")), ("waiting_sk".to_owned(), text("1"))]);
        let written = batch(vec![key("a", "0"), marked, key("a", "2")]).await.unwrap();
        assert_eq!(written.unprocessed_items.unwrap_or_default().len(), 0);
        assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count(), 3);
        assert_eq!(client.scan().table_name(TABLE).index_name("waiting").send().await.unwrap().count(), 1);

        let twice = batch(vec![key("b", "1"), key("b", "1")]).await;
        assert_eq!(twice.map(drop), Err("ValidationException".to_owned()));
        let without_key = batch(vec![key("b", "1"), Item::from([("pk".to_owned(), text("b"))])]).await;
        assert_eq!(without_key.map(drop), Err("ValidationException".to_owned()));
        assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count(), 3);
    }
}

#[tokio::test]
async fn a_batch_of_inserts_reports_each_result_with_and_without_a_transaction() {
    for capacity in EITHER_WAY {
        let client = client().await;
        let insert = async |keys: &[&str]| {
            let statements = keys.iter().map(|sk| {
                let statement = BatchStatementRequest::builder()
                    .statement(format!("INSERT INTO \"{TABLE}\" VALUE {{'pk': ?, 'sk': ?}}"));
                statement.parameters(text("a")).parameters(text(*sk)).build().unwrap()
            });
            let batch = client.batch_execute_statement().set_statements(Some(statements.collect()));
            let inserted = batch.set_return_consumed_capacity(capacity.clone()).send().await.unwrap();
            inserted
                .responses()
                .iter()
                .map(|response| (response.table_name().map(str::to_owned), response.error().is_some()))
                .collect::<Vec<_>>()
        };
        let (inserted, refused) = ((Some(TABLE.to_owned()), false), (Some(TABLE.to_owned()), true));
        assert_eq!(insert(&["1", "2"]).await, [inserted.clone(), inserted.clone()]);
        assert_eq!(
            insert(&["2", "3"]).await,
            [refused, inserted],
            "an existing item does not affect the other inserts"
        );
        assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count(), 3);
    }
}
