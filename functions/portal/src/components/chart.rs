//! A chart of numbers over time: a bar for each interval, with a part for each outcome.
//!
//! The drawing has presentation attributes and classes only, because the policy forbids inline styles. The texts of the axes
//! are outside of it, so that they keep their size when the drawing is stretched.

use maud::{Markup, html};
use shared::domain::time::Timestamp;

use super::{Tone, time};
use crate::text::{self, chart as words};

/// The height of the drawing, in its own units.
const HEIGHT: u64 = 1_000;
/// The least height of a part that is not zero, so that one failure among thousands of successes is seen.
const LEAST_HEIGHT: u64 = 30;
/// The width that a bar and the gap behind it take.
const STEP: usize = 10;
/// The width of a bar.
const WIDTH: usize = 8;

/// What a part of each bar counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) tone: Tone,
}

/// The numbers of an interval.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// The begin of the interval.
    pub(crate) start: Timestamp,
    /// A number for each series.
    pub(crate) values: Vec<u64>,
}

/// How the begin of an interval is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// As an instant.
    Times,
    /// As a date in UTC.
    Days,
}

/// A chart. The first series is at the bottom.
#[derive(Debug)]
pub(crate) struct Chart<'a> {
    /// What the chart shows, for people who do not see it.
    pub(crate) title: &'a str,
    pub(crate) axis: Axis,
    pub(crate) series: &'a [Series],
    pub(crate) bars: &'a [Bar],
}

