//! Metrics, written as log lines in CloudWatch's embedded metric format. Before `start` nothing is counted or
//! written, so the local host writes no metrics.
//!
//! Metrics are of the whole deployment, never of one tenant: CloudWatch charges for each value of a dimension.

use std::io;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing::{Level, error};

use crate::domain::delivery::attempt::Cause;
use crate::domain::time::Timestamp;

const NAMESPACE: &str = "Pigeonpost";
/// The dimension of every metric: the name of the deployment.
const STACK: &str = "Stack";

const ACCEPTED: &str = "Accepted";
const DELIVERED: &str = "Delivered";
const FAILED: &str = "Failed";
const UNREADABLE: &str = "Unreadable";
const UNRECORDED: &str = "Unrecorded";
const UNDECRYPTABLE: &str = "Undecryptable";
const LARGE_FAN_OUTS: &str = "LargeFanOuts";
const COSTLY_FILTERS: &str = "CostlyFilters";
const ATTEMPT_LATENCY: &str = "AttemptLatency";
const END_TO_END_LATENCY: &str = "EndToEndLatency";
const SWEEP_OVERDUE_SECONDS: &str = "SweepOverdueSeconds";
const PARKED: &str = "Parked";
const SUSPENDED_ENDPOINTS: &str = "SuspendedEndpoints";

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Starts counting for the deployment `stack`. Lambda drops lines below the log level and treats a line without a
/// level as `INFO`, so the metrics' lines have exactly the log level.
pub(super) fn start(stack: &str, level: Level) {
    match Builder::new().cloudwatch_namespace(NAMESPACE).with_dimension(STACK, stack.to_owned()).init() {
        Ok(collector) => {
            collector.set_property("level", level.as_str());
            describe();
            let _ = COLLECTOR.set(collector);
        }
        Err(error) => error!(%error, "metrics are not counted"),
    }
}

fn describe() {
    for name in [ACCEPTED, FAILED, UNREADABLE, UNRECORDED, UNDECRYPTABLE, LARGE_FAN_OUTS, COSTLY_FILTERS] {
        describe_counter!(name, Unit::Count, "");
    }
    for name in [ATTEMPT_LATENCY, END_TO_END_LATENCY] {
        describe_histogram!(name, Unit::Milliseconds, "");
    }
    for (name, unit) in [
        (DELIVERED, Unit::Count),
        (SWEEP_OVERDUE_SECONDS, Unit::Seconds),
        (PARKED, Unit::Count),
        (SUSPENDED_ENDPOINTS, Unit::Count),
    ] {
        describe_histogram!(name, unit, "");
    }
}

/// Writes what was counted since the last call to standard output: one line for each set of dimensions, and none if
/// nothing was counted.
pub fn emit(now: Timestamp) {
    let Some(collector) = COLLECTOR.get() else { return };
    if let Err(error) = write(collector, now, &mut io::stdout().lock()) {
        error!(%error, "metrics were not written");
    }
}

fn write(collector: &Collector, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    // Without a timestamp, Lambda would treat the line as `INFO`.
    collector.set_property("timestamp", now.rfc3339()).flush(&mut lines)?;
    out.write_all(&lines)
}

/// Counts accepted events. It also records 0 successful deliveries, so that the alarm has a data point in a minute
/// without deliveries. A counter omits zeros, so deliveries are a distribution.
pub fn accepted(events: usize) {
    counter!(ACCEPTED).increment(number(events).into());
    histogram!(DELIVERED).record(0);
}

/// Records the duration of an attempt that was recorded.
pub fn attempted(took_ms: u32) {
    histogram!(ATTEMPT_LATENCY).record(took_ms);
}

