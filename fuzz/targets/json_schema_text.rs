//! Any text as a schema and as data: no panic, and messages contain little data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::domain::schema::Schema;

fuzz_target!(|lines: &str| {
    let Some((schema, data)) = lines.split_once('\n') else { return };
    let Ok(schema) = Schema::compile(schema) else { return };
    if let Err(violations) = schema.validate_text(data) {
        assert!((1..=20).contains(&violations.len()));
        assert!(violations.iter().all(|v| v.pointer.len() <= 1_024 && v.schema_pointer.len() <= 1_024));
    }
});
