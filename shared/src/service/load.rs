//! What a batch of messages needs: read together, or remembered from a moment ago.

use std::collections::HashSet;

use super::cache::Cache;
use super::{Core, STATE_CACHE};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::organization::Organization;
use crate::queue::DeliverTask;
use crate::store::{Loaded, StoreError, Wanted};

/// Endpoints that a consumer read a moment ago.
pub(super) type EndpointCache = Cache<(OrganizationId, EndpointId), Endpoint>;

pub(super) fn endpoint_cache() -> EndpointCache {
    Cache::new(STATE_CACHE)
}

/// Everything that is needed to decide about one task.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) task: DeliverTask,
    /// `None` if there is no record.
    pub(super) delivery: Option<Delivery>,
    /// `None` if the endpoint is deleted.
    pub(super) endpoint: Option<Endpoint>,
    /// `None` if there is none, which cannot be while it has endpoints.
    pub(super) organization: Option<Organization>,
    /// The body to send; `None` if the event is gone.
    pub(super) body: Option<String>,
}

impl Core {
    /// Reads what these tasks need: their deliveries always, the rest as far as it is not known.
    /// An item that cannot be read is an error of its task alone.
    pub(super) async fn load(
        &self,
        tasks: Vec<DeliverTask>,
        cache: &EndpointCache,
    ) -> Result<Vec<Result<Work, StoreError>>, StoreError> {
        let now = self.clock.now();
        let known_endpoint = |task: &DeliverTask| cache.get(&(task.organization.clone(), task.endpoint), now);
        let unique = |keys: HashSet<_>| keys.into_iter().collect();
        let wanted = Wanted {
            deliveries: tasks.iter().map(|task| (task.endpoint, task.delivery)).collect(),
            endpoints: unique(
                tasks
                    .iter()
                    .filter(|task| known_endpoint(task).is_none())
                    .map(|task| (task.organization.clone(), task.endpoint))
                    .collect(),
            ),
            organizations: tasks
                .iter()
                .map(|task| task.organization.clone())
                .filter(|organization| self.organizations.get(organization, now).is_none())
                .collect::<HashSet<_>>()
                .into_iter()
                .collect(),
            events: tasks
                .iter()
                .filter(|task| task.body.is_none())
                .map(|task| (task.organization.clone(), task.delivery.event()))
                .collect::<HashSet<_>>()
                .into_iter()
                .collect(),
        };
        let loaded = self.store.load(&wanted).await?;
        for (id, organization) in &loaded.organizations {
            if let Ok(organization) = organization {
                self.organizations.put(id.clone(), organization.clone(), now);
            }
        }
        for endpoint in loaded.endpoints.values().flatten() {
            cache.put((endpoint.organization.clone(), endpoint.id), endpoint.clone(), now);
        }
        let work = |task: DeliverTask| {
            let remembered = known_endpoint(&task);
            let organization = self.organizations.get(&task.organization, now);
            assemble(task, remembered, organization, &loaded)
        };
        Ok(tasks.into_iter().map(work).collect())
    }
}

fn assemble(
    task: DeliverTask,
    remembered: Option<Endpoint>,
    organization: Option<Organization>,
    loaded: &Loaded,
) -> Result<Work, StoreError> {
    let delivery = found(loaded.deliveries.get(&task.delivery))?;
    let endpoint = match remembered {
        Some(endpoint) => Some(endpoint),
        None => found(loaded.endpoints.get(&task.endpoint))?,
    };
    let event = found(loaded.events.get(&task.delivery.event()))?;
    let body = task.body.clone().or_else(|| event.map(|event| event.body));
    Ok(Work { delivery, endpoint, organization, body, task })
}

fn found<T: Clone>(item: Option<&Result<T, StoreError>>) -> Result<Option<T>, StoreError> {
    match item {
        None => Ok(None),
        Some(Ok(item)) => Ok(Some(item.clone())),
        Some(Err(error)) => Err(StoreError::Corrupt(error.to_string())),
    }
}
