//! Logs and metrics: JSON lines on Lambda; plain text, and no metrics, on a laptop.

pub mod metrics;
mod request;

use std::io::IsTerminal;

use tracing::{Level, Subscriber};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

pub use request::{RequestContext, audit};

/// Logs to standard output, as Lambda expects it, and counts for the deployment of this name.
pub fn start_on_lambda(level: Level, stack: &str) {
    json_lines(level, std::io::stdout).init();
    metrics::start(stack, level);
}

/// Logs a JSON object a line. Never more than `DEBUG`: at `TRACE` the SDK logs whole requests and answers, signing
/// secrets among them.
pub fn json_lines<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level.min(Level::DEBUG);
    let lines = fmt().json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false);
    lines.with_max_level(level).with_writer(writer).finish()
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
