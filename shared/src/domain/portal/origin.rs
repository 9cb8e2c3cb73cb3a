//! Origins of the platform's own pages, and links back to them.

use std::fmt;

use url::Url;

use crate::domain::Invalid;

/// Most origins of a deployment.
const MAX_ORIGINS: usize = 20;
/// Most characters of a link back.
const MAX_URL_CHARS: usize = 2_048;

/// The origin of an `https` page: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalOrigin(String);

impl PortalOrigin {
    /// Parses an origin such as `https://app.example.com` or `https://app.example.com:8443`.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("must be origins such as https://app.example.com, separated by commas");
        let authority = text.strip_prefix("https://").ok_or_else(invalid)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let of_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(of_label) && !label.starts_with('-') && !label.ends_with('-')
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
        if !host.split('.').all(is_label) || !port.is_none_or(is_port) {
            return Err(invalid());
        }
        // An origin does not name the default port.
        Ok(Self(format!("https://{}", authority.strip_suffix(":443").unwrap_or(authority))))
    }

    /// Parses a list of origins, separated by commas. An empty text has none.
    ///
    /// # Errors
    /// [`Invalid`] if one of them is not an origin, or if there are more than 20.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, Invalid> {
        let origins = text.split(',').filter(|_| !text.is_empty()).map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if origins.len() > MAX_ORIGINS {
            return Err(Invalid::new(format!("must be at most {MAX_ORIGINS} origins")));
        }
        Ok(origins)
    }
}

impl fmt::Display for PortalOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the portal's link back leads. The query may contain a credential, so `Debug` prints only the origin.
#[derive(Clone, PartialEq, Eq)]
pub struct ReturnUrl(Url);

impl ReturnUrl {
    /// Parses a link back whose origin is one of these.
    ///
    /// # Errors
    /// [`Invalid`] for anything but an `https` URL of such an origin without user name and password.
    pub fn parse(text: &str, origins: &[PortalOrigin]) -> Result<Self, Invalid> {
        let too_long = || Invalid::new(format!("must be at most {MAX_URL_CHARS} characters, percent-encoded"));
        if text.len() > MAX_URL_CHARS {
            return Err(too_long());
        }
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "https");
        let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
        let url = url.ok_or_else(|| Invalid::new("must be an https URL without user name and password"))?;
        let url = Self(url);
        if !url.is_allowed(origins) {
            return Err(Invalid::new("must have an origin of the deployment's setting PortalOrigins"));
        }
        // Characters that are not ASCII take up to nine times as much when they are encoded.
        if url.as_str().len() > MAX_URL_CHARS {
            return Err(too_long());
        }
        Ok(url)
    }

    /// Parses a link back that was accepted earlier, without checking its origin.
    ///
    /// # Errors
    /// [`Invalid`] if the text is not a URL.
    pub fn stored(text: &str) -> Result<Self, Invalid> {
        Url::parse(text).map(Self).map_err(|error| Invalid::new(error.to_string()))
    }

    /// Whether the link leads to one of these origins. An origin may have been removed since the link was accepted.
    pub fn is_allowed(&self, origins: &[PortalOrigin]) -> bool {
        let own = self.0.origin().ascii_serialization();
        origins.iter().any(|allowed| allowed.0 == own)
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host that the link leads to.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Debug for ReturnUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReturnUrl({}/…)", self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_https_with_a_host_and_perhaps_a_port() {
        for (text, expected) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("https://app.example.com:8443", Some("https://app.example.com:8443")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("https://localhost", Some("https://localhost")),
            ("http://app.example.com", None),
            ("https://app.example.com/", None),
            ("https://app.example.com;script-src", None),
            ("https://*.example.com", None),
            ("https://App.example.com", None),
            ("https://-a.example.com", None),
            ("https://a..b", None),
            ("https://a:0", None),
            ("https://a:65536", None),
            ("https://a:080", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(PortalOrigin::parse(text).ok().map(|origin| origin.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_list_has_up_to_twenty_origins() {
        let of = |count: usize| vec!["https://a.example"; count].join(",");
        for (text, expected) in [(String::new(), Some(0)), (of(1), Some(1)), (of(20), Some(20)), (of(21), None)] {
            assert_eq!(PortalOrigin::parse_list(&text).ok().map(|origins| origins.len()), expected, "{text}");
        }
        assert!(PortalOrigin::parse_list("https://a.example,").is_err());
    }

    #[test]
    fn a_link_back_leads_to_an_allowed_origin() {
        let origins = PortalOrigin::parse_list("https://app.example.com,https://b.example:8443").unwrap();
        for (text, allowed) in [
            ("https://app.example.com/settings?tab=webhooks", true),
            ("https://app.example.com:443/", true),
            ("https://b.example:8443/", true),
            ("https://b.example/", false),
            ("https://app.example.com.evil.example/", false),
            ("https://app.example.com@evil.example/", false),
            ("https://user:pass@app.example.com/", false),
            ("http://app.example.com/", false),
            ("javascript:alert(1)", false),
            ("/settings", false),
        ] {
            assert_eq!(ReturnUrl::parse(text, &origins).is_ok(), allowed, "{text}");
        }
        let long = |query: &str, count: usize| format!("https://app.example.com/?{}", query.repeat(count));
        for (text, allowed) in
            [(long("a", 2_000), true), (long("a", 2_100), false), (long("é", 300), true), (long("é", 400), false)]
        {
            assert_eq!(ReturnUrl::parse(&text, &origins).is_ok(), allowed, "{} bytes", text.len());
        }
        let url = ReturnUrl::parse("https://app.example.com/?key=secret", &origins).unwrap();
        assert!(url.is_allowed(&origins) && !url.is_allowed(&origins[1..]), "the origin was removed");
        assert_eq!(format!("{url:?}"), "ReturnUrl(https://app.example.com/…)");
    }
}
