//! Rules of the code base: the allowed dependencies between modules, and the crates and functions that only one module
//! may use. Read ARCHITECTURE.md before changing a table here.

mod scan;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use scan::{Source, mentions, module_of, modules_used, siblings_used, sources};

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

#[test]
fn modules_use_only_their_allowed_dependencies_and_words() {
    let mut faults = Vec::new();
    for Source { path, code } in sources("shared/src") {
        let Some(name) = module_of(&path) else { continue };
        let Some(module) = MODULES.iter().find(|module| module.name == name) else {
            faults.push(format!("{path} is in no module of the table"));
            continue;
        };
        let forbidden = modules_used(&path, &code)
            .into_iter()
            .filter(|used| used != name && !module.may_use.contains(&used.as_str()));
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

/// What a folder or file of a module may use of the rest of it. All of `service` are here.
const FOLDERS: [(&str, &[&str]); 32] = [
    ("domain/ids", &["time"]),
    ("domain/text", &[]),
    ("domain/time", &[]),
    ("domain/network", &[]),
    ("domain/encryption", &["ids", "tenancy", "time"]),
    ("domain/signing", &["encryption", "time"]),
    ("domain/tenancy", &["endpoint", "event", "external_id", "ids", "metadata", "text", "time"]),
    ("store/keys", &[]),
    ("store/item", &["keys"]),
    ("service/error", &[]),
    ("service/cache", &[]),
    ("service/caches", &["cache"]),
    ("service/encryption", &[]),
    ("service/meter", &[]),
    ("service/receivers", &[]),
    ("service/tasks", &[]),
    ("service/quotas", &[]),
    ("service/targets", &["cache"]),
    ("service/limiter", &["cache", "meter", "targets"]),
    ("service/access", &["caches", "targets"]),
    ("service/endpoints", &["targets"]),
    ("service/event_writer", &["meter", "receivers"]),
    ("service/catalogue", &["event_writer"]),
    ("service/releaser", &["meter"]),
    ("service/replayer", &["meter", "receivers", "releaser"]),
    ("service/announcer", &["event_writer", "meter", "targets"]),
    ("service/job_runner", &["access", "quotas", "releaser", "replayer"]),
    ("service/publisher", &["access", "cache", "catalogue", "event_writer", "limiter", "meter", "targets", "tasks"]),
    ("service/ingestor", &["access", "publisher"]),
    (
        "service/administrator",
        &[
            "access",
            "announcer",
            "caches",
            "catalogue",
            "encryption",
            "endpoints",
            "event_writer",
            "job_runner",
            "limiter",
            "meter",
            "quotas",
            "releaser",
            "replayer",
            "targets",
        ],
    ),
    ("service/deliverer", &["announcer", "cache", "caches", "encryption", "endpoints", "meter", "releaser"]),
    ("service/sweeper", &["announcer", "encryption", "endpoints", "job_runner", "meter", "releaser"]),
];

/// The folder, or the file beside folders, that a file is in: `service/publisher`.
fn folder_of(path: &str) -> Option<String> {
    let (module, rest) = path.strip_prefix("shared/src/")?.split_once('/')?;
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    (name != "mod").then(|| format!("{module}/{name}"))
}

#[test]
fn folders_use_only_their_allowed_neighbours() {
    let (mut faults, mut unseen) = (Vec::new(), FOLDERS.map(|(folder, _)| folder).into_iter().collect::<BTreeSet<_>>());
    for Source { path, code } in sources("shared/src") {
        let Some(folder) = folder_of(&path) else { continue };
        let Some((_, may_use)) = FOLDERS.iter().find(|(other, _)| *other == folder) else {
            if folder.starts_with("service/") {
                faults.push(format!("{path} is in no folder of the table"));
            }
            continue;
        };
        unseen.remove(folder.as_str());
        let own = folder.rsplit('/').next().unwrap_or_default();
        let forbidden =
            siblings_used(&path, &code).into_iter().filter(|it| it != own && !may_use.contains(&it.as_str()));
        faults.extend(forbidden.map(|other| format!("{path}: {folder} must not use {other}")));
    }
    assert_eq!(faults, [""; 0]);
    assert!(unseen.is_empty(), "they are in no file, so the table may be outdated: {unseen:?}");
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
