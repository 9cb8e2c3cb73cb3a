//! The cookies of the portal.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use shared::domain::portal::token::PortalToken;

/// The names of the session's cookie: on Lambda, and on the local host, which is not encrypted. Browsers accept the prefix
/// `__Host-` only from this host, for all its paths, and encrypted.
const NAMES: [&str; 2] = ["__Host-portal", "portal"];
/// The names of the cookie that shows whether a frame gets cookies.
const PROBES: [&str; 2] = ["__Host-portal-frame", "portal-frame"];

/// Where browsers send the cookies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Whether requests are encrypted.
    pub(crate) is_secure: bool,
    /// Whether pages of other sites may show the portal in a frame.
    pub(crate) is_framed: bool,
}

impl Reach {
    fn name(self, names: [&'static str; 2]) -> &'static str {
        if self.is_secure { names[0] } else { names[1] }
    }

    /// A header that sets a cookie. A frame of another site gets cookies only with `SameSite=None`, which needs `Secure`;
    /// `Partitioned` keeps it apart for each site.
    fn set(self, names: [&'static str; 2], value: &str, max_age_seconds: u64) -> HeaderValue {
        let attributes = match (self.is_secure, self.is_framed) {
            (true, true) => "; Secure; SameSite=None; Partitioned",
            (true, false) => "; Secure; SameSite=Lax",
            (false, _) => "; SameSite=Lax",
        };
        let name = self.name(names);
        let text = format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly{attributes}");
        let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }

    /// A header that sets the session's cookie.
    pub(crate) fn session(self, token: &PortalToken, max_age_seconds: u64) -> HeaderValue {
        self.set(NAMES, &token.reveal(), max_age_seconds)
    }

    /// A header that removes the session's cookie.
    pub(crate) fn no_session(self) -> HeaderValue {
        self.set(NAMES, "", 0)
    }

    /// A header that sets the cookie that shows whether a frame gets cookies.
    pub(crate) fn probe(self) -> HeaderValue {
        self.set(PROBES, "1", 60)
    }
}

/// The token in the session's cookie.
pub(crate) fn read(headers: &HeaderMap) -> Option<PortalToken> {
    values(headers, &NAMES).find_map(PortalToken::parse)
}

/// Whether the request has the cookie of [`Reach::probe`].
pub(crate) fn has_probe(headers: &HeaderMap) -> bool {
    values(headers, &PROBES).next().is_some()
}

fn values<'a>(headers: &'a HeaderMap, names: &'a [&str; 2]) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| names.contains(name)).map(|(_, value)| value)
}
