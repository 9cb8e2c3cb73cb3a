//! The URL of an endpoint. A URL is accepted exactly as it is written, or rejected with the reason.

use std::fmt;
use std::net::IpAddr;

use url::{Host, ParseError, Url};

use crate::domain::Invalid;
use crate::domain::network::AddressPolicy;

/// Where an endpoint's deliveries go. Path and query may contain a credential, so `Debug` prints only scheme and
/// host.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({}://{}/…)", self.0.scheme(), self.host())
    }
}

/// Which URLs a deployment accepts.
#[derive(Debug, Clone, Default)]
pub struct UrlPolicy {
    /// Whether `http` is accepted as well as `https`.
    pub allow_http: bool,
    /// Which literal addresses are accepted.
    pub addresses: AddressPolicy,
}

const MAX_URL_CHARS: usize = 2_048;

impl EndpointUrl {
    /// Parses a URL under a deployment's policy.
    ///
    /// # Errors
    /// [`Invalid`] if it is too long, is not written as `scheme://host…`, is not `https`, has user info or a
    /// fragment, or has a literal address that deliveries may not connect to.
    pub fn parse(text: &str, policy: &UrlPolicy) -> Result<Self, Invalid> {
        if text.chars().count() > MAX_URL_CHARS {
            return Err(Invalid::new(format!("must be at most {MAX_URL_CHARS} characters")));
        }
        check_spelling(text, policy.allow_http)?;
        let url = Url::parse(text).map_err(|error| Invalid::new(what_is_wrong(error)))?;
        // Percent-encoding makes a URL longer. The URL that the API shows must be accepted as input.
        if url.as_str().len() > MAX_URL_CHARS {
            return Err(Invalid::new(format!("must be at most {MAX_URL_CHARS} characters when it is percent-encoded")));
        }
        if let Some(Host::Domain(host)) = url.host() {
            check_host(host, |_| false)?;
        }
        if url.port() == Some(0) {
            return Err(Invalid::new(BAD_PORT));
        }
        let url = Self(url);
        match url.literal_address() {
            Some(address) if !policy.addresses.allows(address) => {
                Err(Invalid::new("must not point to a private or reserved address"))
            }
            _ => Ok(url),
        }
    }

    /// Parses a URL that was accepted earlier, without checking the policy.
    ///
    /// # Errors
    /// [`Invalid`] if the text is not a URL.
    pub fn stored(text: &str) -> Result<Self, Invalid> {
        Url::parse(text).map(Self).map_err(|e| Invalid::new(e.to_string()))
    }

    /// The parsed URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port, without the parts that may contain a credential: `https://example.com:8443`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The host in its parsed form.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address, if the host is an IP address in any notation.
    pub fn literal_address(&self) -> Option<IpAddr> {
        match self.0.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        }
    }
}

const BAD_PORT: &str = "must have a port from 1 to 65535 after the colon";

/// Rejects text that the WHATWG parser would change to a different URL.
fn check_spelling(text: &str, allow_http: bool) -> Result<(), Invalid> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Invalid::new("must not contain whitespace or control characters"));
    }
    if text.contains('\\') {
        return Err(Invalid::new("must not contain a backslash"));
    }
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    if !(scheme.eq_ignore_ascii_case("https") || allow_http && scheme.eq_ignore_ascii_case("http")) {
        return Err(Invalid::new(if allow_http { "must be an http or https URL" } else { "must be an https URL" }));
    }
    let rest = rest.strip_prefix("//").ok_or_else(|| Invalid::new(format!("must have // after {scheme}:")))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Invalid::new("must not contain a user name or password"));
    }
    if text.contains('#') {
        return Err(Invalid::new("must not contain a fragment"));
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(Invalid::new("must have a host"));
    }
    if authority.ends_with(':') {
        return Err(Invalid::new(BAD_PORT));
    }
    // Characters that are not ASCII or that are percent-encoded are checked after the parser has decoded them.
    let host = if authority.starts_with('[') { "" } else { authority.split(':').next().unwrap_or_default() };
    check_host(host, |c| !c.is_ascii() || c == '%')
}

/// Rejects a host with characters that host names do not have, or with an empty label. The WHATWG parser accepts
/// more characters, and decoding creates others: it decodes `\u{2476}` to `(3)`. It reads `.127.0.0.1` as a name,
/// while other parsers may read it as an address.
fn check_host(host: &str, is_judged_later: impl Fn(char) -> bool) -> Result<(), Invalid> {
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match host.chars().find(|c| !is_of_names(*c) && !is_judged_later(*c)) {
        Some(character) => Err(Invalid::new(format!("must not have {character:?} in its host"))),
        // A trailing dot denotes the DNS root.
        None if !host.is_empty() && host.strip_suffix('.').unwrap_or(host).split('.').any(str::is_empty) => {
            Err(Invalid::new("must not have an empty label in its host: two dots in a row, or one at its start"))
        }
        None => Ok(()),
    }
}

