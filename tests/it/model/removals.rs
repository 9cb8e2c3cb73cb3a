//! Removals: the data of an event, and an organization.

use http::Method;
use serde_json::Value;

use super::isolation::{TROUBLED, owner};
use super::operations::ENDPOINTS;
use super::seen::Seen;
use super::{CACHE_LIFETIME, Run, event_of};
use crate::support::{Receiver, Requests};

/// A request to remove the data of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// Its process died, so the data may be there, and deliveries go on until a sweep continues the removal.
    Interrupted,
    /// It was answered. No delivery of the event is attempted any more.
    Answered,
}

impl Run {
    /// Removes the data of the event of one of the troubled organization's deliveries, if possible of an unfinished one.
    pub(super) async fn expunge(&mut self, choice: usize, cut: Option<usize>) {
        let of_troubled = |endpoint: Option<usize>| endpoint.is_some_and(|endpoint| owner(endpoint) == TROUBLED);
        let own: Vec<_> = self.model.iter().filter(|(_, delivery)| of_troubled(delivery.endpoint)).collect();
        let unfinished: Vec<_> = own.iter().filter(|(_, delivery)| !delivery.status.is_final()).copied().collect();
        let candidates = if unfinished.is_empty() { own } else { unfinished };
        let Some((delivery, _)) = candidates.get(choice % candidates.len().max(1)) else { return };
        let event = event_of(delivery);
        let reply = self.call(Method::DELETE, &format!("/events/{event}/data"), &Value::Null, cut).await;
        let removal = match reply {
            Some(reply) if self.is_refused(TROUBLED, &reply) => return,
            Some(reply) => {
                assert_eq!(reply.status, 202, "{reply:?}");
                self.assert_removed(&event).await;
                Removal::Answered
            }
            None => Removal::Interrupted,
        };
        let known = self.removed.entry(event).or_insert(removal);
        if removal == Removal::Answered {
            *known = removal;
        }
    }

    /// Checks that neither the data of an event nor a response to one of its deliveries is stored.
    async fn assert_removed(&self, event: &str) {
        let tenant = &self.organizations[TROUBLED].tenant;
        let shown = tenant.get(&format!("/events/{event}")).await.data(200);
        assert_eq!((&shown["data"], shown["expunged_at"].is_string()), (&Value::Null, true), "{shown}");
        let is_own = |id: &str| id.starts_with("wdlv_") && event_of(id) == event;
        for item in self.world.all_items().await {
            let id = |name: &str| item.get(name).and_then(|it| it.as_s().ok()).is_some_and(|id| is_own(id));
            if id("sk") || id("delivery") {
                let kept = ["first", "signature", "response"].map(|name| item.contains_key(name));
                assert_eq!(kept, [false; 3], "{item:?}");
            }
        }
    }

    /// Begins the deletion of the troubled organization.
    pub(super) async fn delete_organization(&self, cut: Option<usize>) {
        let path = format!("/v1/organizations/{}?force=true", self.organizations[TROUBLED].tenant.id);
        let platform = self.world.platform();
        let reply = self.run_process(cut, async |process| platform.at(process).delete(&path).await).await;
        assert!(reply.as_ref().is_none_or(|reply| reply.status == 202), "{reply:?}");
    }

    /// Whether the organization was deleted, or its deletion has begun.
    pub(super) const fn is_deleted(&self, organization: usize) -> bool {
        organization == TROUBLED && self.deleted_since.is_some()
    }

    /// Finds out whether the deletion of the troubled organization has begun. From then on its deliveries may disappear
    /// in any state, and as soon as all processes know of the deletion, its receivers get nothing.
    pub(super) fn follow_deletion(&mut self, seen: &mut Seen) {
        let received: usize = self.receivers[..ENDPOINTS].iter().map(|receiver| receiver.received().len()).sum();
        let is_known = self.deleted_since.is_some_and(|since| self.checked_at >= since.plus(CACHE_LIFETIME));
        assert!(!is_known || received == self.received, "a receiver got a request of a deleted organization");
        self.received = received;
        if !seen.organizations.contains(&self.organizations[TROUBLED].tenant.id) && self.deleted_since.is_none() {
            self.deleted_since = Some(self.world.clock.now());
        }
        if !self.is_deleted(TROUBLED) {
            return;
        }
        let others = self.endpoints[ENDPOINTS..].iter().map(|endpoint| endpoint.id.clone()).collect::<Vec<_>>();
        seen.deliveries.retain(|_, delivery| others.contains(&delivery.endpoint));
        seen.requests = Requests::of(&self.receivers[ENDPOINTS..].iter().collect::<Vec<&Receiver>>());
        self.model.retain(|_, delivery| delivery.endpoint.is_none_or(|endpoint| owner(endpoint) != TROUBLED));
        self.unanswered.retain(|publishing| publishing.by != TROUBLED);
        self.unpromised.retain(|_, publishing| publishing.by != TROUBLED);
        self.interrupted = self.interrupted.take().filter(|publishing| publishing.by != TROUBLED);
    }
}
