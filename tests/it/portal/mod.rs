//! The portal: sessions, signing in, and pages, through the real router.

mod assets;
mod calls;
mod forms;
mod headers;
mod main_path;
mod markup;
mod rights;
mod routes;
mod sessions;
mod sign_in;
mod signing;
mod tenants;
