//! Isolation: no operation on one organization reaches another one, or changes anything of it.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use super::operations::ENDPOINTS;
use super::seen::{Item, Seen, string};
use super::states::{Delivery, Status};
use super::{ACTIVE, CACHE_LIFETIME, Run, event_of};
use crate::support::{EVENT_TYPE, Endpoint, Reply, Tenant, text};
use crate::tenants::routes;

/// The number of organizations.
pub(super) const ORGANIZATIONS: usize = 2;
/// The organization whose endpoints the operations affect.
pub(super) const TROUBLED: usize = 0;
/// The organization that only publishes. Its receivers accept everything.
pub(super) const QUIET: usize = 1;
/// The number of endpoints of the quiet organization.
pub(super) const QUIET_ENDPOINTS: usize = 2;

/// The organization that an endpoint belongs to.
pub(super) const fn owner(endpoint: usize) -> usize {
    if endpoint < ENDPOINTS { TROUBLED } else { QUIET }
}

/// The model of an organization.
pub(super) struct Organization {
    pub(super) tenant: Tenant,
    /// The id of the organization's API key.
    key: String,
    /// The number of idempotency keys that the organization has used.
    pub(super) keys: usize,
    /// Since when the organization is suspended; `None` if it is active.
    pub(super) suspended_since: Option<Timestamp>,
    /// When the organization was last resumed.
    resumed_at: Option<Timestamp>,
    /// The ids of the organization and its endpoints.
    ids: BTreeSet<String>,
    /// The organization's items and messages before the step.
    belongings: Option<Belongings>,
}

/// The stored items and queued messages of an organization, except usage and statistics: a process writes the counts of all
/// organizations together, in any operation.
#[derive(Debug, PartialEq)]
struct Belongings {
    items: BTreeMap<(String, String), Item>,
    messages: Vec<String>,
}

impl Organization {
    pub(super) async fn new(index: usize, tenant: Tenant, endpoints: &[Endpoint]) -> Self {
        let own = endpoints.iter().enumerate().filter(|(endpoint, _)| owner(*endpoint) == index);
        let ids = own.map(|(_, endpoint)| endpoint.id.clone()).chain([tenant.id.clone()]).collect();
        let key = text(&tenant.get("/api-keys").await.data(200)[0]["id"]).to_owned();
        Self { tenant, key, keys: 0, suspended_since: None, resumed_at: None, ids, belongings: None }
    }

    /// Whether a process may treat the organization as suspended, by the table or by its cache.
    pub(super) fn may_be_suspended(&self, now: Timestamp) -> bool {
        self.suspended_since.is_some() || self.resumed_at.is_some_and(|at| now < at.plus(CACHE_LIFETIME))
    }

    fn belongings(&self, seen: &Seen) -> Belongings {
        let is_own = |item: &&Item| {
            let partition = string(item, "pk").unwrap();
            let named = partition.split('#').any(|part| self.ids.contains(part));
            let belongs = named || string(item, "organization") == Some(self.tenant.id.as_str());
            belongs && !["usage#", "stats#"].iter().any(|counts| partition.starts_with(counts))
        };
        let key = |item: &Item| ["pk", "sk"].map(|name| string(item, name).unwrap().to_owned()).into();
        let items = seen.items.iter().filter(is_own).map(|item| (key(item), item.clone())).collect();
        let messages = seen.messages.values().flatten().filter(|message| message.organization == self.tenant.id);
        let mut messages: Vec<_> = messages.map(|message| message.body.clone()).collect();
        messages.sort();
        Belongings { items, messages }
    }
}

impl Run {
    /// Suspends or resumes the troubled organization with the platform key.
    pub(super) async fn set_organization(&mut self, suspended: bool) {
        let organization = &mut self.organizations[TROUBLED];
        let path = format!("/v1/organizations/{}", organization.tenant.id);
        let status = if suspended { "suspended" } else { ACTIVE };
        self.world.platform().patch(&path, &json!({"status": status})).await.data(200);
        let now = self.world.clock.now();
        match (suspended, organization.suspended_since) {
            (true, None) => organization.suspended_since = Some(now),
            (false, Some(_)) => (organization.suspended_since, organization.resumed_at) = (None, Some(now)),
            _ => {}
        }
    }

    /// Whether the reply refuses a request because the organization is suspended.
    pub(super) fn is_refused(&self, organization: usize, reply: &Reply) -> bool {
        reply.status == 403 && self.organizations[organization].may_be_suspended(self.world.clock.now())
    }

