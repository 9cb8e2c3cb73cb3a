//! The portal: sessions, signing in, and pages, through the real router.

mod assets;
mod forms;
mod headers;
mod routes;
mod sessions;
mod sign_in;
mod tenants;
