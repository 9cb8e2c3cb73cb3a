//! Portal sessions: what a person may do in the portal, and until when.

use std::fmt;
use std::time::Duration;

use super::origin::ReturnUrl;
use super::token::TokenHash;
use crate::domain::Invalid;
use crate::domain::ids::{KeyId, OrganizationId, PortalSessionId};
use crate::domain::tenancy::access::{Role, Scopes};
use crate::domain::tenancy::api_key::ApiKey;
use crate::domain::tenancy::rights::{Binding, Rights};
use crate::domain::text::Name;
use crate::domain::time::Timestamp;

/// How long the link of a new session works.
pub const LINK_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The shortest lifetime of a session, in seconds.
pub const MIN_SECONDS: u32 = 60;
/// The longest lifetime of a session, in seconds.
pub const MAX_SECONDS: u32 = 24 * 60 * 60;
/// The lifetime of a session that names none, in seconds.
pub const DEFAULT_SECONDS: u32 = 8 * 60 * 60;

/// The roles that a session may have.
pub const ROLES: [Role; 3] = [Role::Owner, Role::Admin, Role::Member];

/// What a session is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortalTenant {
    /// An organization.
    Organization(OrganizationId),
    /// All organizations, for an operator of the deployment.
    Operator,
}

impl PortalTenant {
    const OPERATOR: &'static str = "operator";

    /// Reads the printed form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            Self::OPERATOR => Some(Self::Operator),
            text => OrganizationId::parse(text).ok().map(Self::Organization),
        }
    }

    /// The organization; `None` for an operator.
    pub const fn organization(&self) -> Option<&OrganizationId> {
        match self {
            Self::Organization(id) => Some(id),
            Self::Operator => None,
        }
    }
}

/// The organization's id, or `operator`, which no organization has as its id.
impl fmt::Display for PortalTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(id) => id.fmt(f),
            Self::Operator => f.write_str(Self::OPERATOR),
        }
    }
}

/// The colours of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Those that the person's system prefers.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// Every theme.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// The theme's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.as_str() == text)
    }
}

/// The number of seconds that a session lasts, from 60 to 86,400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSeconds(u32);

impl Default for SessionSeconds {
    fn default() -> Self {
        Self(DEFAULT_SECONDS)
    }
}

impl SessionSeconds {
    /// Checks a number of seconds.
    ///
    /// # Errors
    /// [`Invalid`] if it is out of range.
    pub fn new(seconds: i64) -> Result<Self, Invalid> {
        let seconds = u32::try_from(seconds).ok().filter(|seconds| (MIN_SECONDS..=MAX_SECONDS).contains(seconds));
        let invalid = || Invalid::new(format!("must be a whole number of seconds from {MIN_SECONDS} to {MAX_SECONDS}"));
        seconds.map(Self).ok_or_else(invalid)
    }

    /// The lifetime as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// The fields of a new session.
#[derive(Debug)]
pub struct NewPortalSession {
    /// What the person may do.
    pub role: Role,
    /// The endpoints that the person may access.
    pub binding: Binding,
    /// How long the session lasts.
    pub lifetime: SessionSeconds,
    /// Where the link back leads.
    pub return_url: Option<ReturnUrl>,
    /// The colours of the pages.
    pub theme: Theme,
    /// Who the person is, for audit lines.
    pub actor: Option<Name>,
}

/// The key that the rights of a session come from. A session that was created in the portal has the grant of the session that
/// created it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The name of the key.
    pub key: String,
    /// Until when the key is valid; `None` without an end. What a person issues in the portal lasts no longer.
    pub until: Option<Timestamp>,
}

impl Grant {
    /// The organization's key; `None` for a platform key.
    pub fn own_key(&self) -> Option<KeyId> {
        KeyId::parse(&self.key).ok()
    }
}

