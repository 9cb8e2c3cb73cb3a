//! Roles and scopes: what the holder of a key may do.

/// A permission for one kind of operation within an organization. A role is a set of scopes.
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

/// The role of an API key within its organization.
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

    /// The role's name in the API and in storage.
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

    /// Whether the role includes the scope.
    pub const fn may(self, scope: Scope) -> bool {
        match scope {
            Scope::KeysRead | Scope::KeysWrite => matches!(self, Self::Owner),
            Scope::OrganizationWrite | Scope::EndpointsWrite | Scope::DeliveriesWrite => {
                matches!(self, Self::Owner | Self::Admin)
            }
            Scope::EventsPublish => matches!(self, Self::Owner | Self::Admin | Self::Publisher),
            Scope::OrganizationRead | Scope::EndpointsRead | Scope::DeliveriesRead | Scope::EventsRead => {
                matches!(self, Self::Owner | Self::Admin | Self::Member)
            }
        }
    }

    /// The scopes that the role includes.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.may(*scope))
    }

    /// The role with the fewest scopes that includes all of `scopes`.
    pub fn smallest_with(scopes: &[Scope]) -> Self {
        let covers = |role: &Self| scopes.iter().all(|scope| role.may(*scope));
        Self::ALL.into_iter().find(covers).unwrap_or(Self::Owner)
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
        let names = |role: Role| role.scopes().map(Scope::as_str).collect::<Vec<_>>();
        assert_eq!(names(Role::Owner).len(), Scope::ALL.len());
        assert!(!names(Role::Admin).iter().any(|scope| scope.starts_with("keys:")));
        assert_eq!(names(Role::Admin).len(), Scope::ALL.len() - 2);
        assert_eq!(names(Role::Member), ["organization:read", "endpoints:read", "deliveries:read", "events:read"]);
        assert_eq!(names(Role::Publisher), ["events:publish"]);
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
            assert_eq!(Role::smallest_with(scopes), role, "{scopes:?}");
        }
    }

    #[test]
    fn printed_names_are_parsed_to_the_same_value() {
        assert!(Scope::ALL.into_iter().all(|scope| Scope::parse(scope.as_str()) == Some(scope)));
        assert!(Role::ALL.into_iter().all(|role| Role::parse(role.as_str()) == Some(role)));
    }
}
