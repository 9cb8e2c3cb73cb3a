//! The layer that delays publish requests.

use std::hash::BuildHasher;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use shared::telemetry::RequestContext;

use super::{LONGEST_WAIT, OF_ORGANIZATION, Pace};

/// Adds the delay of publish requests to the routes.
pub(crate) fn at_pace_of_queue(routes: Router, pace: Arc<Pace>) -> Router {
    routes.layer(from_fn_with_state(pace, pass))
}

async fn pass(State(pace): State<Arc<Pace>>, request: Request, next: Next) -> Response {
    let Some(name) = publisher(&request) else { return next.run(request).await };
    let credentials = pace.hasher.hash_one(request.headers().get(AUTHORIZATION));
    let publishing = pace.enter(name, credentials);
    publishing.wait(LONGEST_WAIT).await;
    let under_way = publishing.begin();
    let response = next.run(request).await;
    drop(under_way);
    let organization = response.extensions().get::<RequestContext>().and_then(RequestContext::organization);
    if let Some(organization) = organization.filter(|_| response.status().is_success()) {
        pace.name(&publishing.caller.0, organization);
    }
    publishing.learn();
    response
}

/// The beginning of a publish request's path, which ends with the name of an organization. It is `None` for other
/// requests.
fn publisher(request: &Request) -> Option<&str> {
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let (prefix, suffixes) = match path {
        _ if path.starts_with(OF_ORGANIZATION) => (OF_ORGANIZATION, &["/events", "/events/batch"][..]),
        _ => ("/api/v1/app/", &["/msg"][..]),
    };
    let is_name = |path: &&str| path.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.contains('/'));
    let name = suffixes.iter().find_map(|suffix| path.strip_suffix(suffix).filter(is_name));
    name.filter(|_| request.method() == Method::POST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_publish_requests_wait() {
        for (method, path, expected) in [
            (Method::POST, "/v1/organizations/o/events", Some("/v1/organizations/o")),
            (Method::POST, "/v1/organizations/ext:o/events/batch", Some("/v1/organizations/ext:o")),
            (Method::POST, "/api/v1/app/o/msg", Some("/api/v1/app/o")),
            (Method::POST, "/api/v1/app/o/msg/", Some("/api/v1/app/o")),
            (Method::GET, "/api/v1/app/o/msg", None),
            (Method::POST, "/api/v1/app/o/endpoint", None),
            (Method::POST, "/api/v1/app/o/msg/m/expunge-all-contents", None),
            (Method::GET, "/v1/organizations/o/events", None),
            (Method::POST, "/v1/organizations/o/webhooks/endpoints", None),
            (Method::POST, "/v1/organizations/o/webhooks/events", None),
        ] {
            let request = axum::http::Request::builder().method(method).uri(path).body(axum::body::Body::empty());
            assert_eq!(publisher(&request.unwrap()), expected, "{path}");
        }
    }
}
