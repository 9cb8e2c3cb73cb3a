//! Endpoints. One query reads all of an organization's.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::batch::{cancellation_reasons, is_stamped, new_stamp, stamped};
use super::error::of_transaction;
use super::items::{Base, Unreadable, is_zero, read, required, time, to_item, unknown};
use super::keys::EndpointRef;
use super::{Store, StoreError, keys};
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointSettings, EndpointStatus, Secrets};
use crate::domain::event_type::Subscription;
use crate::domain::fields::{EditionId, EndpointUrl, Headers, Name, TimeoutSeconds};
use crate::domain::health::{Health, Suspension};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::lane::Lane;
use crate::domain::schedule::RetrySchedule;
use crate::domain::secret::SigningSecret;
use crate::domain::time::Timestamp;

/// Whether an endpoint is as it was read.
const UNCHANGED: &str = "revision = :seen";

impl Store {
    /// Every endpoint of the organization, oldest first. Strongly consistent: an endpoint made a
    /// moment ago is among them.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn endpoints(&self, organization: &OrganizationId) -> Result<Arc<[Endpoint]>, StoreError> {
        self.gathered.endpoints(organization).await
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn endpoint(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.get::<EndpointItem, _>(&keys::endpoint(organization, id)).await
    }

    /// These endpoints, as far as they exist.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn endpoints_by_id(
        &self,
        organization: &OrganizationId,
        ids: &[EndpointId],
    ) -> Result<Vec<Endpoint>, StoreError> {
        let wanted = ids.iter().map(|id| keys::endpoint(organization, *id)).collect();
        self.get_all(wanted).await?.into_iter().map(read::<EndpointItem, _>).collect()
    }

    /// Writes a new endpoint.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is there.
    pub async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.put_if(to_item(&EndpointItem::from(endpoint))?, "attribute_not_exists(pk)", []).await
    }

    /// Writes an endpoint over what it was before, and forgets the failures that are counted of it if it starts anew.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else changed or deleted it since it was read.
    pub async fn change_endpoint(&self, before: &Endpoint, after: &Endpoint, now: Timestamp) -> Result<(), StoreError> {
        let item = to_item(&EndpointItem::from(after))?;
        let seen = AttributeValue::N(before.revision.to_string());
        if !after.forgets_failures_of(before) {
            return self.put_if(item, UNCHANGED, [(":seen", seen)]).await;
        }
        let stamp = new_stamp();
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(stamped(item, &stamp)))
            .condition_expression(UNCHANGED)
            .expression_attribute_values(":seen", seen)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::corrupt)?;
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(self.forget_failures(after.id, now)?)
            .send()
            .await;
        let Err(error) = sent else { return Ok(()) };
        let reasons = cancellation_reasons(&error);
        if reasons.first().is_some_and(|reason| is_stamped(reason.item(), &stamp)) {
            return Ok(());
        }
        let is_conflict = |code| ["ConditionalCheckFailed", "TransactionConflict"].contains(&code);
        let is_conflict = reasons.iter().filter_map(|reason| reason.code()).any(is_conflict);
        Err(if is_conflict { StoreError::Conflict } else { of_transaction(error) })
    }

    /// Deletes an endpoint for good, and leaves a mark for the sweep to fail what is parked for it.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn delete_endpoint(&self, endpoint: &Endpoint, now: Timestamp) -> Result<(), StoreError> {
        let place = keys::endpoint(&endpoint.organization, endpoint.id);
        let delete = Delete::builder().table_name(&self.table).set_key(Some(place.attributes()));
        let delete = delete.build().map_err(StoreError::corrupt)?;
        let left = to_item(&GoneEndpointItem::new(endpoint, now))?;
        let left = Put::builder().table_name(&self.table).set_item(Some(left)).build().map_err(StoreError::corrupt)?;
        self.client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().delete(delete).build())
            .transact_items(TransactWriteItem::builder().put(left).build())
            .send()
            .await?;
        Ok(())
    }

    /// Ends the release of an endpoint that began at `since`; nothing happens if it began anew.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn finish_release(&self, place: &EndpointRef, since: Timestamp) -> Result<(), StoreError> {
        let (_, mark) = keys::release(since, place.endpoint);
        let unchanged = "waiting_sk = :seen";
        let mark = AttributeValue::S(mark);
        let finished: Result<(), StoreError> = if place.gone {
            let key = keys::gone_endpoint(&place.organization, place.endpoint).attributes();
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
            let sent = delete.condition_expression(unchanged).expression_attribute_values(":seen", mark).send().await;
            sent.map(drop).map_err(Into::into)
        } else {
            let key = keys::endpoint(&place.organization, place.endpoint).attributes();
            let update = self.client.update_item().table_name(&self.table).set_key(Some(key));
            let update = update.update_expression("SET revision = revision + :one REMOVE waiting_pk, waiting_sk");
            let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
            let sent = update.condition_expression(unchanged).expression_attribute_values(":seen", mark).send().await;
            sent.map(drop).map_err(Into::into)
        };
        match finished {
            Err(StoreError::Conflict) => Ok(()),
            other => other,
        }
    }
}

/// An endpoint.
#[derive(Serialize, Deserialize)]
pub(super) struct EndpointItem {
    #[serde(flatten)]
    base: Base,
    name: String,
    url: String,
    event_types: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    timeout_seconds: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_schedule: Option<Vec<u32>>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<String>,
    created_at: String,
    updated_at: String,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    probes: u32,
    /// Absent for the fast lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_sk: Option<String>,
}

