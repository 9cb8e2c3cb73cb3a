//! The names under which the host answers, on both of its ports.
//!
//! The page of another site can give its own name the address of this machine (DNS rebinding). For the browser the host is
//! then that site's own server, so the page could read the portal, the table and the queues, and write to them. Its requests
//! have the site's name in the header `Host`, so such requests are refused. An address cannot be given away like a name.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

/// The names of this machine: its own, and the one that containers have for it.
const USUAL: [&str; 2] = ["localhost", "host.docker.internal"];

/// Refuses requests whose header `Host` has another name than the usual ones and these. IP addresses are answered.
pub(crate) fn only_own_names(router: Router, names: Vec<String>) -> Router {
    router.layer(from_fn_with_state(Arc::<[String]>::from(names), check))
}

async fn check(State(names): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_own(host, &names) {
        return next.run(request).await;
    }
    let message =
        "the header Host must have an IP address, localhost, host.docker.internal or the value of the option --name\n";
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}

/// Whether this is an address, a usual name or one of these, with or without a port.
fn is_own(host: &str, names: &[String]) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return matches!(address.parse(), Ok(IpAddr::V6(_)));
    }
    let own = USUAL.into_iter().chain(names.iter().map(String::as_str));
    matches!(name.parse(), Ok(IpAddr::V4(_))) || own.into_iter().any(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_answered_and_names_of_others_are_not() {
        let names = ["pigeonpost.test".to_owned()];
        for (host, expected) in [
            ("localhost", true),
            ("localhost:8080", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8001", true),
            ("192.168.1.7", true),
            ("[::1]:8080", true),
            ("[fe80::1]", true),
            ("host.docker.internal:8001", true),
            ("pigeonpost.test:8080", true),
            ("", false),
            (":8080", false),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:8080", false),
            ("127.0.0.1@evil.example", false),
            ("evil.example@localhost", false),
            ("localhost:8080@evil.example", false),
            ("[evil.example]", false),
            ("::1", false),
        ] {
            assert_eq!(is_own(host, &names), expected, "{host}");
        }
    }
}
