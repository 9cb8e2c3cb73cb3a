//! The state of an organization: its status and limits, and the revisions and the size of its fan-out.
//!
//! There are four equal copies, because one partition limits the rate of reads. A process reads one copy, and
//! compares revisions of that copy only, since the copies are incremented one by one.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use futures_util::future::join_all;

use super::changes::{Changes, stored_format};
use super::item::{parse_status, status_name};
use crate::clock;
use crate::domain::endpoint::fan_out::{FanOutGroup, FanOutSize};
use crate::domain::event::payload::Format;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::OwnLimits;
use crate::domain::tenancy::organization::{
    Organization, OrganizationPatch, OrganizationState, OrganizationStatus, Revisions,
};
use crate::store::item::{Base, Item, read, to_item};
use crate::store::keys::Key;
use crate::store::limits::LimitsItem;
use crate::store::{Store, StoreError, keys};

/// How often the write of a copy is tried if a transaction is changing the copy.
const TRIES: u32 = 5;
/// The attribute of the status.
pub(in crate::store) const STATUS: &str = "status";
/// The attribute of the organization's own limits. It is absent if the organization has none.
const LIMITS: &str = "limits";
/// The attribute of the format of events that name none. It is absent for envelopes.
const DEFAULT_FORMAT: &str = "default_format";
/// The attribute of the organization's external id, if it has one.
const EXTERNAL_ID: &str = "external_id";
const ENDPOINTS: &str = "endpoints";
const FAN_OUT_BYTES: &str = "fanout_bytes";

