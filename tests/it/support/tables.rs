//! Tables in docs/reliability.md that are the output of a model.

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reliability.md");

/// Asserts that the document contains this table between the comments with this name. With `UPDATE_RELIABILITY=1` in
/// the environment, writes the table there instead.
#[track_caller]
pub(crate) fn update_table(name: &str, table: &str) {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let document = std::fs::read_to_string(FILE).unwrap();
    let (before, rest) = document.split_once(&begin).unwrap();
    let (current, after) = rest.split_once(&end).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the variable requests an update of the document")]
    if std::env::var_os("UPDATE_RELIABILITY").is_some() {
        std::fs::write(FILE, format!("{before}{begin}\n{table}\n{end}{after}")).unwrap();
        return;
    }
    assert_eq!(current.trim(), table.trim(), "UPDATE_RELIABILITY=1 cargo test --test it model");
}

/// A number with commas between groups of three digits.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
