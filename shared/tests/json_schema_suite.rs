//! Runs the official JSON-Schema-Test-Suite (MIT). `.ci/json-schema-suite` downloads it and starts this test.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::domain::schema::Schema;

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Box<RawValue>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    description: String,
    data: Box<RawValue>,
    valid: bool,
}

/// The drafts, and the number of required tests that need another document. Schemas may not refer to one.
const DRAFTS: [(&str, &str, usize); 5] = [
    ("draft4", "http://json-schema.org/draft-04/schema#", 21),
    ("draft6", "http://json-schema.org/draft-06/schema#", 27),
    ("draft7", "http://json-schema.org/draft-07/schema#", 27),
    ("draft2019-09", "https://json-schema.org/draft/2019-09/schema", 40),
    ("draft2020-12", "https://json-schema.org/draft/2020-12/schema", 53),
];

#[derive(Default)]
struct Counts {
    passed: usize,
    skipped: usize,
    failed: usize,
}

#[test]
#[ignore = "needs the suite; run .ci/json-schema-suite"]
#[expect(clippy::disallowed_methods, reason = "the suite's place is not known before")]
#[expect(clippy::print_stdout, reason = "the numbers are the result")]
fn all_required_tests_pass_that_need_no_other_document() {
    let suite = std::env::var("JSON_SCHEMA_TEST_SUITE").unwrap();
    let mut failures = Vec::new();
    for (draft, uri, remote) in DRAFTS {
        for folder in ["", "optional"] {
            let mut counts = Counts::default();
            let mut refused: BTreeMap<String, usize> = BTreeMap::new();
            let mut files: Vec<_> = std::fs::read_dir(Path::new(&suite).join("tests").join(draft).join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .collect();
            files.sort();
            for file in files {
                let name = format!("{draft}/{folder}/{}", file.file_stem().unwrap().to_string_lossy());
                let groups: Vec<Group> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
                for group in groups {
                    let text = with_draft(group.schema.get(), uri);
                    let schema = match Schema::compile(&text) {
                        Ok(schema) => schema,
                        Err(error) => {
                            *refused.entry(format!("{name}: {}: {error}", group.description)).or_default() +=
                                group.tests.len();
                            let is_remote = error.reason.contains("other documents") || error.pointer == "/$schema";
                            let count = if is_remote { &mut counts.skipped } else { &mut counts.failed };
                            *count += group.tests.len();
                            if !is_remote && folder.is_empty() {
                                failures.push(format!("{name}: {}: {error}", group.description));
                            }
                            continue;
                        }
                    };
                    for case in group.tests {
                        let outcome = schema.validate_text(case.data.get());
                        let is_limit = outcome.as_ref().is_err_and(|v| v[0].rule == "limit" || v[0].rule == "json");
                        if outcome.is_ok() == case.valid && !is_limit {
                            counts.passed += 1;
                        } else {
                            counts.failed += 1;
                            let failure = format!("{name}: {}: {}: {outcome:?}", group.description, case.description);
                            if folder.is_empty() {
                                failures.push(failure);
                            } else {
                                println!("  optional: {failure}");
                            }
                        }
                    }
                }
            }
            let Counts { passed, skipped, failed } = counts;
            println!("{draft} {folder}: {passed} passed, {failed} failed, {skipped} need another document");
            assert!(!folder.is_empty() || skipped == remote, "{draft}: {skipped} instead of {remote}");
            for (place, tests) in refused {
                println!("  {tests} in {place}");
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The schema with its `$schema`, which the tests of older drafts omit.
fn with_draft(schema: &str, uri: &str) -> String {
    match schema.trim_start().strip_prefix('{') {
        Some(rest) if !schema.contains(r#""$schema""#) => {
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            format!(r#"{{"$schema":"{uri}"{comma}{rest}"#)
        }
        _ => schema.to_owned(),
    }
}
