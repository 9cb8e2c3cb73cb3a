//! Tables of schemas and data.

mod drafts;
mod hostile;
mod keywords;
mod limits;
mod references;
mod violations;

use super::{LIMIT, Schema, SchemaError, Violation};

fn schema(text: &str) -> Schema {
    Schema::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> SchemaError {
    match Schema::compile(text) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => error,
    }
}

fn violations(schema_text: &str, data: &str) -> Vec<Violation> {
    schema(schema_text).validate_text(data).unwrap_err()
}

/// Asserts that the schema accepts the first data and refuses the second.
fn check_table(draft: &str, table: &[(&str, &[&str], &[&str])]) {
    for (text, valid, invalid) in table {
        let text = match text.strip_prefix('{') {
            Some(rest) if !draft.is_empty() => {
                format!(r#"{{"$schema":"{draft}"{}{rest}"#, if rest == "}" { "" } else { "," })
            }
            _ => (*text).to_owned(),
        };
        let schema = schema(&text);
        for data in *valid {
            assert_eq!(schema.validate_text(data), Ok(()), "{text} {data}");
        }
        for data in *invalid {
            let violations = schema.validate_text(data).expect_err(&format!("{text} {data}"));
            assert_ne!(violations[0].rule, LIMIT, "{text} {data}");
        }
    }
}
