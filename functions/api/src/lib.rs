//! The API function: all HTTP operations except publishing, in four dialects, and the documentation pages.

mod dialects;
mod documentation;

use axum::Router;
use shared::edge::{AppState, finish};
use shared::wire::openapi::Dialect;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// The OpenAPI descriptions of the function's routes, by dialect.
pub fn operations() -> [(Dialect, OpenApi); 5] {
    [
        (Dialect::Organizations, dialects::organizations::operations()),
        (Dialect::Hooks, dialects::hooks::Operations::openapi()),
        (Dialect::Endpoints, dialects::endpoints::Operations::openapi()),
        (Dialect::Pages, dialects::pages::Operations::openapi()),
        (Dialect::Documentation, documentation::Operations::openapi()),
    ]
}

/// Builds the router with all routes of the function.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .merge(dialects::organizations::routes())
        .merge(dialects::hooks::routes())
        .merge(dialects::endpoints::routes())
        .merge(dialects::pages::routes())
        .merge(documentation::routes());
    finish(routes, state)
}
