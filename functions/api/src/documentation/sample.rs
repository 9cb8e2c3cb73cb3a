//! Samples: JSON built from the examples in the schemas.

use std::fmt::Write as _;

use super::model::{Document, Schema};

/// A sample of a request body.
pub(super) fn request(document: &Document, schema: &Schema) -> String {
    Sample { document, shows_null: false }.over_lines(schema)
}

/// A sample of a response body. Nullable values are null.
pub(super) fn answer(document: &Document, schema: &Schema) -> String {
    Sample { document, shows_null: true }.over_lines(schema)
}

struct Sample<'a> {
    document: &'a Document,
    shows_null: bool,
}

impl Sample<'_> {
    fn over_lines(&self, schema: &Schema) -> String {
        let mut text = String::new();
        self.write(schema, 1, &mut text);
        text
    }

    fn write(&self, schema: &Schema, depth: usize, text: &mut String) {
        if self.shows_null && schema.is_nullable() {
            text.push_str("null");
            return;
        }
        let document = self.document;
        let given = schema.examples.first().or_else(|| schema.unless_null().examples.first());
        let schema = document.resolve(schema);
        let given =
            given.or_else(|| schema.examples.first()).or(schema.default.as_ref()).or_else(|| schema.words.first());
        let fields = document.fields(schema);
        let indent = "  ".repeat(depth);
        let outdent = "  ".repeat(depth - 1);
        if let Some(given) = given {
            let _ = write!(text, "{given}");
        } else if !fields.is_empty() {
            text.push('{');
            for (index, field) in fields.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(text, "{comma}\n{indent}\"{}\": ", field.name);
                self.write(field.schema, depth + 1, text);
            }
            let _ = write!(text, "\n{outdent}}}");
        } else if let Some(items) = &schema.items {
            text.push('[');
            self.write(items, depth, text);
            text.push(']');
        } else {
            text.push_str(match schema.kinds().next() {
                Some("string") => "\"…\"",
                Some("boolean") => "true",
                Some("integer" | "number") => "0",
                _ => "{}",
            });
        }
    }
}
