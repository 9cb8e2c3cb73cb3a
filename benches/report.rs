//! What was found, for people and for machines.

use std::io::Write;

use anyhow::bail;
use serde_json::{Map, Value};

/// A table of figures, and what must hold but does not.
pub(crate) struct Report {
    title: String,
    figures: Vec<(String, Value)>,
    broken: Vec<String>,
}

impl Report {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), figures: Vec::new(), broken: Vec::new() }
    }

    /// Adds a figure; units are in its name.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.push((name.to_owned(), value.into()));
    }

    /// Notes a promise, and whether it was kept.
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
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            lines += &format!("  {name:width$}  {value}\n");
        }
        print(lines.trim_end());
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> String {
        let figures: Map<_, _> = self.figures.iter().cloned().collect();
        format!("{:#}\n", serde_json::json!({"title": self.title, "figures": figures, "broken": self.broken}))
    }

    /// # Errors
    /// If a promise was broken.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        if self.broken.is_empty() {
            return Ok(());
        }
        bail!("broken: {}", self.broken.join("; "))
    }
}

/// Prints a line.
pub(crate) fn print(line: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "{line}");
}
