//! The portal: sessions, signing in, and pages, through the real router.

mod access;
mod assets;
mod calls;
mod event_types;
mod events;
mod forms;
mod headers;
mod lambda;
mod main_path;
mod markup;
mod operators;
mod rights;
mod routes;
mod scene;
mod sessions;
mod sign_in;
mod signing;
mod tenants;
mod types;
mod usage;
