//! Rules of the code base: the allowed dependencies between modules, and the crates and functions that only one module
//! may use. Read ARCHITECTURE.md before changing a table here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module of `shared/`: the modules that it may use, and the words that must not occur in it. A word that ends in an
/// underscore matches all words with this prefix.
struct Module {
    name: &'static str,
    may_use: &'static [&'static str],
    never: &'static [&'static str],
}

const MODULES: [Module; 12] = [
    // `domain` reads JSON where it is the subject of a rule: schemas, and documents with schemas. It derives no format.
    Module {
        name: "domain",
        may_use: &[],
        never: &[
            "async",
            "tokio",
            "futures_util",
            "Serialize",
            "Deserialize",
            "std::fs",
            "std::io",
            "std::env",
            "aws_config",
            "aws_credential_types",
            "aws_lambda_events",
            "aws_sdk_",
            "aws_smithy_",
            "axum",
            "lambda_",
            "reqwest",
            "serde_dynamo",
            "fastrand",
            "getrandom",
            "SystemTime",
            "Instant",
            "tracing",
        ],
    },
    Module {
        name: "wire",
        may_use: &["domain"],
        never: &["async", "tokio", "aws_", "axum", "lambda_", "reqwest", "serde_dynamo", "Instant"],
    },
    Module {
        name: "store",
        may_use: &["domain", "clock", "coalescer"],
        never: &["aws_sdk_sqs", "axum", "lambda_", "aws_lambda_events", "reqwest"],
    },
    Module {
        name: "queue",
        may_use: &["domain", "clock", "coalescer"],
        never: &["aws_sdk_dynamodb", "axum", "lambda_", "aws_lambda_events", "reqwest"],
    },
    Module {
        name: "coalescer",
        may_use: &[],
        never: &["aws_", "axum", "http", "lambda_", "reqwest", "sleep", "timeout"],
    },
    Module {
        name: "sender",
        may_use: &["domain", "clock"],
        never: &["aws_config", "aws_sdk_", "aws_smithy_", "axum", "lambda_"],
    },
    Module {
        name: "service",
        may_use: &["domain", "store", "queue", "sender", "parameters", "clock", "telemetry"],
        never: &["aws_sdk_", "axum", "http", "lambda_", "aws_lambda_events", "reqwest"],
    },
    Module {
        name: "edge",
        may_use: &["wire", "domain", "service", "clock", "telemetry"],
        never: &["aws_sdk_dynamodb", "aws_sdk_sqs", "reqwest"],
    },
    Module { name: "parameters", may_use: &["domain"], never: &["aws_sdk_dynamodb", "aws_sdk_sqs", "axum", "reqwest"] },
    Module { name: "config", may_use: &["domain"], never: &["aws_sdk_dynamodb", "aws_sdk_sqs", "axum", "reqwest"] },
    Module { name: "clock", may_use: &["domain"], never: &["aws_", "axum", "reqwest"] },
    Module { name: "telemetry", may_use: &["domain"], never: &["aws_sdk_", "axum", "reqwest"] },
];

/// The words that only one module of `shared/` may contain, among all of `shared/` and the functions.
const ONLY: [(&str, &[&str]); 7] = [
    ("config", &["env::var", "env::vars", "env::var_os", "env::vars_os"]),
    ("clock", &["SystemTime::now", "Timestamp::now", "Zoned::now", "now_v7", "fastrand", "getrandom"]),
    ("store", &["aws_sdk_dynamodb", "serde_dynamo"]),
    ("queue", &["aws_sdk_sqs"]),
    ("parameters", &["aws_sdk_ssm"]),
    ("sender", &["aws_sigv4", "dns_lookup", "hyper", "hyper_", "reqwest", "rustls", "rustls_", "webpki"]),
    ("telemetry", &["tracing_subscriber", "metrics_cloudwatch_embedded"]),
];

const FUNCTIONS: [&str; 6] = ["api", "publish", "ingest", "portal", "deliver", "sweep"];

struct Source {
    path: String,
    code: String,
}