/// A session.
#[derive(Debug, Clone)]
pub struct PortalSession {
    /// The session's identifier. It is not secret.
    pub id: PortalSessionId,
    /// What the session is for.
    pub tenant: PortalTenant,
    /// What the person may do.
    pub role: Role,
    /// The endpoints that the person may access.
    pub binding: Binding,
    /// Where the link back leads.
    pub return_url: Option<ReturnUrl>,
    /// The colours of the pages.
    pub theme: Theme,
    /// Who the person is, for audit lines.
    pub actor: Option<Name>,
    /// The name of the key or session that created the session.
    pub created_by: String,
    /// Where its rights come from.
    pub grant: Grant,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it does not work.
    pub expires_at: Timestamp,
    /// The hash of the link's token.
    pub link: TokenHash,
    /// Until when the link works.
    pub link_until: Timestamp,
    /// When the link was used, and the hash of the cookie that it was exchanged for.
    pub signed_in: Option<(Timestamp, TokenHash)>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The state of a session at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortalSessionStatus {
    /// The link was not used yet.
    Pending,
    /// A person is signed in.
    Active,
    /// The session, or its unused link, has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl PortalSessionStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Expired, Self::Revoked];

    /// The status in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What a person with this role and binding may do until then. A binding leaves out the scopes that concern the
/// organization as a whole.
pub fn rights(role: Role, binding: &Binding, expires_at: Timestamp) -> Rights {
    let excluded = if binding.is_bound() { Scopes::ALL.without(Scopes::BINDABLE) } else { Scopes::default() };
    Rights { scopes: role.scopes().without(excluded), binding: binding.clone(), expires_at: Some(expires_at) }
}

impl PortalSession {
    /// The session with what became of the organization's key that its rights come from: it is revoked with the key, and lasts no
    /// longer. `None`, for a key that does not exist, revokes it at its creation.
    #[must_use]
    pub fn granted_by(self, key: Option<&ApiKey>) -> Self {
        let revoked_at = match key {
            Some(key) => key.revoked_at(),
            None => Some(self.created_at),
        };
        let earlier = |one: Option<Timestamp>, other: Option<Timestamp>| one.into_iter().chain(other).min();
        let ends_at = key.and_then(ApiKey::ends_at);
        Self {
            revoked_at: earlier(self.revoked_at, revoked_at),
            expires_at: ends_at.map_or(self.expires_at, |ends_at| ends_at.min(self.expires_at)),
            link_until: ends_at.map_or(self.link_until, |ends_at| ends_at.min(self.link_until)),
            ..self
        }
    }

    /// What the person may do.
    pub fn rights(&self) -> Rights {
        rights(self.role, &self.binding, self.expires_at)
    }

    /// The state at `now`.
    pub fn status(&self, now: Timestamp) -> PortalSessionStatus {
        let ends = if self.signed_in.is_some() { self.expires_at } else { self.link_until };
        match self.signed_in {
            _ if self.revoked_at.is_some() => PortalSessionStatus::Revoked,
            _ if ends <= now => PortalSessionStatus::Expired,
            Some(_) => PortalSessionStatus::Active,
            None => PortalSessionStatus::Pending,
        }
    }

    /// Whether the link of this hash can be exchanged at `now`.
    pub fn admits_link(&self, link: TokenHash, now: Timestamp) -> bool {
        self.status(now) == PortalSessionStatus::Pending && self.link == link
    }

    /// Whether a request with the cookie of this hash is signed in at `now`.
    pub fn admits(&self, cookie: TokenHash, now: Timestamp) -> bool {
        self.status(now) == PortalSessionStatus::Active && self.signed_in.is_some_and(|(_, own)| own == cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EndpointId;
    use crate::domain::portal::token::PortalToken;
    use crate::domain::tenancy::access::Scope;
    use crate::domain::tenancy::api_key::{KeySecret, KeyStatus};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn hash(byte: u8) -> TokenHash {
        PortalToken::new(PortalTenant::Operator, PortalSessionId::new(NOW, [1; 8]), &[byte; 32]).hash()
    }

    fn session() -> PortalSession {
        PortalSession {
            id: PortalSessionId::new(NOW, [1; 8]),
            tenant: PortalTenant::Operator,
            role: Role::Owner,
            binding: Binding::default(),
            return_url: None,
            theme: Theme::Auto,
            actor: None,
            created_by: "platform".to_owned(),
            grant: Grant { key: "platform".to_owned(), until: None },
            created_at: NOW,
            expires_at: at(1_000),
            link: hash(1),
            link_until: at(300),
            signed_in: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_session_is_pending_then_active_until_it_expires_or_is_revoked() {
        use PortalSessionStatus::{Active, Expired, Pending, Revoked};
        let pending = session();
        let active = PortalSession { signed_in: Some((at(10), hash(2))), ..session() };
        let revoked = PortalSession { revoked_at: Some(at(20)), ..active.clone() };
        for (session, seconds, status) in [
            (&pending, 0, Pending),
            (&pending, 299, Pending),
            (&pending, 300, Expired),
            (&active, 10, Active),
            (&active, 999, Active),
            (&active, 1_000, Expired),
            (&revoked, 30, Revoked),
            (&revoked, 2_000, Revoked),
        ] {
            assert_eq!(session.status(at(seconds)), status, "{seconds}");
            assert_eq!(session.admits(hash(2), at(seconds)), status == Active, "{seconds}");
            assert!(!session.admits(hash(1), at(seconds)), "the token of the link is no cookie");
            assert_eq!(session.admits_link(hash(1), at(seconds)), status == Pending, "{seconds}");
            assert!(!session.admits_link(hash(2), at(seconds)), "the cookie is no token of the link");
        }
    }

    #[test]
    fn a_session_ends_with_the_key_that_its_rights_come_from() {
        use PortalSessionStatus::{Active, Expired, Pending, Revoked};
        let secret = KeySecret::generate(&[7; 64]);
        let key = |status: KeyStatus, expires_at: Option<u64>| ApiKey {
            id: KeyId::new(NOW, [1; 8]),
            hash: secret.hash(),
            organization: OrganizationId::new(NOW, [2; 8]),
            name: Name::parse("n").unwrap(),
            rights: Rights { expires_at: expires_at.map(at), ..Rights::of_role(Role::Owner) },
            preview: secret.preview(),
            status,
            created_at: NOW,
            last_used_at: None,
        };
        let rotating = KeyStatus::Rotating { rotated_at: at(0), grace_expires_at: at(200) };
        let revoked = KeyStatus::Active.revoked(at(50));
        let signed_in = |at| Some((at, hash(2)));
        for (key, signed_in, seconds, status) in [
            (Some(key(KeyStatus::Active, None)), signed_in(at(10)), 999, Active),
            (Some(key(KeyStatus::Active, Some(500))), signed_in(at(10)), 499, Active),
            (Some(key(KeyStatus::Active, Some(500))), signed_in(at(10)), 500, Expired),
            (Some(key(KeyStatus::Active, Some(2_000))), signed_in(at(10)), 1_000, Expired),
            (Some(key(rotating, None)), signed_in(at(10)), 199, Active),
            (Some(key(rotating, None)), signed_in(at(10)), 200, Expired),
            (Some(key(rotating, None)), None, 199, Pending),
            (Some(key(rotating, None)), None, 200, Expired),
            (Some(key(rotating.revoked(at(50)), None)), signed_in(at(10)), 60, Revoked),
            (Some(key(revoked, None)), signed_in(at(10)), 60, Revoked),
            (Some(key(revoked, None)), None, 60, Revoked),
            (None, signed_in(at(10)), 60, Revoked),
        ] {
            let session = PortalSession { signed_in, ..session() }.granted_by(key.as_ref());
            assert_eq!(session.status(at(seconds)), status, "{key:?} {signed_in:?} {seconds}");
        }
        let earlier = PortalSession { revoked_at: Some(at(20)), ..session() };
        assert_eq!(earlier.granted_by(Some(&key(revoked, None))).revoked_at, Some(at(20)));
    }

    #[test]
    fn a_bound_session_has_no_scope_that_concerns_the_organization_as_a_whole() {
        let bound = Binding::to(&[EndpointId::new(NOW, [1; 8])]).unwrap();
        let whole = [Scope::OrganizationWrite, Scope::KeysRead, Scope::KeysWrite, Scope::EventsPublish];
        for role in ROLES {
            let rights = rights(role, &bound, NOW);
            assert!(whole.iter().all(|scope| !rights.scopes.contains(*scope)), "{role:?}");
            assert!(rights.scopes.contains(Scope::EndpointsRead) && rights.binding == bound);
            assert_eq!(super::rights(role, &Binding::default(), NOW).scopes, role.scopes());
        }
    }

    #[test]
    fn a_session_lasts_a_minute_to_a_day() {
        for (seconds, is_valid) in [(-1, false), (59, false), (60, true), (86_400, true), (86_401, false)] {
            assert_eq!(SessionSeconds::new(seconds).is_ok(), is_valid, "{seconds}");
        }
    }

    #[test]
    fn printed_names_are_parsed_to_the_same_value() {
        assert!(Theme::ALL.into_iter().all(|theme| Theme::parse(theme.as_str()) == Some(theme)));
        for tenant in [PortalTenant::Operator, PortalTenant::Organization(OrganizationId::new(NOW, [3; 8]))] {
            assert_eq!(PortalTenant::parse(&tenant.to_string()), Some(tenant));
        }
        assert_eq!(PortalTenant::parse("operators"), None);
    }
}