/// The reason for a parser error, as a phrase that follows the field's name.
fn what_is_wrong(error: ParseError) -> String {
    match error {
        ParseError::InvalidPort => BAD_PORT.to_owned(),
        ParseError::EmptyHost => "must have a host".to_owned(),
        ParseError::InvalidIpv4Address => "must have a valid IPv4 address as its host".to_owned(),
        ParseError::InvalidIpv6Address => "must have a valid IPv6 address between its brackets".to_owned(),
        ParseError::InvalidDomainCharacter | ParseError::IdnaError => {
            "must have a host that is a valid domain name".to_owned()
        }
        other => format!("must be a valid URL: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_https_and_public() {
        let policy = UrlPolicy::default();
        let long = format!("https://example.com/{}", "x".repeat(2_028));
        let table = [
            ("https://example.com/webhook?x=1", true),
            ("https://8.8.8.8/", true),
            ("https://[2606:4700::1111]/", true),
            (long.as_str(), true),
            (&format!("{long}x"), false),
            (&format!("https://example.com/{}", "é".repeat(338)), true),
            (&format!("https://example.com/{}", "é".repeat(339)), false),
            ("http://example.com/", false),
            ("ftp://example.com/", false),
            ("example.com", false),
            ("https://", false),
            ("", false),
            ("https://user@example.com/", false),
            ("https://:pw@example.com/", false),
            ("https://example.com/#top", false),
            ("https://127.0.0.1/", false),
            ("https://2130706433/", false),
            ("https://0x7f.1/", false),
            ("https://0177.0.0.1/", false),
            ("https://127.1/", false),
            ("https://127.0.0.1./", false),
            ("https://①②⑦.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:127.0.0.1]/", false),
            ("https://[64:ff9b::7f00:1]/", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("https://[fe80::1%25eth0]/", false),
        ];
        for (text, allowed) in table {
            assert_eq!(EndpointUrl::parse(text, &policy).is_ok(), allowed, "{text}");
        }
        let local = UrlPolicy { allow_http: true, addresses: AddressPolicy::parse("127.0.0.0/8").unwrap() };
        assert!(EndpointUrl::parse("http://127.0.0.1:8080/", &local).is_ok());
        assert!(EndpointUrl::parse("http://10.0.0.1/", &local).is_err());
    }

    #[test]
    fn a_url_is_accepted_only_as_it_is_written_and_the_error_states_the_reason() {
        let whitespace = "must not contain whitespace or control characters";
        let empty_label = "must not have an empty label in its host: two dots in a row, or one at its start";
        let table = [
            ("https:///x", "must have a host"),
            ("https://", "must have a host"),
            ("https:////example.com/", "must have a host"),
            ("https://?x", "must have a host"),
            ("https://:443/", "must have a host"),
            ("https:example.com/x", "must have // after https:"),
            ("https:/example.com/x", "must have // after https:"),
            ("https:\\\\example.com\\x", "must not contain a backslash"),
            ("https://example.com\\x", "must not contain a backslash"),
            ("https://example.com/a\\b", "must not contain a backslash"),
            ("https://exam\tple.com/", whitespace),
            ("https://example.com/a\nb", whitespace),
            ("ht\ntps://example.com/", whitespace),
            (" https://example.com/", whitespace),
            ("https://example.com/ ", whitespace),
            ("https://example.com/a b", whitespace),
            ("https://example.com/\u{0}", whitespace),
            ("https://example.com/\u{7f}", whitespace),
            ("https://example.com/\u{85}", whitespace),
            ("https://example.com/\u{3000}", whitespace),
            ("https://example.com:99999/", BAD_PORT),
            ("https://example.com:x/", BAD_PORT),
            ("https://example.com:/", BAD_PORT),
            ("https://example.com:0/", BAD_PORT),
            ("https://exam<ple.com/", "must not have '<' in its host"),
            ("https://ex%3cmple.com/", "must have a host that is a valid domain name"),
            ("https://p\u{2460}\u{2476}\u{301c}/", "must not have '(' in its host"),
            ("https://*.example.com/", "must not have '*' in its host"),
            ("https://.example.com/", empty_label),
            ("https://example..com/", empty_label),
            ("https://example.com../", empty_label),
            ("https://./", empty_label),
            ("https://..0.0.0.0.../", empty_label),
            ("https://\u{3002}\u{3002}0.0\u{3002}0.0.../", empty_label),
            ("https://.127.0.0.1/", empty_label),
            ("https://{host}/", "must not have '{' in its host"),
            ("https://256.0.0.1/", "must have a valid IPv4 address as its host"),
            ("https://[::1/", "must have a valid IPv6 address between its brackets"),
            ("https://[::g]/", "must have a valid IPv6 address between its brackets"),
            ("https://xn--a/", "must have a host that is a valid domain name"),
            ("https://a:b@example.com/", "must not contain a user name or password"),
            ("https://@example.com/", "must not contain a user name or password"),
            ("https://example.com/#", "must not contain a fragment"),
            ("http://example.com/", "must be an https URL"),
            ("//example.com/", "must be an https URL"),
            ("example.com", "must be an https URL"),
        ];
        for (text, expected) in table {
            let refusal = EndpointUrl::parse(text, &UrlPolicy::default()).unwrap_err();
            assert_eq!(refusal.0, expected, "{text:?}");
        }
        for (text, shown) in [
            ("HTTPS://Example.COM", "https://example.com/"),
            ("https://example.com./", "https://example.com./"),
            ("https://b\u{fc}cher.example/\u{e9}?a=b@c:d", "https://xn--bcher-kva.example/%C3%A9?a=b@c:d"),
            ("https://example.com:8443/a//b?x=https://y", "https://example.com:8443/a//b?x=https://y"),
        ] {
            assert_eq!(EndpointUrl::parse(text, &UrlPolicy::default()).unwrap().as_str(), shown);
        }
    }

    #[test]
    fn the_origin_of_a_url_has_neither_path_nor_query() {
        for (text, origin) in [
            ("https://example.com/hooks/secret?token=x", "https://example.com"),
            ("https://example.com:8443/secret", "https://example.com:8443"),
            ("https://[2606:4700::1111]/secret", "https://[2606:4700::1111]"),
        ] {
            assert_eq!(EndpointUrl::parse(text, &UrlPolicy::default()).unwrap().origin(), origin);
        }
    }
}
