//! The portal.

mod sessions;
