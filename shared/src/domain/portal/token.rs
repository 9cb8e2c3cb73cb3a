//! The secrets of a portal session: the token of its link, and the value of its cookie. Only their SHA-256 is stored.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::session::PortalTenant;
use crate::domain::ids::PortalSessionId;

/// The length of a secret in hex digits: 256 bits.
const SECRET_DIGITS: usize = 64;

/// A text that proves a session: `<tenant>.<session>.<secret>`. The same format serves the link and the cookie, with
/// different secrets. `Debug` is redacted, and the memory is cleared when it is dropped.
#[derive(Clone)]
pub struct PortalToken {
    /// The tenant of the session.
    pub tenant: PortalTenant,
    /// The session.
    pub session: PortalSessionId,
    secret: Zeroizing<String>,
}

impl PortalToken {
    /// A token with this secret.
    pub fn new(tenant: PortalTenant, session: PortalSessionId, secret: &[u8; 32]) -> Self {
        Self { tenant, session, secret: Zeroizing::new(hex::encode(secret)) }
    }

    /// Parses a token that somebody presented; `None` if its format is another.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (tenant, session, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if parts.next().is_some() || secret.len() != SECRET_DIGITS || !secret.bytes().all(lower_hex) {
            return None;
        }
        Some(Self {
            tenant: PortalTenant::parse(tenant)?,
            session: PortalSessionId::parse(session).ok()?,
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    /// The text of the token.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}.{}", self.tenant, self.session, *self.secret))
    }

    /// The hash by which the token is stored.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.reveal().as_bytes()).into())
    }

    /// The token of the forms of the session whose cookie this is. It does not reveal the cookie.
    pub fn form_token(&self) -> String {
        let digest = Sha256::new().chain_update("form:").chain_update(self.reveal().as_bytes()).finalize();
        hex::encode(digest)
    }

    /// Whether this is the token of the session's forms.
    pub fn is_form_token(&self, presented: &str) -> bool {
        self.form_token().as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl fmt::Debug for PortalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortalToken({}…)", self.session)
    }
}

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Parses 64 hex digits; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// Compares in constant time.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::OrganizationId;
    use crate::domain::time::Timestamp;

    fn token() -> PortalToken {
        let now = Timestamp::from_unix_seconds(1_774_382_400);
        let tenant = PortalTenant::Organization(OrganizationId::new(now, [1; 8]));
        PortalToken::new(tenant, PortalSessionId::new(now, [2; 8]), &[7; 32])
    }

    #[test]
    fn a_token_is_read_back_and_never_printed() {
        let token = token();
        let read = PortalToken::parse(&token.reveal()).unwrap();
        assert_eq!((read.hash(), read.session, &read.tenant), (token.hash(), token.session, &token.tenant));
        assert_eq!(TokenHash::parse(&token.hash().to_string()), Some(token.hash()));
        assert!(!format!("{token:?}").contains("0707"));
        let operator = PortalToken::new(PortalTenant::Operator, token.session, &[7; 32]);
        assert_eq!(PortalToken::parse(&operator.reveal()).unwrap().tenant, PortalTenant::Operator);
        assert_ne!(operator.hash(), token.hash(), "the tenant is a part of what is hashed");
    }

    #[test]
    fn texts_of_other_formats_are_no_tokens() {
        let text = token().reveal().to_string();
        let upper = text.to_uppercase();
        let longer = format!("{text}0");
        let more = format!("{text}.0");
        for text in ["", ".", "..", "a.b.c", &text[..text.len() - 1], &longer, &more, &upper, &text[4..]] {
            assert!(PortalToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_form_token_belongs_to_one_cookie() {
        let (own, other) = (token(), PortalToken::new(PortalTenant::Operator, token().session, &[8; 32]));
        assert!(own.is_form_token(&own.form_token()));
        assert!(!own.is_form_token(&other.form_token()) && !own.is_form_token(""));
        assert!(!own.is_form_token(&own.hash().to_string()), "the stored hash is not the token of forms");
    }
}
