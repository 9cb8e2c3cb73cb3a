//! A JSON Schema as rows of a table: a row for each field of the data, with nested fields below it.

use serde_json::Value;

use crate::text::schema as words;

/// Most rows. A page shows no more, however large the schema is.
const MOST_ROWS: usize = 150;
/// Most levels of fields.
const MOST_LEVELS: usize = 12;
/// Most references that are followed one after another.
const MOST_REFERENCES: usize = 16;
/// Most levels of alternatives and of entries of lists in the words for a type.
const MOST_NESTED_KINDS: usize = 4;
/// Most values of an `enum` that a row names.
const MOST_VALUES: usize = 12;
/// Most characters of a value or a pattern that a row shows.
const MOST_CHARS: usize = 80;

/// A field of the data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// The fields that contain it, each with a dot behind it.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_required: bool,
    pub(super) is_deprecated: bool,
    pub(super) rules: Vec<String>,
    pub(super) description: Option<String>,
}

/// The rows of a schema.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Whether the schema has more fields.
    pub(super) is_cut: bool,
}

/// Reads a schema. What a table cannot show, such as conditions, is left out.
pub(super) fn read(schema: &str) -> Rows {
    let Ok(root) = serde_json::from_str::<Value>(schema) else { return Rows::default() };
    let mut reader = Reader { root: &root, found: Rows::default() };
    reader.fields(&root, "", MOST_LEVELS);
    if reader.found.rows.is_empty() && root.get("type").is_some() {
        let kind = reader.kind(&root, MOST_NESTED_KINDS);
        let rules = rules(&root);
        reader.found.rows.push(Row { name: words::DATA.to_owned(), kind, rules, is_required: true, ..Row::default() });
    }
    reader.found
}

struct Reader<'a> {
    root: &'a Value,
    found: Rows,
}

impl<'a> Reader<'a> {
    /// Adds a row for each field that a schema describes. `levels` is how many levels may follow; it also ends schemas that
    /// contain themselves.
    fn fields(&mut self, schema: &'a Value, path: &str, levels: usize) {
        let parts = self.parts(schema);
        let required: Vec<_> = parts
            .iter()
            .filter_map(|part| part.get("required")?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for part in &parts {
            let named = part.get("properties").and_then(Value::as_object).into_iter().flatten();
            for (name, field) in named {
                self.field(field, path, name, required.contains(&name.as_str()), levels);
            }
            for key in ["patternProperties", "additionalProperties"] {
                let other = match part.get(key) {
                    Some(Value::Object(patterns)) if key == "patternProperties" => patterns.values().next(),
                    Some(schema @ Value::Object(_)) => Some(schema),
                    _ => None,
                };
                if let Some(other) = other {
                    self.field(other, path, words::ANY_NAME, false, levels);
                }
            }
        }
    }

    fn field(&mut self, declared: &'a Value, path: &str, name: &str, is_required: bool, levels: usize) {
        if levels == 0 || self.found.rows.len() == MOST_ROWS {
            self.found.is_cut = true;
            return;
        }
        // A field may not be described twice, by two parts of the schema.
        if self.found.rows.iter().any(|row| row.path == path && row.name == name) {
            return;
        }
        let schema = self.resolve(declared);
        let text = |key: &str| declared.get(key).or_else(|| schema.get(key)).and_then(Value::as_str);
        let description = text("description").or_else(|| text("title")).map(str::to_owned);
        let is_deprecated = [declared, schema].iter().any(|it| it.get("deprecated") == Some(&Value::Bool(true)));
        let (path, name) = (path.to_owned(), name.to_owned());
        let nested = format!("{path}{name}");
        let row = Row {
            path,
            name,
            kind: self.kind(schema, MOST_NESTED_KINDS),
            is_required,
            is_deprecated,
            rules: rules(schema),
            description,
        };
        self.found.rows.push(row);
        self.fields(schema, &format!("{nested}."), levels - 1);
        if let Some(items) = self.items(schema) {
            self.fields(items, &format!("{nested}[]."), levels - 1);
        }
    }

    /// The schema, and those that it is combined with. Each may describe fields.
    fn parts(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut parts = vec![self.resolve(schema)];
        let mut next = 0;
        while next < parts.len() && parts.len() < MOST_REFERENCES {
            let combined = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|key| parts[next].get(key)?.as_array());
            let combined: Vec<_> = combined.flatten().map(|schema| self.resolve(schema)).collect();
            parts.extend(combined);
            next += 1;
        }
        parts
    }

