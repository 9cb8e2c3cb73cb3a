//! What strangers say to us over HTTP and what we answer: one file per dialect, and what all of
//! them share. Shapes only; every rule about a value is its domain type's.

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
pub mod unprinted;
