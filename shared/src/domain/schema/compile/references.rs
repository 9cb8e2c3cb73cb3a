//! Resolution of references within the document.

use super::places::{Place, PlaceId, Places};
use crate::domain::schema::document::NodeId;
use crate::domain::schema::error::SchemaError;
use crate::domain::schema::uri;

/// Where a reference leads, and the dynamic anchor that it names.
pub(crate) struct Target {
    pub(crate) node: NodeId,
    /// The name of the `$dynamicAnchor` at the target, if the reference names it.
    pub(crate) dynamic_anchor: Option<String>,
}

/// Resolves the reference that is the value of a keyword.
///
/// # Errors
/// [`SchemaError`] if it leads to another document, or nowhere.
pub(crate) fn resolve(places: &Places<'_>, from: PlaceId, keyword: NodeId) -> Result<Target, SchemaError> {
    let document = places.document;
    let error = |reason: &str| Err(SchemaError::new(document.pointer(keyword), reason));
    let Place { resource, .. } = *places.place(from);
    let reference = document.text(keyword);
    let (uri, fragment) = uri::resolve(&places.resource(resource).uri, reference);
    // A reference that is only a fragment stays in its resource.
    let resource =
        if reference.starts_with('#') { Some(places.resource(resource)) } else { places.resource_of_uri(&uri) };
    let Some(resource) = resource else {
        return error("must refer to a place in this document; other documents are not read");
    };
    if fragment.is_empty() {
        return Ok(Target { node: resource.root, dynamic_anchor: None });
    }
    if fragment.starts_with('/') {
        let mut segments = fragment.split('/').skip(1);
        let node = segments.try_fold(resource.root, |node, segment| document.descend(node, segment));
        return match node {
            Some(node) => Ok(Target { node, dynamic_anchor: None }),
            None => error("must refer to a place that exists in this document"),
        };
    }
    match resource.anchors.get(&fragment) {
        Some(node) => {
            let is_dynamic = resource.dynamic_anchors.get(&fragment) == Some(node);
            Ok(Target { node: *node, dynamic_anchor: is_dynamic.then_some(fragment) })
        }
        None => error("must refer to an anchor that exists in this document"),
    }
}
