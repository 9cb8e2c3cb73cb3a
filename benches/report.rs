//! Results as text and as JSON.

use std::io::Write;

use anyhow::bail;
use serde_json::{Map, Value, json};

/// A table of figures, and the broken promises.
pub(crate) struct Report {
    title: String,
    figures: Vec<(String, Value)>,
    broken: Vec<String>,
    parts: Vec<Report>,
}

impl Report {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), figures: Vec::new(), broken: Vec::new(), parts: Vec::new() }
    }

    /// Combines repeated measurements: the median of each number, and every promise that was broken in any of them.
    pub(crate) fn medians(repeated: Vec<Self>) -> Option<Self> {
        let all: Vec<_> = repeated.iter().map(|report| report.figures.clone()).collect();
        let mut reports = repeated.into_iter();
        let mut first = reports.next()?;
        first.broken.extend(reports.flat_map(|report| report.broken));
        for (index, (_, value)) in first.figures.iter_mut().enumerate() {
            let mut numbers: Vec<_> = all.iter().filter_map(|figures| figures.get(index)?.1.as_f64()).collect();
            numbers.sort_by(f64::total_cmp);
            if let Some(median) = numbers.get(numbers.len() / 2) {
                *value = (*median).into();
            }
        }
        Some(first)
    }

    /// Adds a table as a part.
    pub(crate) fn part(&mut self, part: Self) {
        self.parts.push(part);
    }

    /// Adds a figure. Its name contains the unit.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.push((name.to_owned(), value.into()));
    }

    /// Adds a promise, and whether it was kept.
    pub(crate) fn promise(&mut self, what: &str, kept: bool) {
        if !kept {
            self.broken.push(what.to_owned());
        }
    }

    /// Prints the table.
    pub(crate) fn show(&self) {
        let width = self.figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut lines = format!("{}\n", self.title);
        for (name, value) in &self.figures {
            lines += &format!("  {name:width$}  {}\n", shown(value));
        }
        print(lines.trim_end());
        self.parts.iter().for_each(Self::show);
    }

    /// The figures in one line, as a progress message.
    pub(crate) fn line(&self) -> String {
        let figures: Vec<_> = self.figures.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
        format!("{}: {}", self.title, figures.join("; "))
    }

    /// The report as JSON.
    pub(crate) fn json(&self) -> String {
        format!("{:#}\n", self.value())
    }

    fn value(&self) -> Value {
        let figures: Map<_, _> = self.figures.iter().cloned().collect();
        let parts: Vec<_> = self.parts.iter().map(Self::value).collect();
        json!({"title": self.title, "figures": figures, "broken": self.broken, "parts": parts})
    }

    fn all_broken(&self) -> Vec<String> {
        let own = self.broken.iter().map(|broken| format!("{}: {broken}", self.title));
        own.chain(self.parts.iter().flat_map(Self::all_broken)).collect()
    }

    /// # Errors
    /// If a promise was broken.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        let broken = self.all_broken();
        if broken.is_empty() {
            return Ok(());
        }
        bail!("broken: {}", broken.join("; "))
    }
}

/// Formats a value: strings without quotes, integers without a fraction.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// Prints a line.
pub(crate) fn print(line: &str) {
    // Errors are ignored, because the reader of the output may have ended.
    let _ = writeln!(std::io::stdout(), "{line}");
}
