//! Requests and responses of the HTTP API: a module for each dialect, and what all dialects share. These types
//! define formats only; the domain types validate values.

pub mod attempt_query;
pub mod body;
pub mod endpoints;
pub mod error;
pub mod field;
pub mod headers;
pub mod hooks;
mod keyed;
pub mod openapi;
pub mod organizations;
pub mod pages;
pub mod query;
pub mod redacted;
pub mod svix;
