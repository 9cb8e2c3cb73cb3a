//! Roles and scopes: what the holder of a key may do.

use std::fmt;

/// A permission for one kind of operation within an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read the organization.
    OrganizationRead,
    /// Change the organization.
    OrganizationWrite,
    /// List API keys.
    KeysRead,
    /// Issue, rename, rotate and revoke API keys.
    KeysWrite,
    /// Read endpoints, without their secrets.
    EndpointsRead,
    /// Create, change, test and delete endpoints, and read their secrets.
    EndpointsWrite,
    /// Read deliveries.
    DeliveriesRead,
    /// Retry deliveries.
    DeliveriesWrite,
    /// Read every event.
    EventsRead,
    /// Publish events, and read the events that the same key published.
    EventsPublish,
}

impl Scope {
    /// Every scope, in the order in which the API lists them.
    pub const ALL: [Self; 10] = [
        Self::OrganizationRead,
        Self::OrganizationWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::EndpointsRead,
        Self::EndpointsWrite,
        Self::DeliveriesRead,
        Self::DeliveriesWrite,
        Self::EventsRead,
        Self::EventsPublish,
    ];

    /// The scope's name in the API, such as `endpoints:read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationRead => "organization:read",
            Self::OrganizationWrite => "organization:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::EndpointsRead => "endpoints:read",
            Self::EndpointsWrite => "endpoints:write",
            Self::DeliveriesRead => "deliveries:read",
            Self::DeliveriesWrite => "deliveries:write",
            Self::EventsRead => "events:read",
            Self::EventsPublish => "events:publish",
        }
    }

    /// The scope with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self::of(&Scope::ALL);
    /// The scopes that a key that is bound to endpoints may have. The others concern the organization as a whole.
    pub const BINDABLE: Self = Self::of(&[
        Scope::OrganizationRead,
        Scope::EndpointsRead,
        Scope::EndpointsWrite,
        Scope::DeliveriesRead,
        Scope::DeliveriesWrite,
        Scope::EventsRead,
    ]);

    /// The set of these scopes.
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < scopes.len() {
            bits |= 1 << scopes[index] as u16;
            index += 1;
        }
        Self(bits)
    }

    /// Whether the set has no scope.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set has the scope.
    pub const fn contains(self, scope: Scope) -> bool {
        self.covers(Self::of(&[scope]))
    }

    /// Whether the set has every scope of `other`.
    pub const fn covers(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// The scopes that `other` does not have.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | Self::of(&[scope]).0))
    }
}

/// The names of the scopes, separated by commas.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Scope::as_str).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// A name for a set of scopes. A key has exact scopes; its role is the smallest one that includes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Every scope.
    Owner,
    /// Every scope except those of keys.
    Admin,
    /// Every reading scope except that of keys.
    Member,
    /// [`Scope::EventsPublish`] only.
    Publisher,
}

impl Role {
    /// Every role, from the fewest scopes to the most.
    pub const ALL: [Self; 4] = [Self::Publisher, Self::Member, Self::Admin, Self::Owner];

    /// The role's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Publisher => "publisher",
        }
    }

    /// The role with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// The scopes that the role includes.
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::Owner => Scopes::ALL,
            Self::Admin => Scopes::ALL.without(Scopes::of(&[Scope::KeysRead, Scope::KeysWrite])),
            Self::Member => {
                Scopes::of(&[Scope::OrganizationRead, Scope::EndpointsRead, Scope::DeliveriesRead, Scope::EventsRead])
            }
            Self::Publisher => Scopes::of(&[Scope::EventsPublish]),
        }
    }

    /// The role with the fewest scopes that includes all of `scopes`.
    pub fn smallest_with(scopes: Scopes) -> Self {
        Self::ALL.into_iter().find(|role| role.scopes().covers(scopes)).unwrap_or(Self::Owner)
    }
}

/// The role of a platform key. It applies to every organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformRole {
    /// Every operation, including creating organizations and changing their status.
    Full,
    /// Publishing events only.
    Publisher,
}

impl PlatformRole {
    /// Whether the role includes the scope.
    pub const fn may(self, scope: Scope) -> bool {
        match self {
            Self::Full => true,
            Self::Publisher => matches!(scope, Scope::EventsPublish),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_key_for_publishing_may_do_nothing_else() {
        for scope in Scope::ALL {
            assert!(PlatformRole::Full.may(scope));
            assert_eq!(PlatformRole::Publisher.may(scope), scope == Scope::EventsPublish, "{scope:?}");
        }
    }

    #[test]
    fn each_role_includes_its_scopes() {
        let table = [
            (Role::Owner, Scope::ALL.map(Scope::as_str).join(", ")),
            (
                Role::Admin,
                "organization:read, organization:write, endpoints:read, endpoints:write, deliveries:read, \
                 deliveries:write, events:read, events:publish"
                    .to_owned(),
            ),
            (Role::Member, "organization:read, endpoints:read, deliveries:read, events:read".to_owned()),
            (Role::Publisher, "events:publish".to_owned()),
        ];
        for (role, scopes) in table {
            assert_eq!(role.scopes().to_string(), scopes, "{role:?}");
        }
    }

    #[test]
    fn a_set_has_exactly_its_scopes() {
        for scope in Scope::ALL {
            let (alone, others) = (Scopes::of(&[scope]), Scopes::ALL.without(Scopes::of(&[scope])));
            assert_eq!(alone.iter().collect::<Vec<_>>(), [scope]);
            assert!(Scope::ALL.into_iter().all(|other| others.contains(other) == (other != scope)));
            assert!(Scopes::ALL.covers(alone) && !others.covers(alone) && !alone.covers(others));
            assert_eq!(others.iter().chain([scope]).collect::<Scopes>(), Scopes::ALL);
        }
        assert!(Scopes::default().is_empty() && Scopes::default().covers(Scopes::default()));
    }

    #[test]
    fn the_smallest_role_that_includes_the_scopes_is_chosen() {
        let table: [(&[Scope], Role); 6] = [
            (&[Scope::EventsPublish], Role::Publisher),
            (&[Scope::EndpointsRead], Role::Member),
            (&[Scope::EndpointsRead, Scope::EventsPublish], Role::Admin),
            (&[Scope::EndpointsWrite], Role::Admin),
            (&[Scope::KeysRead], Role::Owner),
            (&Scope::ALL, Role::Owner),
        ];
        for (scopes, role) in table {
            assert_eq!(Role::smallest_with(Scopes::of(scopes)), role, "{scopes:?}");
        }
    }

    #[test]
    fn printed_names_are_parsed_to_the_same_value() {
        assert!(Scope::ALL.into_iter().all(|scope| Scope::parse(scope.as_str()) == Some(scope)));
        assert!(Role::ALL.into_iter().all(|role| Role::parse(role.as_str()) == Some(role)));
    }
}