    /// Calls a route with one organization's key and the other one's ids, with each of the two organizations in the
    /// path.
    pub(super) async fn trespass(&self, by: usize, route: usize) {
        let (attacker, victim) = (&self.organizations[by], &self.organizations[1 - by]);
        let endpoint = &self.endpoints.iter().enumerate().find(|(endpoint, _)| owner(*endpoint) != by).unwrap().1.id;
        let theirs = |delivery: &&Delivery| delivery.endpoint.is_some_and(|endpoint| owner(endpoint) != by);
        let delivery = self.model.iter().find(|(_, delivery)| theirs(delivery)).map(|(id, _)| id);
        let delivery = delivery.map_or("wdlv_0190a1b2c3d47e5f8a9b0c1d2e3f0001", String::as_str);
        let event = event_of(delivery);
        let routes = routes(endpoint, delivery, &event, &victim.key);
        let (method, path, body) = &routes[route % routes.len()];
        for tenant in [attacker.tenant.clone(), victim.tenant.with_key(&attacker.tenant.key)] {
            let tenant = tenant.at(&self.world.process);
            let reply = tenant.call(method.clone(), path, &[], body.as_ref().map(Value::to_string)).await;
            self.check_that_it_is_not_found(by, Some(reply));
        }
    }

    pub(super) fn check_that_it_is_not_found(&self, by: usize, reply: Option<Reply>) {
        let Some(reply) = reply else { return };
        assert!(
            reply.status == 404 || self.is_refused(by, &reply),
            "organization {by} reaches the other one's resource: {reply:?}"
        );
    }

    /// Checks that the step changed nothing of the organizations in `spares`, and that each receiver got only requests
    /// of the organization that owns its endpoint.
    pub(super) fn check_isolation(&mut self, seen: &Seen, spares: [bool; ORGANIZATIONS]) {
        for (organization, spared) in self.organizations.iter_mut().zip(spares) {
            let now = organization.belongings(seen);
            let before = organization.belongings.as_ref().filter(|_| spared);
            assert!(before.is_none_or(|before| *before == now), "it changed from {before:?} to {now:?}");
            organization.belongings = Some(now);
        }
        for (endpoint, receiver) in self.receivers.iter().enumerate() {
            let own = &self.organizations[owner(endpoint)].tenant.id;
            for request in receiver.received() {
                let event = request.header("x-webhook-event");
                // A message of the `svix` dialect is the bare payload.
                let body = request.json();
                let data = body.get("data").unwrap_or(&body);
                assert!(event != EVENT_TYPE || data["organization"] == **own, "{endpoint} got {data}");
            }
        }
        for (id, delivery) in &seen.deliveries {
            let endpoint = self.endpoints.iter().position(|endpoint| endpoint.id == delivery.endpoint).unwrap();
            let own = &self.organizations[owner(endpoint)].tenant.id;
            let messages = seen.messages.get(id).into_iter().flatten();
            assert!(
                messages.clone().all(|message| message.organization == *own),
                "{id} has a message of another organization"
            );
        }
    }

    /// Checks that the quiet organization's endpoints are active, and that all its deliveries succeeded at the first
    /// attempt.
    pub(super) fn check_that_the_quiet_organization_is_unaffected(&self) {
        for endpoint in (0..self.endpoints.len()).filter(|endpoint| owner(*endpoint) == QUIET) {
            assert_eq!((&self.possible[endpoint][..], self.suspended[endpoint]), (&[ACTIVE][..], false));
        }
        let is_quiet = |delivery: &&Delivery| delivery.endpoint.is_some_and(|endpoint| owner(endpoint) == QUIET);
        for delivery in self.model.values().filter(is_quiet) {
            assert_eq!((delivery.status, delivery.attempts), (Status::Success, 1), "{delivery:?}");
        }
    }

    /// Checks that nothing is stored or queued of the troubled organization, which was deleted.
    pub(super) fn check_that_nothing_is_left(&self, seen: &Seen) {
        let left = self.organizations[TROUBLED].belongings(seen);
        assert!(left.items.is_empty() && left.messages.is_empty(), "{left:?}");
    }

    /// Checks that each organization's lists contain nothing of the other one.
    pub(super) async fn check_lists(&self) {
        for (index, organization) in self.organizations.iter().enumerate().filter(|(of, _)| !self.is_deleted(*of)) {
            let list = async |path: &str| {
                let tenant = organization.tenant.at(&self.world.process);
                tenant.call(Method::GET, path, &[], None).await.data(200).as_array().unwrap().clone()
            };
            let keys = list("/api-keys").await;
            assert!(keys.iter().all(|key| key["id"] == *organization.key), "{keys:?}");
            for endpoint in list("/webhooks/endpoints").await {
                assert!(organization.ids.contains(text(&endpoint["id"])), "{endpoint}");
                for delivery in list(&format!("/webhooks/endpoints/{}/deliveries", text(&endpoint["id"]))).await {
                    let of = self.model[text(&delivery["id"])].endpoint.unwrap();
                    assert_eq!((owner(of), &self.endpoints[of].id[..]), (index, text(&endpoint["id"])));
                }
            }
            for event in list("/events?limit=100").await {
                // A replay of an endpoint that is no longer active may have added a delivery and not recorded it.
                let own = |delivery: &Value| {
                    let of = self.endpoints.iter().position(|it| delivery["endpoint_id"] == json!(it.id)).unwrap();
                    let model = self.model.get(text(&delivery["id"]));
                    owner(of) == index && model.map_or(self.possible[of] != [ACTIVE], |it| it.endpoint == Some(of))
                };
                assert!(event["webhook_deliveries"].as_array().unwrap().iter().all(own), "{event}");
            }
        }
    }
}
