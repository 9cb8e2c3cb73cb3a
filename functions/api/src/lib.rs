//! The API: everything that tenants ask for but publishing, in four dialects over the same services.

mod dialects;

use axum::Router;
use shared::edge::{AppState, finish};

/// All routes of the function.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .merge(dialects::organizations::routes())
        .merge(dialects::hooks::routes())
        .merge(dialects::endpoints::routes())
        .merge(dialects::pages::routes());
    finish(routes, state)
}
