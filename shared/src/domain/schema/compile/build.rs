//! Builds the compiled subschemas from the checked document.

use std::collections::HashMap;

use super::check::{names, types};
use super::forms::form_of;
use super::places::{PlaceId, Places};
use super::references;
use super::scopes::{ScopeId, Scopes};
use crate::domain::schema::document::number::Number;
use crate::domain::schema::document::{Document, Json, NodeId};
use crate::domain::schema::draft::Draft;
use crate::domain::schema::error::SchemaError;
use crate::domain::schema::limits::MAX_RESOLVED_SUBSCHEMAS;
use crate::domain::schema::program::{
    Compiled, Conditional, Contains, Enumeration, Items, Keyword, Location, Members, Program, SchemaId,
};

/// Compiles all subschemas that the document's schema can reach.
///
/// # Errors
/// [`SchemaError`] if a reference leads nowhere, or if there are too many subschemas.
pub(crate) fn build(mut places: Places<'_>) -> Result<Program, SchemaError> {
    check_references(&mut places)?;
    let root = places.at(places.document.root())?;
    let mut builder = Builder {
        places,
        scopes: Scopes::new(),
        ids: HashMap::new(),
        waiting: Vec::new(),
        literals: Document::default(),
    };
    builder.id(root, 0)?;
    let mut schemas: Vec<Compiled> = Vec::new();
    // Subschemas are numbered in the order in which they are found, so that each is built at its position.
    while let Some((place, scope)) = builder.waiting.get(schemas.len()).copied() {
        let keywords = builder.keywords(place, scope)?;
        schemas.push(Compiled { keywords: keywords.into(), location: place, ..Compiled::default() });
    }
    let Builder { places, mut literals, .. } = builder;
    literals.shrink();
    let locations = places.places.iter().map(|place| {
        let from = place.parent.map_or(places.document.root(), |parent| places.place(parent).node);
        let pointer = places.document.pointer_from(from, place.node).into();
        Location { parent: place.parent, pointer }
    });
    let locations = locations.collect();
    let mut patterns = places.patterns;
    patterns.shrink_to_fit();
    schemas.shrink_to_fit();
    Ok(Program { draft: places.draft, schemas, locations, patterns, literals })
}

/// Checks the references of all subschemas, also of those that nothing reaches.
fn check_references(places: &mut Places<'_>) -> Result<(), SchemaError> {
    let mut place = 0;
    while (place as usize) < places.places.len() {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let known = form_of(places.draft, keyword).is_some();
            if let Some(value) = places.document.get(places.place(place).node, keyword).filter(|_| known) {
                let target = references::resolve(places, place, value)?;
                places.at(target.node)?;
            }
        }
        place += 1;
    }
    Ok(())
}

pub(super) struct Builder<'d> {
    places: Places<'d>,
    scopes: Scopes,
    ids: HashMap<(PlaceId, ScopeId), SchemaId>,
    waiting: Vec<(PlaceId, ScopeId)>,
    literals: Document<'static>,
}

type CountKeyword = fn(u64) -> Keyword;

/// A subschema whose keywords are being built.
#[derive(Clone, Copy)]
struct At {
    node: NodeId,
    place: PlaceId,
    scope: ScopeId,
}

