//! The API: everything that tenants ask for but publishing, in four dialects over the same services.

mod dialects;

use axum::Router;
use shared::edge::{AppState, finish};

/// All routes of the function.
pub fn router(state: AppState) -> Router {
    finish(dialects::organizations::routes(), state)
}
