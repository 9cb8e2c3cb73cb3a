//! Usage: an item for each organization and day. Processes add their counts to it.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

use super::item::{Unreadable, read};
use super::{NotAdded, Store, StoreError, keys};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::usage::{Day, Days, Usage};

/// How long the usage of a day is stored.
const RETENTION: Duration = Duration::from_secs(400 * 24 * 60 * 60);

#[derive(Debug, Deserialize)]
struct UsageItem {
    sk: String,
    #[serde(default)]
    events: u64,
    #[serde(default)]
    deliveries: u64,
    #[serde(default)]
    attempts: u64,
}

impl TryFrom<UsageItem> for (Day, Usage) {
    type Error = Unreadable;

    fn try_from(item: UsageItem) -> Result<Self, Unreadable> {
        let UsageItem { sk, events, deliveries, attempts } = item;
        Ok((Day::parse(&sk)?, Usage { events, deliveries, attempts }))
    }
}

impl Store {
    /// Adds to an organization's usage of a day. The call is made once, without retries, because a retry might add
    /// the usage twice.
    ///
    /// # Errors
    /// [`NotAdded`], which says whether the call may be repeated.
    pub async fn add_usage(&self, organization: &OrganizationId, day: Day, usage: Usage) -> Result<(), NotAdded> {
        let Usage { events, deliveries, attempts } = usage;
        let counts = [("events", events), ("deliveries", deliveries), ("attempts", attempts)];
        let counts = counts.map(|(name, count)| (name.to_owned(), count));
        self.add_once(keys::usage(organization, day), "usage", day.start().plus(RETENTION), &counts, None).await
    }

    /// Reads an organization's usage on these days. Strongly consistent. Days without usage are left out.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn usage(&self, organization: &OrganizationId, days: Days) -> Result<HashMap<Day, Usage>, StoreError> {
        let (first, last) = (keys::usage(organization, days.first()), keys::usage(organization, days.last()));
        let mut pages = self.query_range(first, last).consistent_read(true).into_paginator().items().send();
        let mut found = HashMap::new();
        while let Some(item) = pages.next().await {
            let (day, usage) = read::<UsageItem, _>(item?)?;
            found.insert(day, usage);
        }
        Ok(found)
    }
}
