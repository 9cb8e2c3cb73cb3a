//! For operators: what reads the whole table or index, which no function may do. Compiled with the feature `operator`.

mod backlog;
mod send_all;

pub use backlog::Backlog;