impl Store {
    /// Reads the state of an organization; `None` if the organization does not exist. Strongly consistent: the read
    /// begins after this call.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn organization_state(&self, id: &OrganizationId) -> Result<Option<OrganizationState>, StoreError> {
        self.coalesced.state(id).await
    }

    /// Increments a group's revision in all copies, so that publishers read the group again, and adds the
    /// difference between `before` and `after` to the size of the fan-out. Call it after the endpoint's transaction
    /// was acknowledged. Other reads can see a part of a transaction in progress, so a revision inside the
    /// transaction could become visible before the endpoint does.
    ///
    /// # Errors
    /// [`StoreError`] if some copies may not have been written.
    pub async fn raise_revision(
        &self,
        organization: &OrganizationId,
        group: FanOutGroup,
        before: FanOutSize,
        after: FanOutSize,
    ) -> Result<(), StoreError> {
        let change = |before: u64, after: u64| number(i128::from(after) - i128::from(before));
        let values = HashMap::from([
            (":one".to_owned(), number(1)),
            (":endpoints".to_owned(), change(before.endpoints, after.endpoints)),
            (":bytes".to_owned(), change(before.bytes, after.bytes)),
        ]);
        let change = format!("ADD {} :one, {ENDPOINTS} :endpoints, {FAN_OUT_BYTES} :bytes", revision(group));
        self.update_states(organization, &change, &values).await
    }

    /// Sets the revision of a group to 0 if it has none. Call it before the first endpoint of the group is written.
    ///
    /// # Errors
    /// [`StoreError`] if some copies may not have been written.
    pub async fn open_group(&self, organization: &OrganizationId, group: FanOutGroup) -> Result<(), StoreError> {
        let name = revision(group);
        let values = HashMap::from([(":zero".to_owned(), number(0))]);
        self.update_states(organization, &format!("SET {name} = if_not_exists({name}, :zero)"), &values).await
    }

    /// Replaces the size of the fan-out by the counted size.
    ///
    /// # Errors
    /// [`StoreError`] if some copies may not have been written.
    pub async fn correct_size(&self, organization: &OrganizationId, counted: FanOutSize) -> Result<(), StoreError> {
        let values = HashMap::from([
            (":endpoints".to_owned(), number(counted.endpoints.into())),
            (":bytes".to_owned(), number(counted.bytes.into())),
        ]);
        let change = format!("SET {ENDPOINTS} = :endpoints, {FAN_OUT_BYTES} = :bytes");
        self.update_states(organization, &change, &values).await
    }

    /// Updates every copy. Does nothing if the organization does not exist.
    async fn update_states(
        &self,
        organization: &OrganizationId,
        change: &str,
        values: &HashMap<String, AttributeValue>,
    ) -> Result<(), StoreError> {
        let updates = keys::states(organization).map(|key| self.update_state(key, change, values));
        // Wait for all updates even if one fails.
        join_all(updates).await.into_iter().collect()
    }

    async fn update_state(
        &self,
        key: Key,
        change: &str,
        values: &HashMap<String, AttributeValue>,
    ) -> Result<(), StoreError> {
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            let update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
            let update = update.update_expression(change).set_expression_attribute_values(Some(values.clone()));
            let Err(error) = update.condition_expression("attribute_exists(pk)").send().await else { return Ok(()) };
            if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) {
                return Ok(());
            }
            if !is_transaction_conflict(&error) {
                return Err(error.into());
            }
        }
        Err(StoreError::Unavailable("transactions of other processes are changing the organization".to_owned()))
    }

    /// The items of the transaction that creates an organization.
    pub(in crate::store) fn new_states(
        &self,
        organization: &Organization,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Organization { id, default_format, external_id, .. } = organization;
        let state = |key| new_state(key, *default_format, external_id.as_ref());
        keys::states(id).map(|key| self.put_if_absent(state(key)?)).collect()
    }

    /// The items of the transaction that changes what the state has of an organization; none if it has none of what
    /// changes.
    pub(in crate::store) fn change_state(
        &self,
        organization: &OrganizationId,
        patch: &OrganizationPatch,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut changes = Changes::default();
        if let Some(status) = patch.status {
            changes.set(STATUS, AttributeValue::S(status_name(status).to_owned()));
        }
        if let Some(format) = patch.default_format {
            changes.set_or_remove(DEFAULT_FORMAT, stored_format(format));
        }
        if let Some(external_id) = &patch.external_id {
            let external_id = external_id.as_ref();
            changes.set_or_remove(EXTERNAL_ID, external_id.map(|it| AttributeValue::S(it.to_string())));
        }
        if changes.is_empty() { Ok(Vec::new()) } else { self.change_states(organization, &changes.update()) }
    }

    /// The items of the transaction that replaces an organization's own limits.
    pub(in crate::store) fn change_limits(
        &self,
        organization: &OrganizationId,
        limits: &OwnLimits,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let update = if *limits == OwnLimits::default() {
            Update::builder().update_expression(format!("REMOVE {LIMITS}"))
        } else {
            let limits = AttributeValue::M(to_item(&LimitsItem::from(limits))?);
            let update = Update::builder().update_expression(format!("SET {LIMITS} = :limits"));
            update.expression_attribute_values(":limits", limits)
        };
        self.change_states(organization, &update)
    }

    fn change_states(
        &self,
        organization: &OrganizationId,
        update: &UpdateBuilder,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let change = |key: Key| self.update_if_present(update.clone().set_key(Some(key.attributes())));
        keys::states(organization).map(change).collect()
    }
}

fn is_transaction_conflict<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_transaction_conflict_exception)
}

/// The state of a new organization. Group 0 has a revision from the start, so creating the endpoints of a small
/// organization requires no write to open a group.
fn new_state(key: Key, format: Format, external_id: Option<&ExternalId>) -> Result<Item, StoreError> {
    let mut item = to_item(&Base::new(key, "state"))?;
    item.extend(stored_format(format).map(|format| (DEFAULT_FORMAT.to_owned(), format)));
    item.extend(external_id.map(|it| (EXTERNAL_ID.to_owned(), AttributeValue::S(it.to_string()))));
    item.insert(STATUS.to_owned(), AttributeValue::S(status_name(OrganizationStatus::Active).to_owned()));
    let zeros = [revision(FanOutGroup::default()), ENDPOINTS.to_owned(), FAN_OUT_BYTES.to_owned()];
    item.extend(zeros.map(|name| (name, number(0))));
    Ok(item)
}