impl Builder<'_> {
    /// The position of the compiled subschema of a place that is entered from a scope.
    fn id(&mut self, place: PlaceId, scope: ScopeId) -> Result<SchemaId, SchemaError> {
        let scope = self.scopes.enter(scope, &self.places, self.places.place(place).resource);
        let next = SchemaId::try_from(self.waiting.len()).unwrap_or(SchemaId::MAX);
        if self.waiting.len() >= MAX_RESOLVED_SUBSCHEMAS && !self.ids.contains_key(&(place, scope)) {
            let reason = format!(
                "must have at most {MAX_RESOLVED_SUBSCHEMAS} subschemas after its dynamic references are resolved"
            );
            return Err(SchemaError::new("", reason));
        }
        let waiting = &mut self.waiting;
        Ok(*self.ids.entry((place, scope)).or_insert_with(|| {
            waiting.push((place, scope));
            next
        }))
    }

    fn child(&mut self, at: At, node: NodeId) -> Result<SchemaId, SchemaError> {
        let place = self.places.at(node)?;
        self.id(place, at.scope)
    }

    fn get(&self, at: At, keyword: &str) -> Option<NodeId> {
        form_of(self.places.draft, keyword).and_then(|_| self.places.document.get(at.node, keyword))
    }

    fn number(&self, at: At, keyword: &str) -> Option<Number> {
        match self.places.document.value(self.get(at, keyword)?) {
            Json::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn count(&self, at: At, keyword: &str) -> Option<u64> {
        self.number(at, keyword)?.as_count()
    }

    fn is_true(&self, at: At, keyword: &str) -> bool {
        self.get(at, keyword).is_some_and(|value| matches!(self.places.document.value(value), Json::Bool(true)))
    }

    fn one(&mut self, at: At, keyword: &str) -> Result<Option<SchemaId>, SchemaError> {
        self.get(at, keyword).map(|node| self.child(at, node)).transpose()
    }

    fn list(&mut self, at: At, keyword: &str) -> Result<Option<Box<[SchemaId]>>, SchemaError> {
        let document = self.places.document;
        let Some(Json::Array(array)) = self.get(at, keyword).map(|node| document.value(node)) else { return Ok(None) };
        document.elements(*array).iter().map(|node| self.child(at, *node)).collect::<Result<_, _>>().map(Some)
    }

    fn map(&mut self, at: At, keyword: &str) -> Result<Vec<(Box<str>, SchemaId)>, SchemaError> {
        let document = self.places.document;
        let Some(Json::Object(object)) = self.get(at, keyword).map(|node| document.value(node)) else {
            return Ok(Vec::new());
        };
        let is_schema = |node: &NodeId| !matches!(document.value(*node), Json::Array(_));
        let members = document.members(*object).filter(|(_, node)| is_schema(node));
        members.map(|(name, node)| Ok((name.into(), self.child(at, node)?))).collect()
    }

    fn keywords(&mut self, place: PlaceId, scope: ScopeId) -> Result<Vec<Keyword>, SchemaError> {
        let at = At { node: self.places.place(place).node, place, scope };
        match self.places.document.value(at.node) {
            Json::Bool(true) => return Ok(Vec::new()),
            Json::Bool(false) => return Ok(vec![Keyword::Never]),
            _ => {}
        }
        let mut keywords = Vec::new();
        if self.places.is_only_reference(at.node) {
            self.references(at, &mut keywords)?;
            return Ok(keywords);
        }
        self.assertions(at, &mut keywords);
        self.references(at, &mut keywords)?;
        self.at_same_place(at, &mut keywords)?;
        self.below(at, &mut keywords)?;
        Ok(keywords)
    }

    /// Keywords without subschemas.
    fn assertions(&mut self, at: At, out: &mut Vec<Keyword>) {
        let document = self.places.document;
        out.extend(self.get(at, "type").and_then(|node| types(document, node)).map(Keyword::Types));
        if let Some(value) = self.get(at, "const") {
            out.push(Keyword::Constant(self.literals.adopt(document, value).0));
        }
        if let Some(Json::Array(values)) = self.get(at, "enum").map(|node| document.value(node)) {
            let (mut texts, mut others) = (Vec::new(), Vec::new());
            for value in document.elements(*values) {
                match document.value(*value) {
                    Json::Text(text) => texts.push(Box::from(text.as_ref())),
                    _ => others.push(self.literals.adopt(document, *value).0),
                }
            }
            texts.sort_unstable();
            out.push(Keyword::Enumeration(Box::new(Enumeration { texts: texts.into(), others: others.into() })));
        }
        let (minimum, maximum) = (self.number(at, "minimum"), self.number(at, "maximum"));
        if self.places.draft == Draft::Draft4 {
            let (above, below) = (self.is_true(at, "exclusiveMinimum"), self.is_true(at, "exclusiveMaximum"));
            out.extend(minimum.map(if above { Keyword::ExclusiveMinimum } else { Keyword::Minimum }));
            out.extend(maximum.map(if below { Keyword::ExclusiveMaximum } else { Keyword::Maximum }));
        } else {
            out.extend(minimum.map(Keyword::Minimum));
            out.extend(maximum.map(Keyword::Maximum));
            out.extend(self.number(at, "exclusiveMinimum").map(Keyword::ExclusiveMinimum));
            out.extend(self.number(at, "exclusiveMaximum").map(Keyword::ExclusiveMaximum));
        }
        out.extend(self.number(at, "multipleOf").map(Keyword::MultipleOf));
        let counts: [(&str, CountKeyword); 6] = [
            ("minLength", Keyword::MinLength),
            ("maxLength", Keyword::MaxLength),
            ("minItems", Keyword::MinItems),
            ("maxItems", Keyword::MaxItems),
            ("minProperties", Keyword::MinProperties),
            ("maxProperties", Keyword::MaxProperties),
        ];
        for (name, keyword) in counts {
            out.extend(self.count(at, name).map(keyword));
        }
        let boxed = |names: Vec<&str>| names.into_iter().map(Box::from).collect::<Box<[Box<str>]>>();
        let required = self.get(at, "required").and_then(|node| names(document, node));
        out.extend(required.map(|names| Keyword::Required(boxed(names))));
        for keyword in ["dependentRequired", "dependencies"] {
            let Some(Json::Object(object)) = self.get(at, keyword).map(|node| document.value(node)) else { continue };
            let lists =
                document.members(*object).filter_map(|(name, node)| Some((name.into(), boxed(names(document, node)?))));
            let lists: Box<[_]> = lists.collect();
            if !lists.is_empty() {
                out.push(Keyword::DependentRequired(keyword, lists));
            }
        }
        let pattern = self.get(at, "pattern").and_then(|node| self.places.pattern(document.text(node)));
        out.extend(pattern.map(Keyword::Pattern));
        if self.is_true(at, "uniqueItems") {
            out.push(Keyword::UniqueItems);
        }
    }

    fn references(&mut self, at: At, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(value) = self.get(at, keyword) else { continue };
            let target = references::resolve(&self.places, at.place, value)?;
            let anchor = match keyword {
                "$dynamicRef" => target.dynamic_anchor,
                "$recursiveRef" => {
                    let resource = self.places.resource(self.places.place(at.place).resource);
                    resource.dynamic_anchors.contains_key("").then(String::new)
                }
                _ => None,
            };
            let node = anchor.and_then(|name| self.scopes.target(at.scope, &name)).unwrap_or(target.node);
            out.push(Keyword::Reference(keyword, self.child(at, node)?));
        }
        Ok(())
    }

    /// Keywords whose subschemas apply to the same place of the data.
    fn at_same_place(&mut self, at: At, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        out.extend(self.list(at, "allOf")?.map(Keyword::AllOf));
        out.extend(self.list(at, "anyOf")?.map(Keyword::AnyOf));
        out.extend(self.list(at, "oneOf")?.map(Keyword::OneOf));
        out.extend(self.one(at, "not")?.map(Keyword::Not));
        if let Some(condition) = self.one(at, "if")? {
            let (then, otherwise) = (self.one(at, "then")?, self.one(at, "else")?);
            out.push(Keyword::If(Box::new(Conditional { condition, then, otherwise })));
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            let schemas = self.map(at, keyword)?;
            if !schemas.is_empty() {
                out.push(Keyword::DependentSchemas(keyword, schemas.into()));
            }
        }
        Ok(())
    }

    /// Keywords whose subschemas apply to names, members and elements.
    fn below(&mut self, at: At, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        let properties = self.map(at, "properties")?;
        let patterns = self.map(at, "patternProperties")?.into_iter();
        let patterns: Box<[_]> =
            patterns.filter_map(|(pattern, schema)| Some((self.places.pattern(&pattern)?, schema))).collect();
        let additional = self.one(at, "additionalProperties")?;
        if !properties.is_empty() || !patterns.is_empty() || additional.is_some() {
            out.push(Keyword::Members(Box::new(Members { properties: properties.into(), patterns, additional })));
        }
        out.extend(self.one(at, "propertyNames")?.map(Keyword::PropertyNames));
        let (prefix, rest) = if self.places.draft == Draft::Draft202012 {
            (self.list(at, "prefixItems")?, self.one(at, "items")?)
        } else {
            match self.list(at, "items")? {
                Some(prefix) => (Some(prefix), self.one(at, "additionalItems")?),
                None => (None, self.one(at, "items")?),
            }
        };
        if prefix.is_some() || rest.is_some() {
            out.push(Keyword::Items(Box::new(Items { prefix: prefix.unwrap_or_default(), rest })));
        }
        if let Some(schema) = self.one(at, "contains")? {
            let (min, max) = (self.count(at, "minContains").unwrap_or(1), self.count(at, "maxContains"));
            let evaluates = self.places.draft == Draft::Draft202012;
            out.push(Keyword::Contains(Box::new(Contains { schema, min, max, evaluates })));
        }
        out.extend(self.one(at, "unevaluatedProperties")?.map(Keyword::UnevaluatedProperties));
        out.extend(self.one(at, "unevaluatedItems")?.map(Keyword::UnevaluatedItems));
        Ok(())
    }
}
