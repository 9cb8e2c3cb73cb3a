//! Requests that every endpoint's deliveries are sent again.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::job::{Job, Work};
use crate::domain::time::Timestamp;
use crate::store::keys::Key;
use crate::store::{JobPut, Store, StoreError, keys};

impl Store {
    /// Requests [`Work::SendAll`] for each endpoint that there is, and returns for how many. For operators: it reads the whole
    /// table, which no function may do.
    ///
    /// # Errors
    /// [`StoreError`] if the table could not be read or written.
    pub async fn request_send_all(&self, now: Timestamp) -> Result<usize, StoreError> {
        let scan = self.client.scan().table_name(&self.table).projection_expression("pk, sk");
        let scan = scan.filter_expression("entity = :endpoint");
        let scan = scan.expression_attribute_values(":endpoint", AttributeValue::S("endpoint".to_owned()));
        let mut found = scan.into_paginator().items().send();
        let mut requested = 0;
        while let Some(item) = found.next().await {
            let Some(reference) = Key::of(&item?).and_then(|key| keys::parse_endpoint(&key)) else { continue };
            let job = Job::new(&reference.organization, Work::SendAll(reference.endpoint), now);
            if matches!(self.request_job(&job).await?, JobPut::Written) {
                requested += 1;
            }
        }
        Ok(requested)
    }
}
