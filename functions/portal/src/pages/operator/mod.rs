//! The operators' pages: all organizations, and the state of the deployment.

mod create;
mod health;
mod list;
mod status;

use axum::Router;
use axum::routing::{get, post};

use super::Section;
use crate::Routes;
use create::{create_organization, new_organization};
use health::read_health;
use list::list_organizations;
use status::{reactivate, suspend};

const PATH: &str = "/portal/operator";

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/operator", get(list_organizations))
        .route("/portal/operator/new", get(new_organization).post(create_organization))
        .route("/portal/operator/health", get(read_health))
        .route("/portal/operator/organizations/{organization}/suspend", post(suspend))
        .route("/portal/operator/organizations/{organization}/reactivate", post(reactivate))
}
