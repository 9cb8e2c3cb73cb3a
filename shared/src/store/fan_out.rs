//! Fan-out items: the part of each endpoint that publishing reads. An endpoint and its fan-out item are written in one
//! transaction.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::item::{Base, Unreadable, filter, to_item, unknown};
use super::{Store, StoreError, keys};
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::fan_out::{FanOutGroup, FanOutSize, Target, TargetStatus};
use crate::domain::endpoint::lane::Lane;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::event::channel::Channels;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::tenancy::organization::Revisions;
use crate::domain::text::EditionId;

impl Store {
    /// The size of an organization's fan-out. Reads all its fan-out items, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if an item could not be read.
    pub async fn count_fan_out(
        &self,
        organization: &OrganizationId,
        revisions: &Revisions,
    ) -> Result<FanOutSize, StoreError> {
        let groups = revisions.groups().map(|(group, _)| self.targets(organization, group));
        let groups = try_join_all(groups).await?;
        Ok(groups.iter().flat_map(|group| group.iter().cloned()).collect())
    }

    /// The targets of a group, in the order of their ids. The read is strongly consistent and begins after the call of
    /// this function, although concurrent callers share it.
    ///
    /// # Errors
    /// [`StoreError`] if an item could not be read.
    pub async fn targets(
        &self,
        organization: &OrganizationId,
        group: FanOutGroup,
    ) -> Result<Arc<[Target]>, StoreError> {
        self.coalesced.targets(organization, group).await
    }

    pub(super) fn put_target(&self, endpoint: &Endpoint) -> Result<TransactWriteItem, StoreError> {
        let item = to_item(&TargetItem::of(endpoint))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    pub(super) fn delete_target(&self, endpoint: &Endpoint) -> Result<TransactWriteItem, StoreError> {
        let key = keys::target(&endpoint.organization, endpoint.fan_out_group, endpoint.id).attributes();
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build();
        Ok(TransactWriteItem::builder().delete(delete.map_err(StoreError::corrupt)?).build())
    }
}

/// The stored attributes of a target.
#[derive(Serialize, Deserialize)]
pub(super) struct TargetItem {
    #[serde(flatten)]
    base: Base,
    status: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
    event_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    /// Absent for the fast lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    version: u64,
}

impl TargetItem {
    fn of(endpoint: &Endpoint) -> Self {
        let Target { id, status, is_suspended, subscriptions, edition, channels, filter, lane, version } =
            endpoint.target();
        Self {
            base: Base::new(keys::target(&endpoint.organization, endpoint.fan_out_group, id), "fan_out"),
            status: match status {
                TargetStatus::Active => "active",
                TargetStatus::Paused => "paused",
                TargetStatus::Disabled => "disabled",
            }
            .to_owned(),
            suspended: is_suspended,
            event_types: subscriptions.iter().map(Subscription::to_string).collect(),
            edition_id: edition.as_ref().map(EditionId::to_string),
            channels: channels.names().to_vec(),
            filter: filter.map(|filter| filter.to_string()),
            lane: (lane != Lane::default()).then(|| lane.as_str().to_owned()),
            version,
        }
    }
}

impl TryFrom<TargetItem> for Target {
    type Error = Unreadable;

    fn try_from(item: TargetItem) -> Result<Self, Unreadable> {
        Ok(Self {
            id: EndpointId::parse(&item.base.sk)?,
            status: match item.status.as_str() {
                "active" => TargetStatus::Active,
                "paused" => TargetStatus::Paused,
                "disabled" => TargetStatus::Disabled,
                other => return Err(unknown("status", other)),
            },
            is_suspended: item.suspended,
            subscriptions: item.event_types.iter().map(|it| Subscription::parse(it)).collect::<Result<_, _>>()?,
            edition: item.edition_id.map(|edition| EditionId::parse(&edition)).transpose()?,
            channels: Channels::stored(item.channels),
            filter: filter(item.filter.as_deref())?,
            lane: item.lane.as_deref().and_then(Lane::parse).unwrap_or_default(),
            version: item.version,
        })
    }
}
