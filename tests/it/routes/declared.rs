//! Reads the routes that the functions' sources declare.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// A call `.route("<path>", <method>(…).<method>(…))` in a source.
pub(crate) struct Declared {
    pub(crate) path: String,
    pub(crate) methods: Vec<String>,
    /// The methods with their handlers.
    handlers: String,
}

/// The routes that a source declares.
pub(crate) fn declared_in(source: &str) -> Vec<Declared> {
    let calls = Regex::new(r#"\.route\(\s*"([^"]*)"\s*,\s*((?:\.?[a-z]+\([a-z_]+\))+)\s*,?\s*\)"#).unwrap();
    let methods = Regex::new(r"([a-z]+)\(").unwrap();
    let declared = calls.captures_iter(source).map(|call| Declared {
        path: call[1].to_owned(),
        methods: methods.captures_iter(&call[2]).map(|method| method[1].to_uppercase()).collect(),
        handlers: call[2].to_owned(),
    });
    declared.collect()
}

/// The routes that the sources of all functions but the portal declare.
pub(super) fn of_the_api() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let nesting = Regex::new(r#"\.nest\(\s*"([^"]*)""#).unwrap();
    let routing = Regex::new(r"\.(?:route|route_service|nest|nest_service)\(|\broutes!\(").unwrap();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    // The pages of the portal have a table of their own, in `portal/routes.rs`.
    for file in sources(&functions).into_iter().filter(|file| !file.starts_with(functions.join("portal"))) {
        let source = std::fs::read_to_string(&file).unwrap();
        let around = file.ancestors().skip(1).map(|folder| folder.join("mod.rs"));
        let mut around = around.filter_map(|module| std::fs::read_to_string(module).ok());
        let prefix = around.find_map(|module| Some(nesting.captures(&module)?[1].to_owned())).unwrap_or_default();
        let mut understood = nesting.find_iter(&source).count();
        for Declared { path, methods, handlers } in declared_in(&source) {
            understood += 1;
            // It answers everybody, for paths that the API does not have.
            if handlers.contains("not_implemented") {
                continue;
            }
            let is_whole = ["/v1/", "/api/"].iter().any(|start| path.starts_with(start));
            let path = if is_whole { path } else { format!("{prefix}{path}") };
            found.extend(methods.into_iter().map(|method| (method, path.clone())));
        }
        assert_eq!(routing.find_iter(&source).count(), understood, "a route of {} is not recognized", file.display());
    }
    found
}

/// The Rust files in a directory.
pub(crate) fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}
