//! What a key may do: its scopes, the endpoints that it is bound to, and until when.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::access::{Role, Scopes};
use crate::domain::Invalid;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::event::event_type::EventType;
use crate::domain::event::operational::OPERATIONAL_EVENTS;
use crate::domain::ids::EndpointId;
use crate::domain::time::Timestamp;

/// Most endpoints that a key is bound to.
pub const MAX_BOUND_ENDPOINTS: usize = 100;

/// The endpoints that a key is bound to. For a bound key, all other endpoints of its organization, and their
/// deliveries, do not exist. By default a key is bound to none, and may access all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Binding(Option<Arc<BTreeSet<EndpointId>>>);

impl Binding {
    /// A binding to these endpoints.
    ///
    /// # Errors
    /// [`Invalid`] if there are none, more than [`MAX_BOUND_ENDPOINTS`], or duplicates.
    pub fn to(endpoints: &[EndpointId]) -> Result<Self, Invalid> {
        if endpoints.is_empty() || endpoints.len() > MAX_BOUND_ENDPOINTS {
            return Err(Invalid::new(format!("must have 1 to {MAX_BOUND_ENDPOINTS} endpoints")));
        }
        let set: BTreeSet<_> = endpoints.iter().copied().collect();
        if set.len() < endpoints.len() {
            return Err(Invalid::new("must not have an endpoint twice"));
        }
        Ok(Self(Some(Arc::new(set))))
    }

    /// A binding as it was stored, without checks.
    pub fn stored(endpoints: impl IntoIterator<Item = EndpointId>) -> Self {
        Self(Some(Arc::new(endpoints.into_iter().collect())))
    }

    /// The endpoints; `None` if the key is not bound.
    pub fn endpoints(&self) -> Option<&BTreeSet<EndpointId>> {
        self.0.as_deref()
    }

    /// Whether the key is bound to endpoints.
    pub const fn is_bound(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the key may access the endpoint. `None` stands for what concerns no single endpoint.
    pub fn includes(&self, endpoint: impl Into<Option<EndpointId>>) -> bool {
        let Some(own) = &self.0 else { return true };
        endpoint.into().is_some_and(|endpoint| own.contains(&endpoint))
    }

    /// Whether every endpoint that `self` includes is included in `other`.
    fn is_within(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => own.is_subset(other),
        }
    }

    /// Whether the key may make this change of an endpoint that it may access. A bound key must not learn of other
    /// endpoints: not from a conflict of external ids, and not from operational events, which are about all endpoints.
    ///
    /// # Errors
    /// The reason why it must not.
    pub fn may_change(&self, endpoint: &Endpoint, patch: &EndpointPatch) -> Result<(), &'static str> {
        if !self.is_bound() {
            return Ok(());
        }
        if patch.external_id.is_some() {
            return Err("a key that is bound to endpoints may not change external ids");
        }
        let (settings, before) = (&endpoint.settings, &endpoint.settings.subscriptions);
        let after = patch.subscriptions.as_ref().unwrap_or(before);
        let is_wider = patch.filter.as_ref().is_some_and(|filter| *filter != settings.filter)
            || patch.edition.as_ref().is_some_and(|edition| *edition != settings.edition);
        let mut operational = OPERATIONAL_EVENTS.iter().filter_map(|name| EventType::parse(name).ok());
        let includes = |subscriptions: &[Subscription], event_type: &EventType| {
            subscriptions.iter().any(|subscription| subscription.matches(event_type))
        };
        match operational.any(|it| includes(after, &it) && (is_wider || !includes(before, &it))) {
            true => Err("a key that is bound to endpoints may not subscribe them to more operational events"),
            false => Ok(()),
        }
    }
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Its permissions.
    pub scopes: Scopes,
    /// The endpoints that it is bound to.
    pub binding: Binding,
    /// From when on it does not work; `None` if it has no such time.
    pub expires_at: Option<Timestamp>,
}

