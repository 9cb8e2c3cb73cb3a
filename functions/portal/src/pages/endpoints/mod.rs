//! Endpoints: the list, creating one, and the pages of one.

mod create;
mod deliveries;
mod frame;
mod list;
mod overview;
mod remove;
mod replay;
mod schedule;
mod settings;
mod settings_form;
mod signing;
mod snippets;
mod state;
mod test;
mod type_tree;

use axum::Router;

use crate::Routes;

pub(super) fn routes() -> Routes {
    Router::new()
        .merge(list::routes())
        .merge(create::routes())
        .merge(overview::routes())
        .merge(deliveries::routes())
        .merge(test::routes())
        .merge(state::routes())
        .merge(remove::routes())
        .merge(settings::routes())
        .merge(signing::routes())
        .merge(replay::routes())
}
