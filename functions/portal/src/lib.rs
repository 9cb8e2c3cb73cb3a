//! The portal function: the web pages for the people of a tenant, and for operators. It calls the same operations as the API
//! and has no rule of its own.
//!
//! A page is a module in `pages`, of shared parts in `components`, with its texts in `text`. A handler returns a
//! `page::Page` or an error of the API; `page` puts both into the layout and adds the headers.

mod api_body;
mod assets;
mod components;
mod form;
mod page;
mod pages;
mod session;
mod text;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use shared::domain::portal::PortalSettings;
use shared::edge::{RouterState, with_fallbacks, with_layers};
use shared::service::{Access, Administrator};

use assets::Assets;

/// What the handlers share.
#[derive(Debug, Clone)]
struct Portal(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    administrator: Arc<Administrator>,
    assets: Assets,
}

impl Portal {
    fn administrator(&self) -> &Administrator {
        &self.0.administrator
    }

    fn settings(&self) -> &PortalSettings {
        &self.0.administrator.deployment().portal
    }

    fn assets(&self) -> &Assets {
        &self.0.assets
    }
}

impl RouterState for Portal {
    fn access(&self) -> &Access {
        self.0.administrator.access()
    }
}

/// The routes of a module, before they have what handlers share.
type Routes = Router<Portal>;
/// The extractor of what handlers share.
type Shared = State<Portal>;

/// Builds the router with all routes of the function.
pub fn router(administrator: Arc<Administrator>) -> Router {
    let assets = Assets::new(administrator.deployment().portal.accent);
    let portal = Portal(Arc::new(Parts { administrator, assets }));
    let of_sessions = pages::routes().merge(session::sign_out::routes());
    let of_sessions = of_sessions.layer(from_fn_with_state(portal.clone(), session::require));
    let routes = of_sessions.merge(session::sign_in::routes()).merge(assets::routes());
    let routes = with_fallbacks(routes).layer(from_fn_with_state(portal.clone(), page::render));
    with_layers(routes, portal)
}