impl Chart<'_> {
    /// The chart with a legend, the texts of the axes, and its numbers as a table.
    pub(crate) fn full(&self) -> Markup {
        html! { (self.plain()) (self.numbers()) }
    }

    /// The chart with a legend and the texts of the axes. The page shows its numbers elsewhere.
    pub(crate) fn plain(&self) -> Markup {
        let top = round_up(self.highest());
        html! {
            figure.chart {
                figcaption {
                    ul.legend {
                        @for (index, series) in self.series.iter().enumerate() {
                            li class=(series.tone.class()) { (series.name) " " b { (text::number(self.total(index))) } }
                        }
                    }
                }
                div.plot {
                    span.highest aria-hidden="true" { (text::number(top)) }
                    (self.drawing(top, "bars", true))
                }
                div.axis aria-hidden="true" {
                    @for bar in self.labelled() { (self.start(bar)) }
                }
            }
        }
    }

    /// The drawing alone, for a row of a list. Its title has the sums.
    pub(crate) fn mini(&self) -> Markup {
        self.drawing(self.highest().max(1), "bars mini", false)
    }

    fn drawing(&self, top: u64, class: &str, has_titles: bool) -> Markup {
        let width = (self.bars.len().max(1) * STEP) - (STEP - WIDTH);
        html! {
            svg class=(class) role="img" viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none"
                aria-label=(self.summary()) {
                title { (self.summary()) }
                @for (index, bar) in self.bars.iter().enumerate() {
                    g {
                        @if has_titles { title { (self.describe(bar)) } }
                        // The whole height of the interval shows its numbers on hover.
                        @if has_titles { rect.hover x=(index * STEP) y="0" width=(STEP) height=(HEIGHT) {} }
                        @for (tone, y, height) in parts(bar, self.series, top) {
                            rect class=(tone.class()) x=(index * STEP) y=(y) width=(WIDTH) height=(height) {}
                        }
                    }
                }
                line.base x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) vector-effect="non-scaling-stroke" {}
            }
        }
    }

    /// The numbers as a table that unfolds.
    pub(crate) fn numbers(&self) -> Markup {
        html! {
            details.numbers {
                summary { (words::SHOW_NUMBERS) }
                div.scroll {
                    table {
                        caption.unseen { (self.title) }
                        thead {
                            tr {
                                th scope="col" { (words::FROM) }
                                @for series in self.series { th.number scope="col" { (series.name) } }
                            }
                        }
                        tbody {
                            @for bar in self.bars {
                                tr {
                                    th scope="row" { (self.start(bar)) }
                                    @for value in &bar.values { td.number { (text::number(*value)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn start(&self, bar: &Bar) -> Markup {
        match self.axis {
            Axis::Times => time(bar.start),
            // A day in UTC has no other name in the person's time zone, so the script leaves it alone.
            Axis::Days => html! { span.date { (date(bar.start)) } },
        }
    }

    /// The first bar, one in the middle, and the last.
    fn labelled(&self) -> impl Iterator<Item = &Bar> {
        let last = self.bars.len().saturating_sub(1);
        let mut wanted = vec![0, last / 2, last];
        wanted.dedup();
        wanted.into_iter().filter_map(|index| self.bars.get(index))
    }

    fn summary(&self) -> String {
        let sums = self.series.iter().enumerate();
        let sums: Vec<_> = sums.map(|(index, it)| format!("{} {}", text::number(self.total(index)), it.name)).collect();
        format!("{}: {}", self.title, sums.join(", "))
    }

    fn describe(&self, bar: &Bar) -> String {
        let start = match self.axis {
            Axis::Times => bar.start.rfc3339_seconds().replace('T', " ").replace('Z', " UTC"),
            Axis::Days => date(bar.start),
        };
        let values = self.series.iter().zip(&bar.values);
        let values: Vec<_> = values.map(|(it, value)| format!("{} {}", text::number(*value), it.name)).collect();
        format!("{start}: {}", values.join(", "))
    }

    fn total(&self, series: usize) -> u64 {
        self.bars.iter().filter_map(|bar| bar.values.get(series)).fold(0, |sum, value| sum.saturating_add(*value))
    }

    fn highest(&self) -> u64 {
        self.bars.iter().map(sum).max().unwrap_or_default()
    }
}

fn date(at: Timestamp) -> String {
    at.rfc3339_seconds().chars().take_while(|char| *char != 'T').collect()
}

fn sum(bar: &Bar) -> u64 {
    bar.values.iter().fold(0, |sum, value| sum.saturating_add(*value))
}

/// The parts of a bar, each with its upper edge and its height. Parts never leave the drawing: what small parts take more is
/// taken from the largest.
fn parts(bar: &Bar, series: &[Series], top: u64) -> Vec<(Tone, u64, u64)> {
    let height = |value: u64| {
        let exact = u128::from(value) * u128::from(HEIGHT) / u128::from(top.max(1));
        let exact = u64::try_from(exact).unwrap_or(HEIGHT).min(HEIGHT);
        if value == 0 { 0 } else { exact.max(LEAST_HEIGHT) }
    };
    let mut heights: Vec<_> = bar.values.iter().map(|value| height(*value)).collect();
    let excess = heights.iter().sum::<u64>().saturating_sub(HEIGHT);
    if let Some(largest) = heights.iter_mut().max() {
        *largest -= excess.min(*largest);
    }
    let mut y = HEIGHT;
    let mut found = Vec::new();
    for (series, height) in series.iter().zip(heights) {
        y = y.saturating_sub(height);
        if height > 0 {
            found.push((series.tone, y, height));
        }
    }
    found
}

/// The least of 1, 2, 5, 10, 20, 50 and so on that is not below a number.
fn round_up(number: u64) -> u64 {
    let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
    let round = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor)));
    round.into_iter().find(|round| *round >= number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: [Series; 2] =
        [Series { name: "delivered", tone: Tone::Good }, Series { name: "failed", tone: Tone::Bad }];

    fn bar(hour: i64, values: [u64; 2]) -> Bar {
        Bar { start: Timestamp::from_unix_seconds(1_774_382_400 + hour * 3_600), values: values.to_vec() }
    }

    fn chart(bars: &[Bar]) -> Chart<'_> {
        Chart { title: "Deliveries by hour", axis: Axis::Times, series: &SERIES, bars }
    }

    #[test]
    fn the_scale_ends_at_a_round_number() {
        for (number, round) in [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (499, 500), (501, 1_000)] {
            assert_eq!(round_up(number), round, "{number}");
        }
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_bar_has_a_part_for_each_number_that_is_not_zero() {
        for (values, top, expected) in [
            ([0, 0], 10, vec![]),
            ([5, 0], 10, vec![(Tone::Good, 500, 500)]),
            ([5, 5], 10, vec![(Tone::Good, 500, 500), (Tone::Bad, 0, 500)]),
            ([100_000, 1], 100_000, vec![(Tone::Good, 30, 970), (Tone::Bad, 0, 30)]),
            ([1, 99], 100, vec![(Tone::Good, 970, 30), (Tone::Bad, 0, 970)]),
            ([1, 0], 0, vec![(Tone::Good, 0, 1_000)]),
        ] {
            assert_eq!(parts(&bar(0, values), &SERIES, top), expected, "{values:?} of {top}");
        }
    }

    #[test]
    fn a_chart_says_its_numbers_in_its_title_its_legend_and_its_table() {
        let bars = [bar(0, [1_200, 0]), bar(1, [30, 4]), bar(2, [0, 0])];
        let shown = chart(&bars).full().into_string();
        assert!(shown.contains(r#"role="img""#), "{shown}");
        assert!(shown.contains("<title>Deliveries by hour: 1,230 delivered, 4 failed</title>"), "{shown}");
        assert!(shown.contains("<title>2026-03-24 21:00:00 UTC: 30 delivered, 4 failed</title>"), "{shown}");
        assert!(shown.contains(r#"<span class="highest" aria-hidden="true">2,000</span>"#), "{shown}");
        assert!(shown.contains("<summary>Show numbers</summary>"), "{shown}");
        assert_eq!(shown.matches(r#"<td class="number">"#).count(), 6, "{shown}");
        assert!(!shown.contains(" style="), "{shown}");
    }

    #[test]
    fn the_small_form_is_a_drawing_with_a_title() {
        let shown = chart(&[bar(0, [3, 1])]).mini().into_string();
        assert!(shown.starts_with("<svg class=\"bars mini\" role=\"img\""), "{shown}");
        assert!(shown.contains("<title>Deliveries by hour: 3 delivered, 1 failed</title>"), "{shown}");
        assert!(!shown.contains("<table"), "{shown}");
    }

    #[test]
    fn a_chart_without_bars_is_empty() {
        let shown = chart(&[]).full().into_string();
        assert!(shown.contains("0 delivered, 0 failed") && !shown.contains("<rect"), "{shown}");
    }

    #[test]
    fn days_are_dates_in_utc() {
        let bars = [bar(0, [1, 0])];
        let shown = Chart { axis: Axis::Days, ..chart(&bars) }.full().into_string();
        assert!(shown.contains("2026-03-24") && !shown.contains("<time"), "{shown}");
    }
}
