//! Identifiers of organizations.

use std::fmt;

use uuid::Uuid;

use super::{Random, timestamp_of, uuid_v7};
use crate::domain::Invalid;
use crate::domain::time::Timestamp;

/// The identifier of an organization: either `org_` and 26 lower-case characters of Crockford's alphabet, or a UUID
/// that the caller supplied.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(String);

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The identifier of the platform's own organization. No identifier is generated with these digits, and none can be supplied.
const PLATFORM: &str = "org_00000000000000000000000000";

impl OrganizationId {
    /// The platform's own organization, whose endpoints receive events about all others.
    pub fn platform() -> Self {
        Self(PLATFORM.to_owned())
    }

    /// Whether this is the platform's own organization.
    pub fn is_platform(&self) -> bool {
        self.0 == PLATFORM
    }

    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        let bits = uuid_v7(now, random).as_u128();
        let digits = (0..26).rev().map(|i| char::from(CROCKFORD[(bits >> (5 * i)) as usize & 31]));
        Self(format!("org_{}", digits.collect::<String>()))
    }

    /// Parses a generated identifier or a hyphenated UUID, which is converted to lower case.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let generated = text
            .strip_prefix("org_")
            .is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| CROCKFORD.contains(&b)));
        if generated {
            return Ok(Self(text.to_owned()));
        }
        Self::parse_supplied(text)
    }

    /// Parses an identifier that a caller supplies: a hyphenated UUID.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse_supplied(text: &str) -> Result<Self, Invalid> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 => Ok(Self(uuid.hyphenated().to_string())),
            _ => Err(Invalid::new("must be a UUID such as 550e8400-e29b-41d4-a716-446655440000")),
        }
    }

    /// When a generated identifier was created, to the millisecond; `None` for a supplied one.
    pub fn created_at(&self) -> Option<Timestamp> {
        let digits = self.0.strip_prefix("org_")?.bytes();
        let value = |digit| CROCKFORD.iter().position(|known| *known == digit).and_then(|it| u128::try_from(it).ok());
        let bits = digits.map(value).try_fold(0_u128, |bits, value| Some(bits << 5 | value?))?;
        Some(timestamp_of(Uuid::from_u128(bits)))
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier of the application in the `svix` dialect. That of a supplied identifier contains a UUID.
    pub fn as_svix(&self) -> String {
        format!("app_{}", self.0.strip_prefix("org_").unwrap_or(&self.0))
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_774_382_400_123_456);

    #[test]
    fn organization_ids_are_generated_or_supplied_by_the_caller() {
        let generated = OrganizationId::new(NOW, [9; 8]);
        assert_eq!(OrganizationId::parse(generated.as_str()).unwrap(), generated);
        assert_eq!(generated.as_str().len(), 30);
        assert_eq!(generated.created_at(), Some(NOW.to_millis()));
        let platform = OrganizationId::platform();
        assert_eq!(OrganizationId::parse(platform.as_str()), Ok(platform.clone()));
        assert!(platform.is_platform() && !OrganizationId::new(Timestamp::from_unix_seconds(0), [0; 8]).is_platform());
        let supplied = OrganizationId::parse("550E8400-e29b-41d4-a716-446655440000").unwrap();
        assert_eq!(supplied.as_str(), "550e8400-e29b-41d4-a716-446655440000");
        for text in ["", "org_", "org_ilou0000000000000000000000", "550e8400e29b41d4a716446655440000", "acme", "a#b"] {
            assert!(OrganizationId::parse(text).is_err(), "{text}");
        }
    }
}