/// Why a key cannot give rights to another key, or to a portal session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// It lacks these scopes.
    #[error("a key can only give rights that it has, and this key lacks {0}")]
    Scopes(Scopes),
    /// The other key would not be bound, or be bound to other endpoints.
    #[error("a key that is bound to endpoints can only give rights that are bound to some of the same endpoints")]
    Endpoints,
    /// The other key would not expire, or expire later than at this time.
    #[error("this key expires at {}, and can only give rights that do not last longer: set expires_at or expires_in", .0.rfc3339())]
    Expiry(Timestamp),
}

impl Rights {
    /// The scopes of a role, for all endpoints and for any time.
    pub fn of_role(role: Role) -> Self {
        Self { scopes: role.scopes(), binding: Binding::default(), expires_at: None }
    }

    /// The smallest role that includes the scopes.
    pub fn role(&self) -> Role {
        Role::smallest_with(self.scopes)
    }

    /// Whether the key may do everything in its organization, now.
    pub fn is_owner(&self) -> bool {
        self.scopes == Scopes::ALL && !self.binding.is_bound()
    }

    /// Whether the key has expired.
    pub fn have_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Whether a key with these rights can issue a key with `other` rights: no right may exceed its own.
    ///
    /// # Errors
    /// [`Excess`] if one does.
    pub fn may_issue(&self, other: &Self) -> Result<(), Excess> {
        if !self.scopes.covers(other.scopes) {
            return Err(Excess::Scopes(other.scopes.without(self.scopes)));
        }
        if !other.binding.is_within(&self.binding) {
            return Err(Excess::Endpoints);
        }
        match self.expires_at {
            Some(own) if other.expires_at.is_none_or(|other| other > own) => Err(Excess::Expiry(own)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::Scope;
    use super::*;
    use crate::domain::endpoint::tests::endpoint;
    use crate::domain::external_id::ExternalId;
    use crate::domain::text::EditionId;

    fn id(number: u16) -> EndpointId {
        EndpointId::new(Timestamp::from_unix_seconds(i64::from(number)), [1; 8])
    }

    fn bound(numbers: impl IntoIterator<Item = u16>) -> Binding {
        Binding::to(&numbers.into_iter().map(id).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_binding_has_1_to_100_different_endpoints() {
        let ids = |count| (1..=count).map(id).collect::<Vec<_>>();
        let table = [(ids(0), false), (ids(1), true), (ids(100), true), (ids(101), false), (vec![id(1), id(1)], false)];
        for (endpoints, is_valid) in table {
            assert_eq!(Binding::to(&endpoints).is_ok(), is_valid, "{} endpoints", endpoints.len());
        }
    }

    #[test]
    fn a_bound_key_includes_only_its_endpoints_and_nothing_that_concerns_none() {
        let table = [
            (Binding::default(), Some(id(1)), true),
            (Binding::default(), None, true),
            (bound([1, 2]), Some(id(2)), true),
            (bound([1, 2]), Some(id(3)), false),
            (bound([1, 2]), None, false),
            (Binding::stored([]), Some(id(1)), false),
        ];
        for (binding, endpoint, is_included) in table {
            assert_eq!(binding.includes(endpoint), is_included, "{binding:?} {endpoint:?}");
        }
    }

    #[test]
    fn a_key_can_issue_only_keys_without_further_rights() {
        use Scope::{EventsPublish, EventsRead, KeysWrite};
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        let rights = |scopes: &[Scope], binding: &Binding, expires_at| Rights {
            scopes: Scopes::of(scopes),
            binding: binding.clone(),
            expires_at,
        };
        let (unbound, some) = (&Binding::default(), &[KeysWrite, EventsRead]);
        let one_missing = Err(Excess::Scopes(Scopes::of(&[EventsPublish])));
        let owner = Rights::of_role(Role::Owner);
        let table = [
            (owner.clone(), owner.clone(), Ok(())),
            (owner.clone(), rights(some, &bound([1]), at(100)), Ok(())),
            (rights(some, unbound, None), rights(some, unbound, None), Ok(())),
            (rights(some, unbound, None), rights(&[EventsRead], unbound, None), Ok(())),
            (rights(some, unbound, None), rights(&[EventsRead, EventsPublish], unbound, None), one_missing),
            (rights(some, unbound, None), owner.clone(), Err(Excess::Scopes(Scopes::ALL.without(Scopes::of(some))))),
            (rights(some, &bound([1, 2]), None), rights(some, &bound([1, 2]), None), Ok(())),
            (rights(some, &bound([1, 2]), None), rights(some, &bound([2]), None), Ok(())),
            (rights(some, &bound([1, 2]), None), rights(some, &bound([2, 3]), None), Err(Excess::Endpoints)),
            (rights(some, &bound([1, 2]), None), rights(some, unbound, None), Err(Excess::Endpoints)),
            (rights(some, unbound, at(100)), rights(some, unbound, at(100)), Ok(())),
            (rights(some, unbound, at(100)), rights(some, unbound, at(99)), Ok(())),
            (rights(some, unbound, at(100)), rights(some, unbound, at(101)), Err(Excess::Expiry(at(100).unwrap()))),
            (rights(some, unbound, at(100)), rights(some, unbound, None), Err(Excess::Expiry(at(100).unwrap()))),
        ];
        for (own, other, expected) in table {
            assert_eq!(own.may_issue(&other), expected, "{own:?} {other:?}");
        }
    }

    #[test]
    fn rights_expire_at_their_time() {
        let rights = |expires_at| Rights { expires_at, ..Rights::of_role(Role::Owner) };
        let at = Timestamp::from_unix_seconds;
        for (expires_at, now, have_expired) in
            [(None, 100, false), (Some(at(100)), 99, false), (Some(at(100)), 100, true), (Some(at(100)), 101, true)]
        {
            assert_eq!(rights(expires_at).have_expired(at(now)), have_expired, "{expires_at:?} {now}");
        }
    }

    #[test]
    fn only_an_unbound_key_with_every_scope_is_an_owners() {
        let owner = Rights::of_role(Role::Owner);
        let bound = Rights { binding: bound([1]), ..owner.clone() };
        let with_less = Rights { scopes: Scopes::ALL.without(Scopes::of(&[Scope::EventsRead])), ..owner.clone() };
        assert_eq!((with_less.role(), owner.role()), (Role::Owner, Role::Owner));
        assert_eq!([&owner, &bound, &with_less].map(Rights::is_owner), [true, false, false]);
    }

    #[test]
    fn a_bound_key_cannot_change_external_ids_or_subscribe_to_more_operational_events() {
        let subscriptions =
            |texts: &[&str]| texts.iter().map(|it| Subscription::parse(it).unwrap()).collect::<Vec<_>>();
        let subscribing =
            |texts: &[&str]| EndpointPatch { subscriptions: Some(subscriptions(texts)), ..Default::default() };
        let edition =
            |name| EndpointPatch { edition: Some(Some(EditionId::parse(name).unwrap())), ..Default::default() };
        let named = EndpointPatch { external_id: Some(Some(ExternalId::parse("a").unwrap())), ..Default::default() };
        let unnamed = EndpointPatch { external_id: Some(None), ..Default::default() };
        let table: [(&[&str], _, _); 11] = [
            (&["*"], EndpointPatch::default(), true),
            (&["*"], named, false),
            (&["*"], unnamed, false),
            (&["*"], subscribing(&["a.b", "*", "*.exhausted"]), true),
            (&["*"], subscribing(&["delivery.exhausted"]), false),
            (&["*"], subscribing(&["webhook.*"]), false),
            (&["webhook.*"], subscribing(&["a", "webhook.*"]), true),
            (&["webhook.*"], subscribing(&["webhook.created"]), true),
            (&["webhook.created"], subscribing(&["webhook.*"]), false),
            (&["webhook.*"], edition("another"), false),
            (&["*"], edition("another"), true),
        ];
        for (before, patch, may) in table {
            let mut endpoint = endpoint();
            endpoint.settings.subscriptions = subscriptions(before);
            assert_eq!(bound([1]).may_change(&endpoint, &patch).is_ok(), may, "{before:?} {patch:?}");
            assert!(Binding::default().may_change(&endpoint, &patch).is_ok());
        }
    }
}
