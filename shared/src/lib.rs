//! The rooms of Pigeonpost. ARCHITECTURE.md says what lives in each and who may know whom.

pub mod clock;
pub mod config;
pub mod domain;
pub mod edge;
mod gather;
pub mod queue;
pub mod sender;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod wire;
