//! What API Gateway does: publishing goes to one function, everything else to the other.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::routing::any;

use shared::service::Core;
use tower::ServiceExt as _;

/// All routes of both functions.
pub fn gateway(core: &Arc<Core>) -> Router {
    let (api, publish) = (api::router(Arc::clone(core)), publish::router(Arc::clone(core)));
    let (other, publishing) = (api.clone(), publish);
    let by_method = any(move |mut request: Request| {
        let function = if request.method() == Method::POST { publishing.clone() } else { other.clone() };
        // A function's own route would be taken for a nested one, and named twice in its log.
        request.extensions_mut().remove::<MatchedPath>();
        function.oneshot(request)
    });
    Router::new()
        .route("/v1/organizations/{organization}/events", by_method.clone())
        .route("/v1/organizations/{organization}/events/batch", by_method)
        .fallback_service(api)
}