/// The Rust files in a directory of the repository, without comments and inline tests.
fn sources(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut found): (Vec<PathBuf>, _) = (vec![root.join(directory)], Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path, code: code(&text) });
        }
    }
    assert!(!found.is_empty(), "{directory}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The code of a file without comments and without its inline tests, which must be at its end.
fn code(text: &str) -> String {
    let tests = text.match_indices("#[cfg(test)]\n").find(|(at, attribute)| {
        let line = text[at + attribute.len()..].lines().next().unwrap_or_default();
        line.ends_with("mod tests {")
    });
    let mut code = String::new();
    let mut rest = &text[..tests.map_or(text.len(), |(at, _)| at)];
    while let Some(next) = rest.find(['"', '/', '\'']) {
        let (before, token) = rest.split_at(next);
        code.push_str(before);
        let length = if token.starts_with("//") {
            rest = token.split_once('\n').map_or("", |(comment, _)| &token[comment.len()..]);
            continue;
        } else if token.starts_with('"') && code.ends_with("r#") {
            token.find("\"#").map_or(token.len(), |end| end + 2)
        } else if let Some(string) = token.strip_prefix('"') {
            let mut escaped = false;
            let end = string.find(|c| {
                let is_end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                is_end
            });
            end.map_or(token.len(), |end| end + 2)
        } else if token.starts_with("'\"'") {
            3
        } else {
            1
        };
        code.push_str(&token[..length]);
        rest = &token[length..];
    }
    code + rest
}

/// Whether the code contains this word, or a word with this prefix if it ends in an underscore.
fn mentions(code: &str, word: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(of_name) && (word.ends_with('_') || !after.is_some_and(of_name))
    })
}

/// The module of a file in `shared/`: its top directory, or the file itself.
fn module_of(path: &str) -> Option<&str> {
    let within = path.strip_prefix("shared/src/")?;
    let name = within.split('/').next()?;
    (name != "lib.rs").then(|| name.strip_suffix(".rs").unwrap_or(name))
}

/// The modules that the code uses as `crate::module`, as `crate::{…}` or through `super`.
fn modules_used(code: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut named = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{').and_then(|list| list.split_once('}')) {
            Some((list, _)) => named.extend(list.split(',').map(|entry| name(entry.trim()))),
            None => drop(named.insert(name(rest))),
        }
    }
    named.extend(
        MODULES
            .iter()
            .map(|module| module.name)
            .filter(|module| mentions(code, &format!("super::{module}")))
            .map(str::to_owned),
    );
    named.retain(|module| !module.is_empty());
    named
}

