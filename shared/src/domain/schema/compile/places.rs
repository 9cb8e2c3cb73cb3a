//! The subschemas of a document, each checked, and the names by which references find them.

use std::collections::HashMap;

use super::check;
use super::forms::form_of;
use crate::domain::schema::document::{Document, Json, NodeId};
use crate::domain::schema::draft::Draft;
use crate::domain::schema::error::SchemaError;
use crate::domain::schema::limits::{
    MAX_COMPILED_PATTERNS_BYTES, MAX_DYNAMIC_ANCHORS, MAX_LISTED_ELEMENTS, MAX_PATTERNS, MAX_SUBSCHEMAS,
};
use crate::domain::schema::pattern::Pattern;
use crate::domain::schema::program::PatternId;
use crate::domain::schema::uri;

pub(crate) type PlaceId = u32;
pub(crate) type ResourceId = u32;

/// A subschema in the document.
pub(crate) struct Place {
    pub(crate) node: NodeId,
    pub(crate) parent: Option<PlaceId>,
    pub(crate) resource: ResourceId,
}

/// A schema with an identifier of its own: the document, or a subschema with `$id`.
#[derive(Default)]
pub(crate) struct Resource {
    pub(crate) uri: String,
    pub(crate) root: NodeId,
    pub(crate) anchors: HashMap<String, NodeId>,
    /// The anchors of `$dynamicAnchor`. `$recursiveAnchor` is one with an empty name.
    pub(crate) dynamic_anchors: HashMap<String, NodeId>,
}

/// All subschemas of a document.
pub(crate) struct Places<'d> {
    pub(crate) document: &'d Document<'d>,
    pub(crate) draft: Draft,
    pub(crate) places: Vec<Place>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) patterns: Vec<Pattern>,
    by_node: HashMap<NodeId, PlaceId>,
    by_uri: HashMap<String, ResourceId>,
    by_pattern: HashMap<&'d str, PatternId>,
    pattern_bytes: usize,
    listed: usize,
    dynamic_anchors: usize,
}

impl<'d> Places<'d> {
    /// Finds and checks all subschemas.
    ///
    /// # Errors
    /// [`SchemaError`] for the first fault.
    pub(crate) fn find(document: &'d Document<'d>, draft: Draft) -> Result<Self, SchemaError> {
        let mut places = Self {
            document,
            draft,
            places: Vec::new(),
            resources: Vec::new(),
            patterns: Vec::new(),
            by_node: HashMap::new(),
            by_uri: HashMap::new(),
            by_pattern: HashMap::new(),
            pattern_bytes: 0,
            listed: 0,
            dynamic_anchors: 0,
        };
        let root = document.root();
        let uri = places.identifier(root, "").map_or(String::new(), |(uri, _)| uri);
        places.add_resource(uri, root)?;
        places.add_all(root, None, 0)?;
        Ok(places)
    }

    /// The subschema at this node. A reference may lead to a part of the document that no keyword declares as a
    /// schema; it is then checked as one.
    pub(crate) fn at(&mut self, node: NodeId) -> Result<PlaceId, SchemaError> {
        if let Some(place) = self.by_node.get(&node) {
            return Ok(*place);
        }
        let mut ancestor = self.document.parent(node);
        while let Some(at) = ancestor {
            if let Some(place) = self.by_node.get(&at) {
                let resource = self.places[*place as usize].resource;
                return self.add_all(node, Some(*place), resource);
            }
            ancestor = self.document.parent(at);
        }
        self.add_all(node, None, 0)
    }

    pub(crate) fn place(&self, place: PlaceId) -> &Place {
        &self.places[place as usize]
    }

    pub(crate) fn resource(&self, resource: ResourceId) -> &Resource {
        &self.resources[resource as usize]
    }

    pub(crate) fn resource_of_uri(&self, uri: &str) -> Option<&Resource> {
        self.by_uri.get(uri).map(|resource| self.resource(*resource))
    }

