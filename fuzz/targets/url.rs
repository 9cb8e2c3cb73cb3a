//! An accepted URL uses HTTP or HTTPS, has a host that may be public, and is accepted again in its normalized form.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use pigeonpost_fuzz::is_certainly_not_public;
use shared::domain::endpoint::url::{EndpointUrl, UrlPolicy};

fuzz_target!(|text: &str| {
    let strict = UrlPolicy::default();
    let with_http = UrlPolicy { allow_http: true, ..UrlPolicy::default() };
    let Ok(url) = EndpointUrl::parse(text, &with_http) else {
        assert!(EndpointUrl::parse(text, &strict).is_err());
        return;
    };
    assert_eq!(EndpointUrl::parse(text, &strict).is_ok(), url.as_str().starts_with("https://"));
    assert!(url.as_str().starts_with("http"));
    // No part of the text was dropped or reinterpreted.
    let (scheme, rest) = text.split_once("://").expect("an accepted URL contains ://");
    assert!(url.as_str().starts_with(&format!("{}://", scheme.to_ascii_lowercase())));
    assert!(!rest.starts_with(['/', '?', '#', ':', '@']));
    assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\'));
    assert!(url.as_str().starts_with(&url.origin()));
    assert!(!url.host().is_empty());
    assert_eq!(EndpointUrl::parse(url.as_str(), &with_http).as_ref(), Ok(&url));
    assert_eq!(EndpointUrl::stored(url.as_str()).as_ref(), Ok(&url));
    match url.literal_address() {
        Some(address) => assert!(!is_certainly_not_public(address), "{address}"),
        // If the host is not treated as an address, no other implementation may parse it as one.
        None => assert!(url.host().trim_matches(['[', ']', '.']).parse::<IpAddr>().is_err(), "{}", url.host()),
    }
});
