//! Rules of the code base: the allowed dependencies between modules, and the crates and functions that only one module
//! may use. Read ARCHITECTURE.md before changing a table here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module of `shared/`: the modules that it may use, and the words that must not occur in it. A word that ends in an
/// underscore matches all words with this prefix.
struct Room {
    name: &'static str,
    knows: &'static [&'static str],
    never: &'static [&'static str],
}

const ROOMS: [Room; 11] = [
    Room {
        name: "domain",
        knows: &[],
        never: &[
            "async",
            "tokio",
            "futures_util",
            "std::fs",
            "std::io",
            "std::env",
            "aws_",
            "axum",
            "lambda_",
            "reqwest",
            "serde",
            "serde_json",
            "serde_dynamo",
            "fastrand",
            "getrandom",
            "SystemTime",
            "Instant",
            "tracing",
        ],
    },
    Room {
        name: "wire",
        knows: &["domain"],
        never: &["async", "tokio", "aws_", "axum", "lambda_", "reqwest", "serde_dynamo", "Instant"],
    },
    Room {
        name: "store",
        knows: &["domain", "clock", "gather"],
        never: &["aws_sdk_sqs", "axum", "lambda_", "aws_lambda_events", "reqwest"],
    },
    Room {
        name: "queue",
        knows: &["domain", "clock", "gather"],
        never: &["aws_sdk_dynamodb", "axum", "lambda_", "aws_lambda_events", "reqwest"],
    },
    Room { name: "gather", knows: &[], never: &["aws_", "axum", "http", "lambda_", "reqwest", "sleep", "timeout"] },
    Room {
        name: "sender",
        knows: &["domain", "clock"],
        never: &["aws_config", "aws_sdk_", "aws_smithy_", "axum", "lambda_", "serde_json"],
    },
    Room {
        name: "service",
        knows: &["domain", "store", "queue", "sender", "clock", "telemetry"],
        never: &["aws_sdk_dynamodb", "aws_sdk_sqs", "axum", "http", "lambda_", "aws_lambda_events", "reqwest"],
    },
    Room {
        name: "edge",
        knows: &["wire", "domain", "service", "clock", "telemetry"],
        never: &["aws_sdk_dynamodb", "aws_sdk_sqs", "reqwest"],
    },
    Room { name: "config", knows: &["domain"], never: &["aws_sdk_dynamodb", "aws_sdk_sqs", "axum", "reqwest"] },
    Room { name: "clock", knows: &["domain"], never: &["aws_", "axum", "reqwest"] },
    Room { name: "telemetry", knows: &["domain"], never: &["aws_sdk_", "axum", "reqwest"] },
];

/// The words that only one module of `shared/` may contain, among all of `shared/` and the functions.
const ONLY: [(&str, &[&str]); 6] = [
    ("config", &["env::var", "env::vars", "env::var_os", "env::vars_os"]),
    ("clock", &["SystemTime::now", "Timestamp::now", "Zoned::now", "now_v7", "fastrand", "getrandom"]),
    ("store", &["aws_sdk_dynamodb", "serde_dynamo"]),
    ("queue", &["aws_sdk_sqs"]),
    ("sender", &["dns_lookup", "hyper", "hyper_", "reqwest", "rustls", "rustls_"]),
    ("telemetry", &["tracing_subscriber", "metrics_cloudwatch_embedded"]),
];

const FUNCTIONS: [&str; 4] = ["api", "publish", "deliver", "sweep"];

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
        } else if path.extension().is_some_and(|extension| extension == "rs") {
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
    let tests = text.find("#[cfg(test)]\nmod tests {").or_else(|| text.find("#[cfg(test)]\npub(super) mod tests {"));
    let lines = text[..tests.unwrap_or(text.len())].lines();
    lines.map(|line| line.split_once("//").map_or(line, |(code, _)| code).to_owned() + "\n").collect()
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
fn room_of(path: &str) -> Option<&str> {
    let within = path.strip_prefix("shared/src/")?;
    let name = within.split('/').next()?;
    (name != "lib.rs").then(|| name.strip_suffix(".rs").unwrap_or(name))
}

/// The modules that the code uses as `crate::module`, as `crate::{…}` or through `super`.
fn rooms_named(code: &str) -> BTreeSet<String> {
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
        ROOMS.iter().map(|room| room.name).filter(|room| mentions(code, &format!("super::{room}"))).map(str::to_owned),
    );
    named.retain(|room| !room.is_empty());
    named
}