    pub(crate) fn pattern(&self, pattern: &str) -> Option<PatternId> {
        self.by_pattern.get(pattern).copied()
    }

    /// Whether the keywords of this node are ignored, as it is a reference of an older draft.
    pub(crate) fn is_only_reference(&self, node: NodeId) -> bool {
        self.draft.ignores_siblings_of_references()
            && self.document.get(node, "$ref").is_some_and(|r| matches!(self.document.value(r), Json::Text(_)))
    }

    fn error(&self, node: NodeId, reason: impl Into<String>) -> SchemaError {
        SchemaError::new(self.document.pointer(node), reason)
    }

    /// The URI and the fragment of a node's identifier.
    fn identifier(&self, node: NodeId, base: &str) -> Option<(String, String)> {
        if self.is_only_reference(node) {
            return None;
        }
        match self.document.value(self.document.get(node, self.draft.id_keyword())?) {
            Json::Text(id) => Some(uri::resolve(base, id)),
            _ => None,
        }
    }

    /// Adds a subschema and all subschemas in it.
    fn add_all(&mut self, node: NodeId, parent: Option<PlaceId>, resource: ResourceId) -> Result<PlaceId, SchemaError> {
        let first = PlaceId::try_from(self.places.len()).unwrap_or(PlaceId::MAX);
        let mut waiting = vec![(node, parent, resource)];
        while let Some((node, parent, resource)) = waiting.pop() {
            if self.by_node.contains_key(&node) {
                continue;
            }
            if self.places.len() >= MAX_SUBSCHEMAS {
                return Err(SchemaError::new("", format!("must have at most {MAX_SUBSCHEMAS} subschemas")));
            }
            let place = PlaceId::try_from(self.places.len()).unwrap_or(PlaceId::MAX);
            let resource = self.resource_at(node, resource)?;
            self.places.push(Place { node, parent, resource });
            self.by_node.insert(node, place);
            let children = self.check(node, parent.is_none())?;
            waiting.extend(children.into_iter().rev().map(|child| (child, Some(place), resource)));
        }
        Ok(first)
    }

