//! The catalogue as an OpenAPI document, in which each type is a webhook. The body of a webhook is the request that a
//! receiver gets; its `data` is a component with the type's schema and name.

mod export;
mod import;

pub use export::DocumentWriter;
pub use import::{ImportEffect, Imported, ImportedType, read_document};

/// The value of `object` in a webhook's body, by which its import finds the type's own schema in `data`.
const ENVELOPE: &str = "webhook_event";

#[cfg(test)]
mod tests;
