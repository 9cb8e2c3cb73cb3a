//! The API function: all HTTP operations except publishing, in five dialects, and the documentation pages.

mod dialects;
mod documentation;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use shared::edge::finish;
use shared::service::Administrator;
use shared::wire::openapi::Dialect;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// The routes of a module, before they have the operations.
type Routes = Router<Arc<Administrator>>;
/// The extractor of the operations.
type Api = State<Arc<Administrator>>;

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

/// The OpenAPI description of the routes of the `svix` dialect, which has a document of its own.
pub fn svix_operations() -> OpenApi {
    dialects::svix::operations()
}

/// Builds the router with all routes of the function.
pub fn router(administrator: Arc<Administrator>) -> Router {
    let routes = Router::new()
        .merge(dialects::organizations::routes())
        .merge(dialects::hooks::routes())
        .merge(dialects::endpoints::routes())
        .merge(dialects::pages::routes())
        .merge(dialects::svix::routes(&administrator))
        .merge(documentation::routes());
    finish(routes, administrator)
}
