//! A retry schedule as a time line.

use maud::{Markup, html};
use shared::domain::delivery::schedule::RetrySchedule;

use crate::text::endpoint as text;

/// Shows when the attempts of a delivery are made if all of them fail.
pub(super) fn schedule(schedule: &RetrySchedule) -> Markup {
    let retries = schedule.delays().iter().scan(0, |after, delay| {
        *after += u64::from(*delay);
        Some((u64::from(*delay), *after))
    });
    html! {
        ol.steps aria-label=(text::SCHEDULE) {
            li { (text::AT_ONCE) }
            @for (delay, after) in retries {
                li { "+ " (duration(delay)) " " span.muted { (text::after(&duration(after))) } }
            }
        }
    }
}

/// A duration in its two largest units.
fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let parts = units.iter().filter_map(|(size, unit)| {
        let count = rest / size;
        rest %= size;
        (count > 0).then(|| format!("{count} {unit}"))
    });
    let parts: Vec<_> = parts.take(2).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, expected) in [(0, "0 s"), (1, "1 s"), (90, "1 min 30 s"), (3_600, "1 h"), (93_661, "1 d 2 h")] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
