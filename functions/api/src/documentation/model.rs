//! The parts of an OpenAPI document that the page shows.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) info: Info,
    pub(super) tags: Vec<Tag>,
    pub(super) paths: IndexMap<String, IndexMap<String, Operation>>,
    pub(super) components: Components,
}

#[derive(Deserialize)]
pub(super) struct Info {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) version: String,
}

#[derive(Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    pub(super) schemas: IndexMap<String, Schema>,
    pub(super) security_schemes: IndexMap<String, SecurityScheme>,
}

#[derive(Deserialize)]
pub(super) struct SecurityScheme {
    pub(super) description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) operation_id: String,
    pub(super) tags: Vec<String>,
    pub(super) summary: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) parameters: Vec<Parameter>,
    pub(super) request_body: Option<Body>,
    pub(super) responses: IndexMap<String, Body>,
    #[serde(default)]
    pub(super) security: Vec<IndexMap<String, Value>>,
}

#[derive(Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) location: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) schema: Schema,
}

/// The body of a request or a response. The bodies of error responses are references and are not read: the page shows
/// only their status.
#[derive(Deserialize)]
pub(super) struct Body {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    content: IndexMap<String, Content>,
}

#[derive(Deserialize)]
struct Content {
    schema: Schema,
}

impl Body {
    /// The schema of the `application/json` content, if there is one.
    pub(super) fn json(&self) -> Option<&Schema> {
        self.content.get("application/json").map(|content| &content.schema)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    pub(super) description: String,
    pub(super) format: Option<String>,
    pub(super) pattern: Option<String>,
    #[serde(rename = "enum")]
    pub(super) words: Vec<Value>,
    pub(super) minimum: Option<Value>,
    pub(super) maximum: Option<Value>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) default: Option<Value>,
    pub(super) examples: Vec<Value>,
    pub(super) items: Option<Box<Schema>>,
    properties: IndexMap<String, Schema>,
    required: Vec<String>,
    one_of: Vec<Schema>,
    all_of: Vec<Schema>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    One(String),
    Several(Vec<String>),
}

/// A property of an object schema.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) schema: &'a Schema,
    pub(super) required: bool,
}

impl Schema {
    /// The name of the schema that this schema refers to.
    pub(super) fn name(&self) -> Option<&str> {
        self.reference.as_deref()?.strip_prefix("#/components/schemas/")
    }

    /// Whether the schema allows null.
    pub(super) fn is_nullable(&self) -> bool {
        let null = |schema: &Self| schema.kinds().any(|kind| kind == "null");
        null(self) || self.one_of.iter().any(null)
    }

    /// The JSON types that the schema allows.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        let kinds = match &self.kind {
            None => &[],
            Some(Kind::One(kind)) => std::slice::from_ref(kind),
            Some(Kind::Several(kinds)) => kinds.as_slice(),
        };
        kinds.iter().map(String::as_str)
    }

    /// The first alternative that is not null, or the schema itself.
    pub(super) fn unless_null(&self) -> &Self {
        self.one_of.iter().find(|schema| !schema.is_nullable()).unwrap_or(self)
    }
}

impl Document {
    /// The schema after following references and nullable alternatives.
    pub(super) fn resolve<'a>(&'a self, schema: &'a Schema) -> &'a Schema {
        let schema = schema.unless_null();
        match schema.name().and_then(|name| self.components.schemas.get(name)) {
            Some(named) => self.resolve(named),
            None => schema,
        }
    }

    /// The properties of an object schema, including those of the schemas that it is composed of.
    pub(super) fn fields<'a>(&'a self, schema: &'a Schema) -> Vec<Field<'a>> {
        let schema = self.resolve(schema);
        let own = schema.properties.iter().map(|(name, property)| Field {
            name,
            schema: property,
            required: schema.required.contains(name),
        });
        schema.all_of.iter().flat_map(|part| self.fields(part)).chain(own).collect()
    }

    /// The operations with this tag, each with its method and path.
    pub(super) fn operations(&self, tag: &str) -> impl Iterator<Item = (&str, &str, &Operation)> {
        self.paths.iter().flat_map(move |(path, item)| {
            let tagged = item.iter().filter(move |(_, operation)| operation.tags.iter().any(|own| own == tag));
            tagged.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
    }
}
