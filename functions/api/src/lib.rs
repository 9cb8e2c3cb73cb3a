//! The API: everything that tenants ask for but publishing, in four dialects over the same services.

mod dialects;

use axum::Router;
use shared::edge::{AppState, finish};
use shared::wire::openapi::Dialect;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// What the OpenAPI document says of the function's routes, by dialect.
pub fn operations() -> [(Dialect, OpenApi); 4] {
    [
        (Dialect::Organizations, dialects::organizations::operations()),
        (Dialect::Hooks, dialects::hooks::Operations::openapi()),
        (Dialect::Endpoints, dialects::endpoints::Operations::openapi()),
        (Dialect::Pages, dialects::pages::Operations::openapi()),
    ]
}

/// All routes of the function.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .merge(dialects::organizations::routes())
        .merge(dialects::hooks::routes())
        .merge(dialects::endpoints::routes())
        .merge(dialects::pages::routes());
    finish(routes, state)
}
