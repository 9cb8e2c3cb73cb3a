//! Reads the code: without comments and tests, and the paths that it uses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) code: String,
}

/// The Rust files in a directory of the repository, without comments and inline tests.
pub(super) fn sources(directory: &str) -> Vec<Source> {
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
pub(super) fn mentions(code: &str, word: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(of_name) && (word.ends_with('_') || !after.is_some_and(of_name))
    })
}

/// The module of a file in `shared/`: its top directory, or the file itself.
pub(super) fn module_of(path: &str) -> Option<&str> {
    let within = path.strip_prefix("shared/src/")?;
    let name = within.split('/').next()?;
    (name != "lib.rs").then(|| name.strip_suffix(".rs").unwrap_or(name))
}

/// The paths from the root of `shared/` that a file uses as `crate::…` or `super::…`, also in lists within lists.
fn paths_used(path: &str, code: &str) -> Vec<Vec<String>> {
    let within = path.strip_prefix("shared/src/").unwrap_or(path);
    let within = within.strip_suffix(".rs").unwrap_or(within);
    let own: Vec<_> = within.strip_suffix("/mod").unwrap_or(within).split('/').map(str::to_owned).collect();
    let mut found = Vec::new();
    let starts = ["crate::", "super::"].iter().flat_map(|start| code.match_indices(start));
    let is_start = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
    for (at, _) in starts.filter(|(at, _)| is_start(*at)) {
        let mut rest = &code[at..];
        for names in branches(&mut rest) {
            let ups = names.iter().take_while(|name| *name == "super").count();
            let kept = if names[0] == "crate" { 0 } else { own.len().saturating_sub(ups) };
            let skipped = ups.max(1);
            found.push(own[..kept].iter().chain(&names[skipped..]).cloned().collect());
        }
    }
    found
}

/// The paths of a tree such as `a::{b, c::{d, e}}` at the beginning of `rest`, which afterwards begins behind it.
fn branches(rest: &mut &str) -> Vec<Vec<String>> {
    if let Some(list) = rest.strip_prefix('{') {
        *rest = list;
        let mut found = Vec::new();
        loop {
            *rest = rest.trim_start_matches([',', ' ', '\n']);
            if rest.is_empty() || rest.starts_with('}') {
                *rest = rest.get(1..).unwrap_or_default();
                return found;
            }
            let before = rest.len();
            found.extend(branches(rest));
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            *rest = &rest[end..];
            assert!(rest.len() < before, "{rest}");
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = rest[..end].to_owned();
    *rest = &rest[end..];
    let Some(below) = rest.strip_prefix("::") else { return vec![vec![name]] };
    *rest = below;
    branches(rest).into_iter().map(|path| [vec![name.clone()], path].concat()).collect()
}

/// The modules of `shared/` that a file uses.
pub(super) fn modules_used(path: &str, code: &str) -> BTreeSet<String> {
    let modules = paths_used(path, code).into_iter().filter_map(|names| names.into_iter().next());
    modules.filter(|name| is_module(name)).collect()
}

/// The folders and files of its own module that a file uses, by their names.
pub(super) fn siblings_used(path: &str, code: &str) -> BTreeSet<String> {
    let module = module_of(path).unwrap_or_default();
    let siblings = paths_used(path, code).into_iter().filter(|names| names[0] == module && names.len() > 1);
    siblings.map(|mut names| names.swap_remove(1)).filter(|name| is_module(name)).collect()
}

fn is_module(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
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
    const FILE: &str = "shared/src/service/publisher/limiter.rs";
    assert_eq!(modules_used(FILE, &code), ["domain", "store", "wire"].map(str::to_owned).into());
    let table: [(&str, &str, &[&str], &[&str]); 7] = [
        (FILE, "super::super::super::edge::finish()", &["edge"], &[]),
        (FILE, "use super::super::releaser::Releaser;", &["service"], &["releaser"]),
        (FILE, "use super::repeated;", &["service"], &["publisher"]),
        ("shared/src/service/publisher/mod.rs", "use super::releaser;", &["service"], &["releaser"]),
        (
            FILE,
            "use crate::{domain::{ids::{EventId, KeyId}, Invalid}, wire as w, store};",
            &["domain", "store", "wire"],
            &[],
        ),
        (
            FILE,
            "use crate::service::{ServiceError, deliverer::{self, Message},\n    sweeper};",
            &["service"],
            &["deliverer", "sweeper"],
        ),
        (FILE, "use other_crate::service::sweeper; Self::super::x", &[], &[]),
    ];
    for (path, code, modules, siblings) in table {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(modules_used(path, code), names(modules), "{code}");
        assert_eq!(siblings_used(path, code), names(siblings), "{code}");
    }
    assert!(mentions(&code, "aws_") && mentions(&code, "aws_sdk_sqs") && !mentions(&code, "sdk_sqs"));
    assert!(!mentions("let http_status = 1; https", "http") && mentions("use http::Uri;", "http"));
    assert_eq!(module_of("shared/src/store/keys.rs"), Some("store"));
    assert_eq!(module_of("shared/src/clock.rs"), Some("clock"));
    assert_eq!(module_of("shared/src/lib.rs"), None);
}