/// Parses a copy of the state. Attributes of later versions are ignored.
pub(in crate::store) fn read_state(item: &Item) -> Result<OrganizationState, StoreError> {
    let sum = |name: &str| Ok::<_, StoreError>(u64::try_from(integer(item, name)?.unwrap_or(0)).unwrap_or(0));
    let status = item.get(STATUS).and_then(|status| status.as_s().ok());
    let status = status.and_then(|status| parse_status(status));
    let revisions = FanOutGroup::all().filter_map(|group| {
        let revision = integer(item, &revision(group)).transpose()?;
        Some(revision.map(|revision| (group, u64::try_from(revision).unwrap_or(0))))
    });
    Ok(OrganizationState {
        status: status.ok_or_else(|| StoreError::corrupt("an organization's state without a status"))?,
        limits: item.get(LIMITS).map(read_limits).transpose()?.unwrap_or_default(),
        default_format: item.get(DEFAULT_FORMAT).map(read_format).transpose()?.unwrap_or_default(),
        external_id: item.get(EXTERNAL_ID).and_then(|it| it.as_s().ok()).map(|it| ExternalId::stored(it)),
        revisions: revisions.collect::<Result<Revisions, _>>()?,
        size: FanOutSize { endpoints: sum(ENDPOINTS)?, bytes: sum(FAN_OUT_BYTES)? },
    })
}

fn read_format(format: &AttributeValue) -> Result<Format, StoreError> {
    let format = format.as_s().ok().and_then(|format| Format::parse(format).ok());
    format.ok_or_else(|| StoreError::corrupt("an organization's state with an unknown format"))
}

fn read_limits(limits: &AttributeValue) -> Result<OwnLimits, StoreError> {
    let limits =
        limits.as_m().map_err(|_| StoreError::corrupt("the limits in an organization's state are not a map"))?;
    read::<LimitsItem, _>(limits.clone())
}

fn integer(item: &Item, name: &str) -> Result<Option<i64>, StoreError> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let number = value.as_n().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| StoreError::corrupt(format!("{name} in an organization's state is not a number")))
}

/// The attribute name of a group's revision.
fn revision(group: FanOutGroup) -> String {
    format!("r{group}")
}

fn number(number: i128) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_attributes_of_a_state_are_ignored_and_malformed_ones_rejected() {
        let group = |number| FanOutGroup::new(number).unwrap();
        let organization = OrganizationId::parse("00000000-0000-4000-8000-000000000001").unwrap();
        let mut item = new_state(keys::state(&organization, 3), Format::Envelope, None).unwrap();
        assert!(!item.contains_key(DEFAULT_FORMAT));
        assert_eq!(read_state(&item).unwrap().revisions.groups().collect::<Vec<_>>(), [(group(0), 0)]);
        let later = AttributeValue::S("x".to_owned());
        item.extend([("r7".to_owned(), number(12)), ("endpoints".to_owned(), number(-1)), ("new".to_owned(), later)]);
        let state = read_state(&item).unwrap();
        assert_eq!((state.status, state.size), (OrganizationStatus::Active, FanOutSize::default()));
        assert_eq!(state.limits, OwnLimits::default());
        assert_eq!(state.revisions.groups().collect::<Vec<_>>(), [(group(0), 0), (group(7), 12)]);
        assert_eq!(state.revisions.of(group(1)), None);

        item.insert("r1".to_owned(), AttributeValue::S("1".to_owned()));
        assert!(read_state(&item).is_err());
        item.remove("r1");
        for limits in [number(1), AttributeValue::M([("events_per_second".to_owned(), number(-1))].into())] {
            item.insert(LIMITS.to_owned(), limits);
            assert!(read_state(&item).is_err());
        }
        item.remove(LIMITS);
        item.insert(DEFAULT_FORMAT.to_owned(), AttributeValue::S("raw".to_owned()));
        assert_eq!(read_state(&item).unwrap().default_format, Format::Raw);
        item.insert(DEFAULT_FORMAT.to_owned(), AttributeValue::S("later".to_owned()));
        assert!(read_state(&item).is_err());
        item.remove(DEFAULT_FORMAT);
        item.remove("status");
        assert!(read_state(&item).is_err());
    }
}