    /// The resource to which a subschema belongs. Registers its identifier and anchors.
    fn resource_at(&mut self, node: NodeId, around: ResourceId) -> Result<ResourceId, SchemaError> {
        let mut resource = around;
        let base = self.resource(around).uri.clone();
        if let Some((uri, fragment)) = self.identifier(node, &base) {
            let id = self.document.get(node, self.draft.id_keyword()).unwrap_or(node);
            if self.draft > Draft::Draft7 && !fragment.is_empty() {
                return Err(self.error(id, "must not have a fragment; use $anchor"));
            }
            if uri != base {
                resource = self.add_resource(uri, node)?;
            }
            if !fragment.is_empty() && !fragment.starts_with('/') {
                self.add_anchor(resource, fragment, node, id)?;
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            let Some(value) = self.document.get(node, keyword).filter(|_| form_of(self.draft, keyword).is_some())
            else {
                continue;
            };
            let name = self.document.text(value).to_owned();
            self.add_anchor(resource, name.clone(), node, value)?;
            if keyword == "$dynamicAnchor" {
                self.add_dynamic_anchor(resource, name, node)?;
            }
        }
        let is_recursive = self.document.get(node, "$recursiveAnchor").map(|value| self.document.value(value));
        if self.draft == Draft::Draft201909 && matches!(is_recursive, Some(Json::Bool(true))) {
            self.add_dynamic_anchor(resource, String::new(), node)?;
        }
        Ok(resource)
    }

    fn add_resource(&mut self, uri: String, root: NodeId) -> Result<ResourceId, SchemaError> {
        let id = ResourceId::try_from(self.resources.len()).unwrap_or(ResourceId::MAX);
        if self.by_uri.insert(uri.clone(), id).is_some() {
            let keyword = self.document.get(root, self.draft.id_keyword()).unwrap_or(root);
            return Err(self.error(keyword, "must not be the identifier of another subschema"));
        }
        self.resources.push(Resource { uri, root, ..Resource::default() });
        Ok(id)
    }

    fn add_anchor(
        &mut self,
        resource: ResourceId,
        name: String,
        node: NodeId,
        keyword: NodeId,
    ) -> Result<(), SchemaError> {
        match self.resources[resource as usize].anchors.insert(name, node) {
            Some(other) if other != node => Err(self.error(keyword, "must not be the anchor of another subschema")),
            _ => Ok(()),
        }
    }

    fn add_dynamic_anchor(&mut self, resource: ResourceId, name: String, node: NodeId) -> Result<(), SchemaError> {
        self.dynamic_anchors += 1;
        if self.dynamic_anchors > MAX_DYNAMIC_ANCHORS {
            let reason = format!("must have at most {MAX_DYNAMIC_ANCHORS} dynamic anchors");
            return Err(SchemaError::new("", reason));
        }
        self.resources[resource as usize].dynamic_anchors.insert(name, node);
        Ok(())
    }

    /// Checks a subschema's keywords. Returns the subschemas in it.
    fn check(&mut self, node: NodeId, is_document: bool) -> Result<Vec<NodeId>, SchemaError> {
        let document = self.document;
        let object = match document.value(node) {
            Json::Object(object) => *object,
            Json::Bool(_) if self.draft > Draft::Draft4 || self.is_boolean_of_draft_4(node) => return Ok(Vec::new()),
            _ if self.draft == Draft::Draft4 => return Err(self.error(node, "must be a schema: an object")),
            _ => return Err(self.error(node, "must be a schema: an object or a boolean")),
        };
        let mut children = Vec::new();
        for index in 0..object.count {
            let (name, value) = document.member(object, index);
            let keyword = document.text(name);
            let Some(form) = form_of(self.draft, keyword) else { continue };
            let contents = check::contents(document, self.draft, form, value)?;
            if keyword == "$schema" && !is_document && Draft::of_uri(document.text(value)) != Some(self.draft) {
                return Err(self.error(value, "must be the $schema of the whole document"));
            }
            self.listed += contents.listed;
            if self.listed > MAX_LISTED_ELEMENTS {
                let reason = format!(
                    "must have at most {MAX_LISTED_ELEMENTS} elements in all of enum, const, required and dependentRequired"
                );
                return Err(SchemaError::new("", reason));
            }
            for pattern in contents.patterns {
                self.add_pattern(pattern, value)?;
            }
            children.extend(contents.schemas);
        }
        Ok(children)
    }

    fn is_boolean_of_draft_4(&self, node: NodeId) -> bool {
        let Some(parent) = self.document.parent(node) else { return false };
        ["additionalProperties", "additionalItems"]
            .iter()
            .any(|keyword| self.document.get(parent, keyword) == Some(node))
    }

    fn add_pattern(&mut self, node: NodeId, value: NodeId) -> Result<(), SchemaError> {
        let text = self.document.text(node);
        if self.by_pattern.contains_key(text) {
            return Ok(());
        }
        if self.patterns.len() >= MAX_PATTERNS {
            return Err(SchemaError::new("", format!("must have at most {MAX_PATTERNS} different patterns")));
        }
        let place = |places: &Self| match places.document.is_name(node) {
            true => crate::domain::schema::pointer::joined(&places.document.pointer(value), text),
            false => places.document.pointer(node),
        };
        let pattern = Pattern::compile(text).map_err(|reason| SchemaError::new(place(self), reason))?;
        self.pattern_bytes += pattern.size();
        if self.pattern_bytes > MAX_COMPILED_PATTERNS_BYTES {
            let reason = format!(
                "must need, with all other patterns, at most {MAX_COMPILED_PATTERNS_BYTES} bytes when it is compiled"
            );
            return Err(SchemaError::new(place(self), reason));
        }
        self.by_pattern.insert(text, PatternId::try_from(self.patterns.len()).unwrap_or(PatternId::MAX));
        self.patterns.push(pattern);
        Ok(())
    }
}
