//! The table.

use aws_sdk_dynamodb::types::{KeySchemaElement, TableDescription};
use serde_json::{Value, json};

use super::{properties, template};
use crate::support::World;

fn key_schema(elements: &[KeySchemaElement]) -> Value {
    elements.iter().map(|it| json!({"AttributeName": it.attribute_name(), "KeyType": it.key_type().as_str()})).collect()
}

/// The definition of an existing table in the format of a template.
fn spelt_out(table: &TableDescription) -> Value {
    let attribute = |it: &aws_sdk_dynamodb::types::AttributeDefinition| json!({"AttributeName": it.attribute_name(), "AttributeType": it.attribute_type().as_str()});
    let index = |it: &aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
        let projection = it.projection().unwrap().projection_type().unwrap();
        json!({
            "IndexName": it.index_name().unwrap(),
            "KeySchema": key_schema(it.key_schema()),
            "Projection": {"ProjectionType": projection.as_str()},
        })
    };
    json!({
        "AttributeDefinitions": table.attribute_definitions().iter().map(attribute).collect::<Value>(),
        "BillingMode": table.billing_mode_summary().unwrap().billing_mode().unwrap().as_str(),
        "GlobalSecondaryIndexes": table.global_secondary_indexes().iter().map(index).collect::<Value>(),
        "KeySchema": key_schema(table.key_schema()),
    })
}

#[tokio::test]
async fn the_table_is_the_same_as_the_local_hosts() {
    let (world, template) = (World::new().await, template());
    let table = properties(&template, "Table");
    let described = world.dynamodb().describe_table().table_name(world.table()).send().await.unwrap();
    let created = spelt_out(described.table().unwrap());
    for (name, value) in created.as_object().unwrap() {
        assert_eq!(&table[name], value, "{name}");
    }
    let ttl = world.dynamodb().describe_time_to_live().table_name(world.table()).send().await.unwrap();
    let attribute = ttl.time_to_live_description().unwrap().attribute_name().unwrap().to_owned();
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": attribute, "Enabled": true}));
    assert_eq!(table["PointInTimeRecoverySpecification"], json!({"PointInTimeRecoveryEnabled": true}));
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert!(table.get("StreamSpecification").is_none());
}
