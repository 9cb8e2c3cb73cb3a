//! The operations of the API other than publishing: managing organizations, keys, endpoints, jobs and event types, and
//! reading events and deliveries.

mod answers;
mod attempts;
mod deliveries;
mod endpoints;
mod event_types;
mod expunging;
mod filter_test;
mod health;
mod jobs;
mod keys;
mod lists;
mod organizations;
mod portal_sessions;
mod replays;
mod reports;
mod secrets;
mod test_event;
mod type_documents;
mod walks;

use std::sync::Arc;

use super::access::Access;
use super::announcer::Announcer;
use super::caches::Caches;
use super::catalogue::EventTypes;
use super::encryption::Encryption;
use super::endpoints::Endpoints;
use super::event_writer::EventWriter;
use super::job_runner::JobRunner;
use super::limiter::Limiter;
use super::meter::Meter;
use super::quotas::Quotas;
use super::replayer::Replayer;
use super::targets::{CurrentState, Targets};
use super::{Parts, ServiceError};
use crate::clock::Clock;
use crate::domain::deployment::Deployment;
use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;
use crate::queue::Queue;
use crate::store::Store;

pub use answers::Begun;
pub use attempts::{AttemptPage, DeliveryHistory};
pub use deliveries::{DeliveryDetail, EventPart};
pub use event_types::TypeFilter;
pub use filter_test::FilterTest;
pub use health::HealthOf;
pub use jobs::{JobSelection, Recovering};
pub use keys::Issued;
pub use lists::{Counted, DeliveryReader, EventReader, MOST_COUNTED, MessageReader, Page};

/// Manages the resources of organizations.
#[derive(Debug)]
pub struct Administrator {
    store: Arc<Store>,
    queue: Arc<Queue>,
    clock: Clock,
    deployment: Arc<Deployment>,
    caches: Arc<Caches>,
    access: Arc<Access>,
    encryption: Arc<Encryption>,
    targets: Arc<Targets>,
    limiter: Arc<Limiter>,
    event_types: Arc<EventTypes>,
    endpoints: Arc<Endpoints>,
    writer: Arc<EventWriter>,
    announcer: Arc<Announcer>,
    replayer: Arc<Replayer>,
    quotas: Arc<Quotas>,
    job_runner: Arc<JobRunner>,
    meter: Arc<Meter>,
}

impl Administrator {
    pub(super) fn new(parts: &Parts) -> Self {
        let parts = parts.clone();
        let Parts { store, queue, clock, deployment, caches, access, encryption, meter, .. } = parts;
        let Parts { targets, limiter, event_types, endpoints, writer, announcer, replayer, quotas, job_runner, .. } =
            parts;
        Self {
            store,
            queue,
            clock,
            deployment,
            caches,
            access,
            encryption,
            targets,
            limiter,
            event_types,
            endpoints,
            writer,
            announcer,
            replayer,
            quotas,
            job_runner,
            meter,
        }
    }

    /// Authenticates the callers.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The settings of the deployment.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The clock that the process uses.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Counts the usage of organizations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Reads the state of an organization.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist.
    pub async fn current_state(&self, id: &OrganizationId) -> Result<CurrentState, ServiceError> {
        self.targets.current_state(id).await
    }

    fn oldest_retained(&self) -> Timestamp {
        self.deployment.oldest_retained(self.clock.now())
    }

    fn is_expired(&self, created_at: Timestamp) -> bool {
        self.deployment.is_expired(created_at, self.clock.now())
    }
}
