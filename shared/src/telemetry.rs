//! Logs: one JSON object a line on Lambda, plain text on a laptop.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::fmt;

/// Logs JSON lines to standard output, as Lambda expects them. Never more than `DEBUG`: at `TRACE`
/// the SDK logs whole requests and answers, signing secrets among them.
pub fn start_on_lambda(level: Level) {
    let level = level.min(Level::DEBUG);
    fmt().json().flatten_event(true).with_current_span(false).with_target(false).with_max_level(level).init();
}

/// Logs plain text to standard error.
pub fn start_locally(level: Level) {
    fmt()
        .compact()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .init();
}
