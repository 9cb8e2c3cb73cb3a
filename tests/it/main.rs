//! The whole system in one process.

mod openapi;
