//! `template.yaml` matches the code: it has the same table and queues as the local host, event sources that keep failed
//! messages, and roles that allow exactly the functions' actions.

mod http;
mod internal_targets;
mod monitoring;
mod queues;
mod roles;
mod settings;
mod table;
mod triggers;

use std::collections::BTreeSet;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::support::text;

fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    assert_eq!(documents.len(), 1);
    to_json(&documents[0])
}

/// Converts the template to JSON. `!Ref Table` becomes `{"!Ref": "Table"}`.
fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => {
            let entry = |(key, value): (&Yaml<'_>, &Yaml<'_>)| (text(&to_json(key)).to_owned(), to_json(value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, value) => json!({format!("!{}", tag.suffix): to_json(value)}),
        other => panic!("not expected in a template: {other:?}"),
    }
}

fn properties<'a>(template: &'a Value, resource: &str) -> &'a Value {
    let found = &template["Resources"][resource]["Properties"];
    assert!(found.is_object(), "{resource}");
    found
}

/// The conditions of resources that depend on a parameter.
fn condition<'a>(template: &'a Value, resource: &str) -> &'a Value {
    &template["Resources"][resource]["Condition"]
}

#[test]
fn the_template_has_one_function_for_each_folder() {
    let template = template();
    let resources = template["Resources"].as_object().unwrap();
    let functions = resources.values().filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    let folders: BTreeSet<_> = functions.map(|function| text(&function["Properties"]["CodeUri"]).to_owned()).collect();
    let expected = ["api", "deliver", "ingest", "portal", "publish", "sweep"];
    assert_eq!(folders, expected.map(|name| format!("functions/{name}")).into());
}