#[test]
fn modules_use_only_their_allowed_dependencies_and_words() {
    let mut faults = Vec::new();
    for Source { path, code } in sources("shared/src") {
        let Some(name) = module_of(&path) else { continue };
        let Some(module) = MODULES.iter().find(|module| module.name == name) else {
            faults.push(format!("{path} is in no module of the table"));
            continue;
        };
        let forbidden =
            modules_used(&code).into_iter().filter(|used| used != name && !module.may_use.contains(&used.as_str()));
        faults.extend(forbidden.map(|used| format!("{path}: {name} must not use {used}")));
        let misplaced = module.never.iter().filter(|word| mentions(&code, word));
        faults.extend(misplaced.map(|word| format!("{path}: {word} must not occur in {name}")));
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn crates_and_functions_of_one_module_are_used_nowhere_else() {
    let mut faults = Vec::new();
    for (owner, words) in ONLY {
        let elsewhere = sources("shared/src").into_iter().chain(sources("functions"));
        for Source { path, code } in elsewhere.filter(|source| module_of(&source.path) != Some(owner)) {
            let misplaced = words.iter().filter(|word| mentions(&code, word));
            faults.extend(misplaced.map(|word| format!("{path}: only {owner} may use {word}")));
        }
        let own: String = sources("shared/src")
            .into_iter()
            .filter(|it| module_of(&it.path) == Some(owner))
            .map(|it| it.code)
            .collect();
        assert!(
            words.iter().any(|word| mentions(&own, word)),
            "{owner} does not use them either, so the table may be outdated"
        );
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn the_host_reads_neither_environment_nor_clock_directly() {
    for Source { path, code } in sources("local").into_iter().filter(|source| !source.path.contains("/tests")) {
        for word in ["env::var", "env::vars", "SystemTime::now", "fastrand"] {
            assert!(!mentions(&code, word), "{path}: {word}");
        }
    }
}

#[test]
fn keys_of_the_table_are_spelt_in_one_file_and_documented() {
    const KEYS: &str = "shared/src/store/keys.rs";
    let all: Vec<_> = ["shared/src", "functions", "local"].into_iter().flat_map(sources).collect();
    let is_prefix = |prefix: &str| !prefix.is_empty() && prefix.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let prefixes_of = |texts: &mut dyn Iterator<Item = &str>| -> BTreeSet<String> {
        let key = texts.filter_map(|text| text.split_once('#').map(|(prefix, _)| prefix));
        key.filter(|prefix| is_prefix(prefix)).map(str::to_owned).collect()
    };
    let spelt = |code: &str| prefixes_of(&mut code.split('"').skip(1).step_by(2));
    let prefixes = spelt(&all.iter().find(|source| source.path == KEYS).unwrap().code);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/storage.md")).unwrap();
    let cells = page.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    assert_eq!(prefixes_of(&mut cells.into_iter()), prefixes, "docs/storage.md lists the prefixes of the keys");
    for Source { path, code } in
        all.iter().filter(|source| source.path != KEYS && !source.path.starts_with("local/aws/"))
    {
        let elsewhere: Vec<_> = spelt(code).intersection(&prefixes).cloned().collect();
        assert_eq!(elsewhere, [""; 0], "{path}");
    }
}

/// What the folders of a module may not use of it: (folder, forbidden folders).
const FOLDERS: [(&str, &[&str]); 17] = [
    ("domain/ids", &["domain"]),
    ("domain/text", &["domain"]),
    ("domain/signing", &["tenancy", "endpoint", "event", "delivery", "job"]),
    ("domain/network", &["tenancy", "endpoint", "event", "delivery", "job", "signing"]),
    ("domain/tenancy", &["delivery", "job", "signing"]),
    ("store/read", &["write"]),
    ("store/keys", &["read", "write", "deliveries", "endpoints", "events", "jobs"]),
    ("service/publisher", &["administrator", "deliverer", "sweeper", "announcer", "releaser", "job_runner"]),
    ("service/ingestor", &["administrator", "deliverer", "sweeper", "announcer", "releaser", "job_runner"]),
    ("service/administrator", &["publisher", "deliverer", "sweeper"]),
    ("service/deliverer", &["publisher", "administrator", "sweeper", "job_runner"]),
    ("service/sweeper", &["publisher", "administrator", "deliverer"]),
    ("service/targets", &["access", "event_writer", "announcer", "endpoints", "releaser", "job_runner"]),
    ("service/event_writer", &["access", "targets", "announcer", "endpoints", "releaser", "job_runner"]),
    ("service/announcer", &["access", "endpoints", "releaser", "job_runner"]),
    ("service/releaser", &["access", "targets", "event_writer", "announcer", "endpoints", "job_runner"]),
    ("service/job_runner", &["targets", "event_writer", "announcer", "endpoints"]),
];

#[test]
fn folders_use_only_their_allowed_neighbours() {
    let mut faults = Vec::new();
    for (folder, forbidden) in FOLDERS {
        let (module, _) = folder.split_once('/').unwrap();
        let prefix = format!("shared/src/{folder}");
        let files: Vec<_> = sources("shared/src").into_iter().filter(|it| it.path.starts_with(&prefix)).collect();
        assert!(!files.is_empty(), "{folder} is in no file, so the table may be outdated");
        for Source { path, code } in files {
            let used = forbidden.iter().filter(|other| {
                let root = if **other == module {
                    "crate::domain::".to_owned() + "delivery"
                } else {
                    format!("crate::{module}::{other}")
                };
                mentions(&code, &root) || mentions(&code, &format!("super::{other}"))
            });
            faults.extend(used.map(|other| format!("{path}: {folder} must not use {other}")));
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn files_of_the_edge_import_each_other_in_one_direction() {
    let files = sources("shared/src/edge");
    let name = |path: &str| path.rsplit('/').next().unwrap().trim_end_matches(".rs").to_owned();
    let names: BTreeSet<_> = files.iter().map(|it| name(&it.path)).filter(|it| it != "mod").collect();
    // `pub use api_error::ApiError;`: the file in which a name of the module is.
    let exports = &files.iter().find(|it| name(&it.path) == "mod").unwrap().code;
    let exported: Vec<_> = exports
        .split(';')
        .filter_map(|statement| statement.trim().strip_prefix("pub use ")?.split_once("::"))
        .flat_map(|(file, list)| {
            let items = list.trim_matches(['{', '}']).split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| (item.to_owned(), file.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let imports = |code: &str| -> BTreeSet<String> {
        let uses: String = code.split(';').filter(|it| it.trim_start().starts_with("use super::")).collect();
        let direct = names.iter().filter(|file| mentions(&uses, &format!("super::{file}"))).cloned();
        let by_name = exported.iter().filter(|(item, _)| mentions(&uses, item)).map(|(_, file)| file.clone());
        direct.chain(by_name).collect()
    };
    let mut left: Vec<_> =
        files.iter().map(|it| (name(&it.path), imports(&it.code))).filter(|it| it.0 != "mod").collect();
    while !left.is_empty() {
        let open: BTreeSet<_> = left.iter().map(|(file, _)| file.clone()).collect();
        let before = left.len();
        left.retain(|(file, imports)| imports.iter().any(|it| it != file && open.contains(it)));
        assert!(left.len() < before, "a circle of imports: {left:?}");
    }
}

#[test]
fn no_function_depends_on_another() {
    for function in FUNCTIONS {
        let others = || FUNCTIONS.iter().filter(move |other| **other != function);
        for Source { path, code } in sources(&format!("functions/{function}")) {
            for other in others() {
                assert!(
                    !code.contains(&format!("{other}::router")) && !code.contains(&format!("{other}::handle")),
                    "{path}"
                );
                assert!(!mentions(&code, &format!("use {other}")), "{path} uses {other}");
            }
        }
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("functions/{function}/Cargo.toml"));
        let manifest = fs::read_to_string(manifest).unwrap();
        let dependencies = manifest.split_once("[dependencies]").unwrap().1;
        for other in others() {
            let named = dependencies.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(other));
            assert!(!named, "{function} depends on {other}");
        }
    }
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("functions")).unwrap();
    let folders: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, FUNCTIONS.map(str::to_owned).into());
}

/// The scanner finds violations, so the tests above can fail.
#[test]
fn the_scanner_finds_violations() {
    let text =
        "let url = \"https://example.com\"; // crate::edge\nlet quote = '\"'; // crate::edge\nlet raw = r#\"//\"\"#;\n";
    assert_eq!(code(text), "let url = \"https://example.com\"; \nlet quote = '\"'; \nlet raw = r#\"//\"\"#;\n");
    assert_eq!(code("a\n#[cfg(test)]\npub(in crate::domain) mod tests {\nb\n}\n"), "a\n");
    let text = "use crate::{domain::ids, wire};\nuse crate::store::Store; // crate::edge\nlet a = aws_sdk_sqs::Client;\n#[cfg(test)]\nmod tests {\nuse crate::queue;\n}\n";
    let code = code(text);
    assert_eq!(modules_used(&code), ["domain", "store", "wire"].map(str::to_owned).into());
    assert_eq!(modules_used("super::super::edge::finish()"), [String::from("edge")].into());
    assert!(mentions(&code, "aws_") && mentions(&code, "aws_sdk_sqs") && !mentions(&code, "sdk_sqs"));
    assert!(!mentions("let http_status = 1; https", "http") && mentions("use http::Uri;", "http"));
    assert_eq!(module_of("shared/src/store/keys.rs"), Some("store"));
    assert_eq!(module_of("shared/src/clock.rs"), Some("clock"));
    assert_eq!(module_of("shared/src/lib.rs"), None);
}