    fn items(&self, schema: &'a Value) -> Option<&'a Value> {
        Some(self.resolve(schema.get("items").filter(|items| items.is_object())?))
    }

    /// Follows references within the schema.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut found = schema;
        for _ in 0..MOST_REFERENCES {
            let reference = found.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#'));
            match reference.and_then(|pointer| self.root.pointer(pointer)) {
                Some(target) => found = target,
                None => break,
            }
        }
        found
    }

    /// The type in words, with so many levels of alternatives and of entries of lists. References are read from the root of the
    /// schema, also below an `$id`, so they may lead back to where they are.
    fn kind(&self, schema: &'a Value, levels: usize) -> String {
        let Some(levels) = levels.checked_sub(1) else { return words::ANY.to_owned() };
        let alternatives = ["oneOf", "anyOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
        match (schema.get("type"), alternatives) {
            (Some(Value::String(kind)), _) if kind == "array" => match self.items(schema) {
                Some(items) if items.get("type").is_some_and(|it| it != "array") => {
                    words::array_of(&self.kind(items, levels))
                }
                _ => kind.clone(),
            },
            (Some(Value::String(kind)), _) => kind.clone(),
            (Some(Value::Array(kinds)), _) => words::either(&strings(kinds)),
            (None, Some(alternatives)) => {
                let first = alternatives.iter().take(MOST_VALUES);
                let mut kinds: Vec<_> = first.map(|it| self.kind(self.resolve(it), levels)).collect();
                kinds.dedup();
                words::either(&kinds)
            }
            _ if schema.get("properties").is_some() => "object".to_owned(),
            _ if values(schema).next().is_some() => {
                let mut kinds: Vec<_> = values(schema).map(kind_of).map(str::to_owned).collect();
                kinds.sort_unstable();
                kinds.dedup();
                words::either(&kinds)
            }
            _ => words::ANY.to_owned(),
        }
    }
}

/// The values that a schema allows, if it lists them.
fn values(schema: &Value) -> impl Iterator<Item = &Value> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed.chain(schema.get("const"))
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The rules of a field in words.
fn rules(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let number = |key: &str| schema.get(key).filter(|value| value.is_number()).map(shown);
    if let Some(Value::Array(values)) = schema.get("enum") {
        let more = values.len() > MOST_VALUES;
        let named = values.iter().take(MOST_VALUES).map(shown).collect::<Vec<_>>().join(", ");
        found.push(words::one_of(&named, more));
    }
    found.extend(schema.get("const").map(|value| words::always(&shown(value))));
    found.extend(schema.get("format").and_then(Value::as_str).map(|format| words::format(&short(format))));
    found.extend(words::between(number("minimum"), number("maximum"), ""));
    found.extend(number("exclusiveMinimum").map(|least| words::more_than(&least)));
    found.extend(number("exclusiveMaximum").map(|most| words::less_than(&most)));
    found.extend(number("multipleOf").map(|step| words::multiple_of(&step)));
    found.extend(words::between(number("minLength"), number("maxLength"), words::CHARACTERS));
    found.extend(schema.get("pattern").and_then(Value::as_str).map(|pattern| words::pattern(&short(pattern))));
    found.extend(words::between(number("minItems"), number("maxItems"), words::ITEMS));
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
        found.push(words::UNIQUE.to_owned());
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        found.push(words::NO_OTHERS.to_owned());
    }
    found.extend(schema.get("default").map(|value| words::by_default(&shown(value))));
    found
}

