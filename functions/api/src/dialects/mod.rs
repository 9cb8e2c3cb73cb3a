//! One thin module per dialect: routes, and which verb each calls.

pub(crate) mod endpoints;
pub(crate) mod hooks;
pub(crate) mod organizations;
pub(crate) mod pages;
