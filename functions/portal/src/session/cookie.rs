//! The cookies of the portal.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use shared::domain::portal::session::PortalTenant;
use shared::domain::portal::token::PortalToken;
use shared::edge::PublicOrigin;

use crate::Portal;

/// The most cookies of a request that are looked at.
const MOST_COOKIES: usize = 100;
/// How long a browser remembers the tenant of its last session, in seconds.
const A_YEAR: u64 = 365 * 24 * 60 * 60;

/// Where browsers send the cookies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Whether requests are encrypted.
    pub(crate) is_secure: bool,
    /// Whether pages of other sites may show the portal in a frame.
    pub(crate) is_framed: bool,
    /// The port of the local host. Browsers send cookies to all ports of a host, and several local hosts may run.
    pub(crate) port: Option<u16>,
}

impl Reach {
    /// The cookies of requests to this origin.
    pub(crate) fn of(portal: &Portal, origin: &PublicOrigin) -> Self {
        let port = origin.port().filter(|_| !origin.is_secure());
        Self { is_secure: origin.is_secure(), is_framed: !portal.settings().origins.is_empty(), port }
    }

    /// The name of the session's cookie. Browsers accept the prefix `__Host-` only from this host, for all its paths, and encrypted;
    /// the local host is not encrypted. A cookie for frames has another name, since browsers keep it beside one that is not for frames.
    fn session_name(self) -> String {
        match (self.is_secure, self.is_framed, self.port) {
            (true, true, _) => "__Host-portal-framed".to_owned(),
            (true, false, _) => "__Host-portal".to_owned(),
            (false, _, Some(port)) => format!("portal-{port}"),
            (false, _, None) => "portal".to_owned(),
        }
    }

    /// The name of the cookie that keeps the tenant of the browser's last session.
    fn last_name(self) -> String {
        format!("{}-last", self.session_name())
    }

    /// The name of the cookie that shows whether a frame gets cookies.
    fn probe_name(self) -> &'static str {
        if self.is_secure { "__Host-portal-frame" } else { "portal-frame" }
    }

    /// A header that sets a cookie. A frame of another site gets cookies only with `SameSite=None`, which needs `Secure`;
    /// `Partitioned` keeps it apart for each site.
    fn set(self, name: &str, value: &str, max_age_seconds: u64) -> HeaderValue {
        let attributes = match (self.is_secure, self.is_framed) {
            (true, true) => "; Secure; SameSite=None; Partitioned",
            (true, false) => "; Secure; SameSite=Lax",
            (false, _) => "; SameSite=Lax",
        };
        let text = format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly{attributes}");
        let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }

    /// A header that sets the session's cookie.
    pub(crate) fn session(self, token: &PortalToken, max_age_seconds: u64) -> HeaderValue {
        self.set(&self.session_name(), &token.reveal(), max_age_seconds)
    }

    /// A header that sets the cookie that keeps the tenant of the session.
    pub(crate) fn last(self, tenant: &PortalTenant) -> HeaderValue {
        self.set(&self.last_name(), &tenant.to_string(), A_YEAR)
    }

    /// A header that removes the session's cookie.
    pub(crate) fn no_session(self) -> HeaderValue {
        self.set(&self.session_name(), "", 0)
    }

    /// A header that sets the cookie that shows whether a frame gets cookies.
    pub(crate) fn probe(self) -> HeaderValue {
        self.set(self.probe_name(), "1", 60)
    }

    /// The token in the session's cookie. Only this name is read: another page of the domain can set cookies of other names.
    pub(crate) fn read(self, headers: &HeaderMap) -> Option<PortalToken> {
        values(headers, &self.session_name()).find_map(|value| PortalToken::parse(&value))
    }

    /// The tenant of the browser's last session. It proves nothing: a person can change cookies.
    pub(crate) fn read_last(self, headers: &HeaderMap) -> Option<PortalTenant> {
        values(headers, &self.last_name()).find_map(|value| PortalTenant::parse(&value))
    }

    /// Whether the request has the cookie of [`Reach::probe`].
    pub(crate) fn has_probe(self, headers: &HeaderMap) -> bool {
        values(headers, self.probe_name()).next().is_some()
    }
}

/// The values of the cookies with this name. Cookies of other applications need not be ASCII.
fn values<'a>(headers: &'a HeaderMap, wanted: &'a str) -> impl Iterator<Item = String> {
    let cookies = headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let pairs = cookies.flat_map(|value| value.split(';').map(str::to_owned).collect::<Vec<_>>()).take(MOST_COOKIES);
    pairs.filter_map(move |pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use shared::domain::ids::PortalSessionId;
    use shared::domain::time::Timestamp;

    use super::*;

    fn token() -> PortalToken {
        let id = PortalSessionId::new(Timestamp::from_unix_seconds(1_774_382_400), [1; 8]);
        PortalToken::new(PortalTenant::Operator, id, &[7; 32])
    }

    fn request(cookies: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(cookies).unwrap())])
    }

    #[test]
    fn a_cookie_has_the_attributes_of_its_reach_and_only_its_name_is_read() {
        let value = token().reveal().to_string();
        let table = [
            (true, false, None, "__Host-portal", "; HttpOnly; Secure; SameSite=Lax"),
            (true, true, None, "__Host-portal-framed", "; HttpOnly; Secure; SameSite=None; Partitioned"),
            (false, false, None, "portal", "; HttpOnly; SameSite=Lax"),
            (false, true, Some(8080), "portal-8080", "; HttpOnly; SameSite=Lax"),
        ];
        for (is_secure, is_framed, port, name, attributes) in table {
            let reach = Reach { is_secure, is_framed, port };
            let header = reach.session(&token(), 60);
            assert_eq!(header.to_str().unwrap(), format!("{name}={value}; Path=/; Max-Age=60{attributes}"));
            assert!(header.is_sensitive());
            for (_, _, _, other, _) in table {
                let found = reach.read(&request(format!("a=b; {other}={value}").as_bytes()));
                assert_eq!(found.is_some(), other == name, "{other} for {name}");
            }
            let last = reach.last(&PortalTenant::Operator);
            assert_eq!(last.to_str().unwrap(), format!("{name}-last=operator; Path=/; Max-Age=31536000{attributes}"));
            let kept = reach.read_last(&request(format!("{name}-last=operator").as_bytes()));
            assert_eq!(kept, Some(PortalTenant::Operator));
        }
    }

    #[test]
    fn cookies_of_other_applications_do_not_matter() {
        let reach = Reach { is_secure: false, is_framed: false, port: None };
        let value = token().reveal().to_string();
        for cookies in [format!("caf\u{e9}=\u{2615}; portal={value}"), format!("portal=x; portal={value}")] {
            assert!(reach.read(&request(cookies.as_bytes())).is_some(), "{cookies}");
        }
        assert!(reach.read(&request(b"portal=; portalx=1")).is_none());
    }
}