/// Counts a successful delivery, and records the time since its event was published.
pub fn delivered(after: Duration) {
    histogram!(DELIVERED).record(1);
    histogram!(END_TO_END_LATENCY).record(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
}

/// Counts failed attempts, or deliveries that failed without an attempt.
pub fn failed(cause: Cause, count: usize) {
    counter!(FAILED, "Cause" => cause.as_str()).increment(number(count).into());
}

/// Counts a message that cannot be processed: its body is not a task, or its delivery or event cannot be read. The
/// message is received and counted again.
pub fn unreadable() {
    counter!(UNREADABLE).increment(1);
}

/// Counts a record of a delivery that `DynamoDB` rejected as invalid. The message is received and counted again.
pub fn unrecorded() {
    counter!(UNRECORDED).increment(1);
}

/// Counts an attempt that is not made, because the secrets or headers of its endpoint cannot be decrypted: the keys do not
/// fit, cannot be read, or the process has none.
pub fn undecryptable() {
    counter!(UNDECRYPTABLE).increment(1);
}

/// Counts that the targets of an organization were read, in whole or in part, and have more than 4 MB together.
pub fn large_fan_out() {
    counter!(LARGE_FAN_OUTS).increment(1);
}

/// Counts filters whose comparison with an event would have taken too long, so that the event was delivered.
pub fn costly_filters(count: usize) {
    counter!(COSTLY_FILTERS).increment(number(count).into());
}

/// Records how late the most overdue parked delivery was that a run of the sweep found. It is a distribution,
/// because a gauge would be repeated with each line until it is set again, including by runs that did not measure
/// it.
pub fn overdue(latest: Duration) {
    histogram!(SWEEP_OVERDUE_SECONDS).record(u32::try_from(latest.as_secs()).unwrap_or(u32::MAX));
}

/// Records the number of parked deliveries and of suspended endpoints. Zero suspended endpoints are not recorded,
/// so that an idle deployment does not pay for a metric that is always zero.
pub fn backlog(parked: usize, suspended_endpoints: usize) {
    histogram!(PARKED).record(number(parked));
    if suspended_endpoints > 0 {
        histogram!(SUSPENDED_ENDPOINTS).record(number(suspended_endpoints));
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The lines of everything counted so far. This is the only test that starts counting in this process.
    #[test]
    fn each_count_is_written_once_in_a_line_for_each_set_of_dimensions() {
        start("stage", Level::WARN);
        let collector = COLLECTOR.get().unwrap();
        let lines = || {
            let mut text = Vec::new();
            write(collector, Timestamp::from_unix_seconds(1_774_382_400), &mut text).unwrap();
            let mut lines: Vec<Value> =
                String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            // The library sets this field from the system's clock.
            lines.iter_mut().for_each(|line| assert!(line["_aws"]["Timestamp"].take().is_u64()));
            lines
        };
        assert_eq!(lines(), [Value::Null; 0]);

        accepted(3);
        for took in [12, 8] {
            attempted(took);
            delivered(Duration::from_millis(40));
        }
        failed(Cause::Timeout, 1);
        let line = |dimensions: Value, metrics: Value, values: Value| {
            let metrics = metrics.as_array().unwrap().iter().map(|it| json!({"Name": it[0], "Unit": it[1]}));
            let directive =
                json!({"Namespace": "Pigeonpost", "Dimensions": [dimensions], "Metrics": metrics.collect::<Value>()});
            let mut line = json!({
                "_aws": {"Timestamp": null, "CloudWatchMetrics": [directive]},
                "Stack": "stage", "level": "WARN", "timestamp": "2026-03-24T20:00:00.000Z",
            });
            line.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
            line
        };
        let (count, ms) = ("Count", "Milliseconds");
        let counted =
            json!([["Accepted", count], ["AttemptLatency", ms], ["Delivered", count], ["EndToEndLatency", ms]]);
        let values = json!({
            "Accepted": 3, "AttemptLatency": [12.0, 8.0], "Delivered": [0.0, 1.0, 1.0], "EndToEndLatency": [40.0, 40.0],
        });
        assert_eq!(
            lines(),
            [
                line(json!(["Stack"]), counted, values),
                line(json!(["Stack", "Cause"]), json!([["Failed", count]]), json!({"Failed": 1, "Cause": "timeout"})),
            ]
        );
        assert_eq!(lines(), [Value::Null; 0], "what was written is not written again");

        overdue(Duration::from_millis(61_900));
        backlog(0, 0);
        let found = json!([["Parked", count], ["SweepOverdueSeconds", "Seconds"]]);
        let values = json!({"Parked": [0.0], "SweepOverdueSeconds": [61.0]});
        assert_eq!(lines(), [line(json!(["Stack"]), found, values)]);
        backlog(5, 2);
        let found = json!([["Parked", count], ["SuspendedEndpoints", count]]);
        assert_eq!(lines(), [line(json!(["Stack"]), found, json!({"Parked": [5.0], "SuspendedEndpoints": [2.0]}))]);
    }
}
