//! One thin module per dialect: routes, and which verb each calls.

pub(crate) mod organizations;
