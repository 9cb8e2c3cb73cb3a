//! Logs and metrics: JSON lines and metrics on Lambda; plain-text logs without metrics on the local host.

pub mod metrics;
mod request;

use std::io::IsTerminal;

use tracing::{Level, Subscriber};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

pub use request::{RequestContext, audit, audit_of_platform};

/// Starts logs and metrics on Lambda: both are written to standard output. `stack` is the name of the deployment.
pub fn start_on_lambda(level: Level, stack: &str) {
    json_lines(level, std::io::stdout).init();
    metrics::start(stack, level);
}

/// A subscriber that writes each event as a line of JSON. The level is limited to `DEBUG`, because at `TRACE` the
/// SDK logs complete requests and responses, including signing secrets.
pub fn json_lines<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level.min(Level::DEBUG);
    let lines = fmt().json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false);
    lines.with_max_level(level).with_writer(writer).finish()
}

/// Starts plain-text logs to standard error.
pub fn start_locally(level: Level) {
    fmt()
        .compact()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .init();
}