impl From<&Endpoint> for EndpointItem {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        let (status, paused_at, disabled_reason) = match endpoint.status {
            EndpointStatus::Active => ("active", None, None),
            EndpointStatus::Paused { at } => ("paused", Some(at.rfc3339()), None),
            EndpointStatus::Disabled { reason } => ("disabled", None, Some(reason.as_str().to_owned())),
        };
        let previous = endpoint.secrets.previous.as_ref();
        let Health { failing_until, suspension } = endpoint.health;
        let release = endpoint.release_since.map(|since| keys::release(since, endpoint.id));
        let mark = suspension.map(|suspension| keys::half_open(suspension.probe_at, endpoint.id)).or(release);
        let (waiting_pk, waiting_sk) = mark.unzip();
        Self {
            base: Base::new(keys::endpoint(&endpoint.organization, endpoint.id), "endpoint"),
            name: settings.name.to_string(),
            url: settings.url.as_str().to_owned(),
            event_types: settings.subscriptions.iter().map(Subscription::to_string).collect(),
            headers: settings.headers.as_map().clone(),
            timeout_seconds: settings.timeout.get(),
            edition_id: settings.edition.as_ref().map(EditionId::to_string),
            retry_schedule: settings.retry_schedule.as_ref().map(|schedule| schedule.delays().to_vec()),
            status: status.to_owned(),
            paused_at,
            disabled_reason,
            secret: endpoint.secrets.current.reveal().to_owned(),
            previous_secret: previous.map(|(secret, _)| secret.reveal().to_owned()),
            previous_secret_until: previous.map(|(_, until)| until.rfc3339()),
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
            revision: endpoint.revision,
            failing_until: failing_until.map(Timestamp::rfc3339),
            suspended_since: suspension.map(|suspension| suspension.since.rfc3339()),
            probe_at: suspension.map(|suspension| suspension.probe_at.rfc3339()),
            probes: suspension.map_or(0, |suspension| suspension.probes),
            lane: (endpoint.lane != Lane::default()).then(|| endpoint.lane.as_str().to_owned()),
            waiting_pk,
            waiting_sk,
        }
    }
}

impl TryFrom<EndpointItem> for Endpoint {
    type Error = Unreadable;

    fn try_from(item: EndpointItem) -> Result<Self, Unreadable> {
        let place = keys::parse_endpoint(&item.base.key());
        let place = place.ok_or_else(|| Unreadable("not an endpoint's key".to_owned()))?;
        let until = time(item.previous_secret_until.as_ref())?;
        let previous = item.previous_secret.map(|secret| SigningSecret::stored(&secret)).zip(until);
        Ok(Self {
            id: place.endpoint,
            organization: place.organization,
            settings: EndpointSettings {
                name: Name::parse(&item.name)?,
                url: EndpointUrl::stored(&item.url)?,
                subscriptions: item.event_types.iter().map(|t| Subscription::parse(t)).collect::<Result<_, _>>()?,
                headers: Headers::stored(item.headers),
                timeout: TimeoutSeconds::new(item.timeout_seconds.into())?,
                edition: item.edition_id.map(|edition| EditionId::parse(&edition)).transpose()?,
                retry_schedule: item.retry_schedule.map(RetrySchedule::new).transpose()?,
            },
            status: match item.status.as_str() {
                "active" => EndpointStatus::Active,
                "paused" => EndpointStatus::Paused { at: required("paused_at", time(item.paused_at.as_ref())?)? },
                "disabled" => {
                    let reason = required("disabled_reason", item.disabled_reason)?;
                    let reason = DisabledReason::parse(&reason).ok_or_else(|| unknown("reason", &reason))?;
                    EndpointStatus::Disabled { reason }
                }
                other => return Err(unknown("status", other)),
            },
            secrets: Secrets { current: SigningSecret::stored(&item.secret), previous },
            health: Health {
                failing_until: time(item.failing_until.as_ref())?,
                suspension: time(item.suspended_since.as_ref())?
                    .zip(time(item.probe_at.as_ref())?)
                    .map(|(since, probe_at)| Suspension { since, probes: item.probes, probe_at }),
            },
            lane: match item.lane {
                None => Lane::default(),
                Some(lane) => Lane::parse(&lane).ok_or_else(|| unknown("lane", &lane))?,
            },
            release_since: item.waiting_pk.zip(item.waiting_sk).and_then(|(pk, sk)| keys::parse_release(&pk, &sk)),
            created_at: Timestamp::parse(&item.created_at)?,
            updated_at: Timestamp::parse(&item.updated_at)?,
            revision: item.revision,
        })
    }
}

/// What stays of a deleted endpoint until its parked deliveries are failed.
#[derive(Debug, Serialize, Deserialize)]
struct GoneEndpointItem {
    #[serde(flatten)]
    base: Base,
    waiting_pk: String,
    waiting_sk: String,
}

impl GoneEndpointItem {
    fn new(endpoint: &Endpoint, now: Timestamp) -> Self {
        let (waiting_pk, waiting_sk) = keys::release(now, endpoint.id);
        let place = keys::gone_endpoint(&endpoint.organization, endpoint.id);
        Self { base: Base::new(place, "gone_endpoint"), waiting_pk, waiting_sk }
    }
}
