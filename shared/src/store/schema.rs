//! The definition of the table for the local host. `template.yaml` defines the same table for AWS, and a test
//! compares the two.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};

use super::StoreError;
use super::keys::{EXPIRES_AT, PK, SK, WAITING, WAITING_PK, WAITING_SK};

/// Creates the table if it does not exist.
///
/// # Errors
/// [`StoreError`] if DynamoDB rejects the request or is unreachable.
pub async fn create_table(client: &Client, table: &str) -> Result<(), StoreError> {
    let definition = definition(table).map_err(StoreError::corrupt)?;
    match definition.send_with(client).await {
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name(EXPIRES_AT).enabled(true);
    let ttl = ttl.build().map_err(StoreError::corrupt)?;
    client.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await?;
    Ok(())
}

/// The definition of the table: keys `pk` and `sk`, the sparse keys-only index `waiting`, on-demand billing.
///
/// # Errors
/// None in practice, since all parts are constant.
pub fn definition(table: &str) -> Result<CreateTableInputBuilder, BuildError> {
    let attribute =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let waiting = GlobalSecondaryIndex::builder()
        .index_name(WAITING)
        .key_schema(key(WAITING_PK, KeyType::Hash)?)
        .key_schema(key(WAITING_SK, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    Ok(CreateTableInputBuilder::default()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(PK)?)
        .attribute_definitions(attribute(SK)?)
        .attribute_definitions(attribute(WAITING_PK)?)
        .attribute_definitions(attribute(WAITING_SK)?)
        .key_schema(key(PK, KeyType::Hash)?)
        .key_schema(key(SK, KeyType::Range)?)
        .global_secondary_indexes(waiting))
}
