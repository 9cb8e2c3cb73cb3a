//! JSON text with line breaks.

const INDENT: &str = "  ";
/// Deeper levels are indented as this one, so that brackets alone do not become a large text.
const MOST_INDENTED: usize = 16;

/// The text with a line for each member and entry, at most about this many bytes of it, and whether that is all of it. Strings
/// and numbers stay as they are. A text that is not JSON is only cut.
pub(crate) fn pretty(json: &str, most_bytes: usize) -> (String, bool) {
    if !json.trim_start().starts_with(['{', '[']) {
        let end = json.floor_char_boundary(most_bytes.min(json.len()));
        return (json[..end].to_owned(), end == json.len());
    }
    let mut text = String::new();
    let (mut level, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut chars = json.trim().chars().peekable();
    while let Some(char) = chars.next() {
        if text.len() >= most_bytes {
            return (text, false);
        }
        match char {
            _ if in_string => {
                text.push(char);
                in_string = is_escaped || char != '"';
                is_escaped = !is_escaped && char == '\\';
            }
            '"' => {
                text.push(char);
                in_string = true;
            }
            '{' | '[' => {
                text.push(char);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => text.push(end),
                    None => {
                        level += 1;
                        break_line(&mut text, level);
                    }
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                break_line(&mut text, level);
                text.push(char);
            }
            ',' => {
                text.push(char);
                break_line(&mut text, level);
            }
            ':' => text.push_str(": "),
            char if char.is_ascii_whitespace() => {}
            char => text.push(char),
        }
    }
    (text, true)
}

fn break_line(text: &mut String, level: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n(INDENT, level.min(MOST_INDENTED)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_entries_have_a_line_each_and_values_are_unchanged() {
        for (json, expected) in [
            (
                r#"{"a":1.10,"b":[1,{"c":{}}]}"#,
                "{\n  \"a\": 1.10,\n  \"b\": [\n    1,\n    {\n      \"c\": {}\n    }\n  ]\n}",
            ),
            (r#" { "a" : [ ] } "#, "{\n  \"a\": []\n}"),
            (r#"{"a":"{\"b\",: [\\"}"#, "{\n  \"a\": \"{\\\"b\\\",: [\\\\\"\n}"),
            ("plain, text: {", "plain, text: {"),
        ] {
            assert_eq!(pretty(json, 1_000), (expected.to_owned(), true), "{json}");
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(pretty(r#"{"a":"éé"}"#, 5), ("{\n  \"".to_owned(), false));
        assert_eq!(pretty("éé", 3), ("é".to_owned(), false));
        let deep = "[".repeat(100_000);
        assert!(pretty(&deep, 8_192).0.len() < 8_300);
    }
}
