//! Loading the items that a batch of messages needs, from the table or from the process's caches.

use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::ticket::Receipt;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::payload::Payload;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;
use crate::queue::DeliverTask;
use crate::service::caches::Caches;
use crate::store::{Loaded, Store, StoreError, Wanted};

/// The items that deciding about one task requires.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) task: DeliverTask,
    /// The properties of the task's message.
    pub(super) receipt: Receipt,
    /// When reading the record began.
    pub(super) read_at: Timestamp,
    /// The delivery's record, if there is one.
    pub(super) delivery: Option<Delivery>,
    /// The endpoint; `None` if it was deleted.
    pub(super) endpoint: Option<Endpoint>,
    /// The organization's status; `None` if the organization was deleted.
    pub(super) organization: Option<OrganizationStatus>,
    /// Whether endpoint or status come from a cache, and so may be up to 5 s old.
    pub(super) remembered: bool,
    /// What the request carries; `None` if the event does not exist.
    pub(super) payload: Option<Arc<Payload>>,
    /// Whether the event was read and its data was removed.
    pub(super) is_expunged: bool,
}

/// Loads what tasks need.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) caches: Arc<Caches>,
}

impl Loader {
    /// Loads the items that these tasks need. Records are always read, other items only if they are not cached. An
    /// item that cannot be read is an error of its tasks only.
    pub(super) async fn load(
        &self,
        tasks: Vec<(DeliverTask, Receipt)>,
    ) -> Result<Vec<Result<Work, StoreError>>, StoreError> {
        let now = self.clock.now();
        let mut wanted = Wanted::default();
        let (mut endpoints, mut organizations, mut events) = (HashSet::new(), HashSet::new(), HashSet::new());
        // Look up each cache only once: an entry may expire while the other items are read.
        let mut remembered = Vec::new();
        for (task, _) in &tasks {
            let DeliverTask { organization, endpoint, delivery, endpoint_version, payload, .. } = task;
            wanted.deliveries.push((*endpoint, *delivery));
            // A newer version in the task shows that the endpoint has changed since it was cached.
            let is_new_enough = |known: &Endpoint| known.version >= *endpoint_version;
            let endpoint_known =
                self.caches.endpoints.get(&(organization.clone(), *endpoint), now).filter(is_new_enough);
            let known = (endpoint_known, self.caches.statuses.get(organization, now));
            if known.0.is_none() {
                endpoints.insert((organization.clone(), *endpoint));
            }
            if known.1.is_none() {
                organizations.insert(organization.clone());
            }
            remembered.push(known);
            if payload.is_none() {
                events.insert((organization.clone(), delivery.event()));
            }
        }
        wanted.endpoints.extend(endpoints);
        wanted.organizations.extend(organizations);
        wanted.events.extend(events);
        let loaded = self.store.load(&wanted).await?;
        let work = tasks.into_iter().zip(remembered);
        let work = work
            .map(|((task, receipt), (endpoint, organization))| {
                assemble((task, receipt, now), endpoint, organization, &loaded)
            })
            .collect();
        self.remember(&loaded, now);
        Ok(work)
    }

    /// As [`Loader::load`], for one task.
    pub(super) async fn load_one(&self, task: (DeliverTask, Receipt)) -> Result<Work, StoreError> {
        let mut loaded = self.load(vec![task]).await?;
        loaded.pop().unwrap_or_else(|| Err(StoreError::Corrupt("nothing was loaded for a task".to_owned())))
    }

    /// The same work with its endpoint and status read again from the table.
    pub(super) async fn refresh(&self, work: Work) -> Result<Work, StoreError> {
        let wanted = Wanted {
            endpoints: vec![(work.task.organization.clone(), work.task.endpoint)],
            organizations: vec![work.task.organization.clone()],
            ..Wanted::default()
        };
        let loaded = self.store.load(&wanted).await?;
        self.remember(&loaded, self.clock.now());
        Ok(Work {
            endpoint: found(loaded.endpoints.get(&work.task.endpoint))?,
            organization: status(&loaded, &work.task.organization)?,
            remembered: false,
            ..work
        })
    }

    fn remember(&self, loaded: &Loaded, now: Timestamp) {
        for (id, state) in &loaded.organizations {
            if let Ok(state) = state {
                self.caches.statuses.put(id.clone(), state.status, now);
            }
        }
        for endpoint in loaded.endpoints.values().flatten() {
            self.caches.endpoints.put((endpoint.organization.clone(), endpoint.id), endpoint.clone(), now);
        }
    }
}

fn assemble(
    (task, receipt, read_at): (DeliverTask, Receipt, Timestamp),
    endpoint: Option<Endpoint>,
    organization: Option<OrganizationStatus>,
    loaded: &Loaded,
) -> Result<Work, StoreError> {
    let remembered = endpoint.is_some() || organization.is_some();
    let endpoint = endpoint.map_or_else(|| found(loaded.endpoints.get(&task.endpoint)), |known| Ok(Some(known)))?;
    let organization = organization.map_or_else(|| status(loaded, &task.organization), |known| Ok(Some(known)))?;
    let delivery = found(loaded.deliveries.get(&task.delivery))?;
    let event = found(loaded.events.get(&task.delivery.event()))?;
    let is_expunged = event.as_ref().is_some_and(|event| event.expunged_at.is_some());
    let payload = task.payload.clone().or_else(|| event.map(|event| Arc::new(event.payload)));
    Ok(Work { delivery, endpoint, organization, remembered, payload, is_expunged, task, receipt, read_at })
}

fn status(loaded: &Loaded, id: &OrganizationId) -> Result<Option<OrganizationStatus>, StoreError> {
    Ok(found(loaded.organizations.get(id))?.map(|state| state.status))
}

fn found<T: Clone>(item: Option<&Result<T, StoreError>>) -> Result<Option<T>, StoreError> {
    match item {
        None => Ok(None),
        Some(Ok(item)) => Ok(Some(item.clone())),
        Some(Err(error)) => Err(StoreError::Corrupt(error.to_string())),
    }
}