#[test]
fn modules_use_only_their_allowed_dependencies_and_words() {
    let mut faults = Vec::new();
    for Source { path, code } in sources("shared/src") {
        let Some(name) = room_of(&path) else { continue };
        let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
            faults.push(format!("{path} is in no module of the table"));
            continue;
        };
        let strangers =
            rooms_named(&code).into_iter().filter(|used| used != name && !room.knows.contains(&used.as_str()));
        faults.extend(strangers.map(|used| format!("{path}: {name} must not use {used}")));
        let misplaced = room.never.iter().filter(|word| mentions(&code, word));
        faults.extend(misplaced.map(|word| format!("{path}: {word} must not occur in {name}")));
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn crates_and_functions_of_one_module_are_used_nowhere_else() {
    let mut faults = Vec::new();
    for (owner, words) in ONLY {
        let elsewhere = sources("shared/src").into_iter().chain(sources("functions"));
        for Source { path, code } in elsewhere.filter(|source| room_of(&source.path) != Some(owner)) {
            let misplaced = words.iter().filter(|word| mentions(&code, word));
            faults.extend(misplaced.map(|word| format!("{path}: only {owner} may use {word}")));
        }
        let own: String =
            sources("shared/src").into_iter().filter(|it| room_of(&it.path) == Some(owner)).map(|it| it.code).collect();
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
fn keys_of_the_table_are_spelt_in_one_file() {
    const KEYS: &str = "shared/src/store/keys.rs";
    let all: Vec<_> = ["shared/src", "functions", "local"].into_iter().flat_map(sources).collect();
    let spelt = |code: &str| -> BTreeSet<String> {
        let literals = code.split('"').skip(1).step_by(2);
        let key = literals.filter_map(|literal| literal.split_once('#').map(|(prefix, _)| prefix));
        key.filter(|prefix| !prefix.is_empty() && prefix.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .map(str::to_owned)
            .collect()
    };
    let prefixes = spelt(&all.iter().find(|source| source.path == KEYS).unwrap().code);
    for prefix in [
        "org",
        "state",
        "key",
        "slug",
        "endpoint",
        "fanout",
        "idem",
        "event",
        "delivery",
        "due",
        "held",
        "failed",
        "half_open",
    ] {
        assert!(prefixes.contains(prefix), "{prefix} is not in {prefixes:?}");
    }
    for Source { path, code } in
        all.iter().filter(|source| source.path != KEYS && !source.path.starts_with("local/aws/"))
    {
        let elsewhere: Vec<_> = spelt(code).intersection(&prefixes).cloned().collect();
        assert_eq!(elsewhere, [""; 0], "{path}");
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
    let text = "use crate::{domain::ids, wire};\nuse crate::store::Store; // crate::edge\nlet a = aws_sdk_sqs::Client;\n#[cfg(test)]\nmod tests {\nuse crate::queue;\n}\n";
    let code = code(text);
    assert_eq!(rooms_named(&code), ["domain", "store", "wire"].map(str::to_owned).into());
    assert_eq!(rooms_named("super::super::edge::finish()"), [String::from("edge")].into());
    assert!(mentions(&code, "aws_") && mentions(&code, "aws_sdk_sqs") && !mentions(&code, "sdk_sqs"));
    assert!(!mentions("let http_status = 1; https", "http") && mentions("use http::Uri;", "http"));
    assert_eq!(room_of("shared/src/store/keys.rs"), Some("store"));
    assert_eq!(room_of("shared/src/clock.rs"), Some("clock"));
    assert_eq!(room_of("shared/src/lib.rs"), None);
}
