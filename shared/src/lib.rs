//! The library of Pigeonpost's functions and local host. ARCHITECTURE.md describes the modules and their
//! dependencies.

pub mod clock;
mod coalescer;
pub mod config;
pub mod domain;
pub mod edge;
mod parameters;
pub mod queue;
pub mod sender;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod wire;
