//! The headers of every response.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use shared::domain::portal::PortalSettings;
use shared::domain::portal::origin::PortalOrigin;

/// Adds the headers that limit what a page may load and who may show it. Only assets may be stored.
pub(super) fn add(settings: &PortalSettings, is_secure: bool, headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` browsers would send `Origin: null` with the portal's own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_secure {
        // Somebody in the network could otherwise set cookies of other names for this domain.
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    if settings.origins.is_empty() {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    // A file that is downloaded has a stricter one.
    if let Ok(policy) = HeaderValue::from_str(&policy(settings)) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn policy(settings: &PortalSettings) -> String {
    let ancestors = match settings.origins.as_slice() {
        [] => "'none'".to_owned(),
        origins => origins.iter().map(PortalOrigin::to_string).collect::<Vec<_>>().join(" "),
    };
    let logo = settings.logo.as_ref().map(|logo| format!(" {}", logo.origin())).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{logo}; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    )
}
