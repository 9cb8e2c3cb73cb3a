//! What a job does, where it begins, and what it does with the deliveries of an endpoint in each state.

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{BEGINS_AFTER, Cursor, JobKind, Recovery, Removal, Replay, SETTLED};
use crate::domain::delivery::attempt::Cause;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::lane::Route;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, JobId, OrganizationId};
use crate::domain::tenancy::limits::Quota;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;

/// The work of a job, with its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Sends the deliveries that are held for an endpoint that accepts deliveries again.
    Release(EndpointId),
    /// Fails the deliveries that are held for an endpoint that was disabled or deleted.
    FailHeld(EndpointId),
    /// Retries failed deliveries of an endpoint.
    Recover(EndpointId, Recovery),
    /// Sends deliveries of an endpoint again, or makes those that it missed.
    Replay(EndpointId, Replay),
    /// Sends messages again for the deliveries of an endpoint that should have one in the queue: messages may be lost.
    SendAll(EndpointId),
    /// Fails what is unfinished of an event whose data was removed, and removes the responses.
    Expunge(EventId),
    /// Removes everything of an organization.
    DeleteOrganization(OrganizationId),
}

/// What a job does with the deliveries that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Lease the deliveries and send them on this route.
    Send(Route),
    /// Record the deliveries as failed with this cause.
    Fail(Cause),
    /// Start the retry schedule of the deliveries again, or make the missing ones, and send them on this route.
    Retry(Route),
    /// Lease the deliveries that are neither parked nor final under new tickets, and send them on this route.
    SendAgain(Route),
    /// Move nothing: the endpoint or its organization has changed, and the job ends.
    Nothing,
}

impl Work {
    /// The kind of this work.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Release(_) => JobKind::Release,
            Self::FailHeld(_) => JobKind::FailHeld,
            Self::Recover(..) => JobKind::Recover,
            Self::Replay(..) => JobKind::Replay,
            Self::SendAll(_) => JobKind::SendAll,
            Self::Expunge(_) => JobKind::Expunge,
            Self::DeleteOrganization(_) => JobKind::DeleteOrganization,
        }
    }

    /// The endpoint that it is about; `None` for other work.
    pub const fn endpoint(&self) -> Option<EndpointId> {
        match self {
            Self::Release(endpoint)
            | Self::FailHeld(endpoint)
            | Self::Recover(endpoint, _)
            | Self::Replay(endpoint, _)
            | Self::SendAll(endpoint) => Some(*endpoint),
            Self::Expunge(_) | Self::DeleteOrganization(_) => None,
        }
    }

    /// The event that it is about; `None` for other work.
    pub const fn event(&self) -> Option<EventId> {
        if let Self::Expunge(event) = self { Some(*event) } else { None }
    }

    /// The limit of the deliveries that this work sends together with other work of its endpoint; `None` without one.
    pub const fn quota(&self) -> Option<Quota> {
        match self {
            Self::Recover(endpoint, _) | Self::Replay(endpoint, _) => Some(Quota::Restarts(*endpoint)),
            _ => None,
        }
    }

    /// How long after its request or change the work begins.
    pub(super) const fn begins_after(&self) -> Duration {
        if matches!(self, Self::DeleteOrganization(_)) { BEGINS_AFTER } else { Duration::ZERO }
    }

    /// How long after its request or change a pass must begin to find all deliveries.
    pub(super) const fn settles_after(&self) -> Duration {
        match self {
            // Its events were settled when it was requested.
            Self::Replay(_, replay) if replay.goes_by_events() => Duration::ZERO,
            _ => SETTLED,
        }
    }

    /// Where a pass begins, of a job that was requested then.
    pub(super) fn start(&self, since: Timestamp) -> Cursor {
        Cursor::Delivery(match self {
            Self::Recover(_, recovery) => DeliveryId::first_at(recovery.since),
            // The id of an event precedes those of its deliveries.
            Self::Replay(_, replay) => DeliveryId::first_at(replay.since),
            Self::Release(_) | Self::FailHeld(_) => DeliveryId::first_at(Timestamp::from_unix_seconds(0)),
            // This work goes from the newest to the oldest delivery, which is the order of the lists.
            Self::SendAll(_) => DeliveryId::first_at(since),
            // The ids of its deliveries follow that of the event.
            Self::Expunge(event) => DeliveryId::from_uuid(event.uuid()),
            Self::DeleteOrganization(_) => return Cursor::Removal(Removal::FIRST),
        })
    }

    /// Where a pass continues after a page whose last delivery is `last`.
    pub(super) fn next_from(&self, last: DeliveryId) -> Cursor {
        Cursor::Delivery(if matches!(self, Self::SendAll(_)) { last } else { last.next() })
    }

    /// The id of the job that does this work. Equal work has the same id, and so have all replays of an endpoint by events.
    pub fn id(&self) -> JobId {
        let kind = self.kind().as_str();
        let work = match self {
            Self::Release(endpoint) | Self::FailHeld(endpoint) | Self::SendAll(endpoint) => {
                format!("{kind} {endpoint}")
            }
            // An endpoint has one open replay by events.
            Self::Replay(endpoint, replay) if replay.goes_by_events() => format!("{kind} {endpoint}"),
            Self::Recover(endpoint, recovery) => format!("{kind} {endpoint} {recovery}"),
            Self::Replay(endpoint, replay) => format!("{kind} {endpoint} {replay}"),
            Self::Expunge(event) => format!("{kind} {event}"),
            Self::DeleteOrganization(organization) => format!("{kind} {organization}"),
        };
        let mut bits = [0; 16];
        bits.copy_from_slice(&Sha256::digest(work)[..16]);
        JobId::from_uuid(Uuid::from_bytes(bits))
    }

    /// What the job does with its deliveries, by the present state of the endpoint and its organization. `None` is a
    /// deleted endpoint.
    pub fn on(&self, endpoint: Option<&Endpoint>, organization: OrganizationStatus) -> Move {
        match (self, endpoint) {
            (Self::FailHeld(_), None) => Move::Fail(Cause::EndpointDeleted),
            (Self::FailHeld(_), Some(endpoint)) if endpoint.is_disabled() => Move::Fail(Cause::EndpointDisabled),
            (Self::Release(_), Some(endpoint)) if endpoint.accepts() => Move::Send(endpoint.route()),
            // Otherwise the retried deliveries would fail immediately, and their earlier cause would be overwritten.
            (Self::Recover(..) | Self::Replay(..), Some(endpoint))
                if !endpoint.is_disabled() && organization == OrganizationStatus::Active =>
            {
                Move::Retry(endpoint.route())
            }
            (Self::SendAll(_), Some(endpoint)) => Move::SendAgain(endpoint.route()),
            _ => Move::Nothing,
        }
    }
}