/// A value as the person would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        other => short(&other.to_string()),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str) -> Vec<[String; 4]> {
        let rows = read(schema).rows.into_iter();
        let required = |row: &Row| if row.is_required { "required" } else { "" };
        rows.map(|row| {
            [format!("{}{}", row.path, row.name), row.kind.clone(), required(&row).into(), row.rules.join("; ")]
        })
        .collect()
    }

    #[test]
    fn references_that_lead_back_end() {
        let schema = r##"{"$defs": {"a": {"anyOf": [{"$ref": "#/properties/x"}]}},
            "properties": {"x": {"$id": "x", "$defs": {"a": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/a"}]}}}"##;
        assert_eq!(table(schema)[0][0], "x");
    }

    #[test]
    fn nested_fields_are_below_their_parents() {
        let schema = r##"{"type": "object", "required": ["order"], "properties": {
            "order": {"$ref": "#/$defs/order"}},
            "$defs": {"order": {"type": "object", "required": ["lines"], "additionalProperties": false, "properties": {
                "lines": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
                    "count": {"type": "integer", "minimum": 1, "maximum": 9}}}}}}}}"##;
        let expected = [
            ["order", "object", "required", "no other fields"],
            ["order.lines", "array of object", "required", "at least 1 items"],
            ["order.lines[].count", "integer", "", "1 to 9"],
        ];
        assert_eq!(table(schema), expected.map(|row| row.map(str::to_owned)));
    }

    #[test]
    fn rules_are_in_words() {
        for (field, kind, rules) in [
            (r#"{"type":["string","null"],"format":"email"}"#, "string or null", "format email"),
            (r#"{"enum":["a","b",3]}"#, "number or string", "one of a, b, 3"),
            (r#"{"const":true}"#, "boolean", "always true"),
            (
                r#"{"type":"string","minLength":1,"maxLength":20,"pattern":"^x"}"#,
                "string",
                "1 to 20 characters; matches ^x",
            ),
            (
                r#"{"type":"number","exclusiveMinimum":0,"multipleOf":0.01}"#,
                "number",
                "more than 0; a multiple of 0.01",
            ),
            (r#"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#, "array of string", "no item twice"),
            (r#"{"oneOf":[{"type":"string"},{"type":"integer"}],"default":1}"#, "string or integer", "by default 1"),
        ] {
            let schema = format!(r#"{{"properties":{{"a":{field}}}}}"#);
            assert_eq!(table(&schema), [["a", kind, "", rules].map(str::to_owned)], "{field}");
        }
    }

    #[test]
    fn combined_schemas_are_one_table_and_a_schema_within_itself_ends() {
        let combined = r#"{"allOf":[{"properties":{"a":{"type":"string"}},"required":["b"]},{"properties":{"b":{"type":"null"}}}]}"#;
        assert_eq!(table(combined).iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let recursive = read(r##"{"properties":{"child":{"$ref":"#"}}}"##);
        assert_eq!((recursive.rows.len(), recursive.is_cut), (MOST_LEVELS, true));
        let endless = read(r##"{"$ref":"#"}"##);
        assert!(endless.rows.is_empty());
        let many: Vec<_> = (0..500).map(|n| format!(r#""f{n}":{{}}"#)).collect();
        let many = read(&format!(r#"{{"properties":{{{}}}}}"#, many.join(",")));
        assert_eq!((many.rows.len(), many.is_cut), (MOST_ROWS, true));
    }

    #[test]
    fn data_that_is_no_object_is_one_row() {
        assert_eq!(table(r#"{"type":"string","maxLength":5}"#)[0][3], "at most 5 characters");
        assert!(read("true").rows.is_empty());
    }
}
