//! Dynamic scopes. A `$dynamicRef` leads to the outermost schema with the same `$dynamicAnchor` among those through
//! which the evaluation came. The document is known, so that this is decided when it is compiled: a subschema is
//! compiled once for each scope in which it can apply, and the evaluation has no scopes.

use std::collections::HashMap;
use std::rc::Rc;

use super::places::{Places, ResourceId};
use crate::domain::schema::document::NodeId;

/// The position of a scope. 0 is the empty scope.
pub(crate) type ScopeId = u32;

/// Where each dynamic anchor leads, sorted by name.
type Scope = Rc<[(String, NodeId)]>;

/// The scopes of a document.
pub(crate) struct Scopes {
    scopes: Vec<Scope>,
    ids: HashMap<Scope, ScopeId>,
}

impl Scopes {
    pub(crate) fn new() -> Self {
        let empty = Scope::from([]);
        Self { scopes: vec![Rc::clone(&empty)], ids: HashMap::from([(empty, 0)]) }
    }

    /// The scope after a resource is entered. Anchors of outer resources keep their meaning.
    pub(crate) fn enter(&mut self, scope: ScopeId, places: &Places<'_>, resource: ResourceId) -> ScopeId {
        let anchors = &places.resource(resource).dynamic_anchors;
        if anchors.keys().all(|name| self.target(scope, name).is_some()) {
            return scope;
        }
        let mut inner = self.scopes[scope as usize].to_vec();
        for (name, node) in anchors {
            if self.target(scope, name).is_none() {
                inner.push((name.clone(), *node));
            }
        }
        inner.sort_unstable();
        let next = ScopeId::try_from(self.scopes.len()).unwrap_or(ScopeId::MAX);
        *self.ids.entry(inner.into()).or_insert_with_key(|scope| {
            self.scopes.push(Rc::clone(scope));
            next
        })
    }

    /// Where an anchor leads in a scope.
    pub(crate) fn target(&self, scope: ScopeId, name: &str) -> Option<NodeId> {
        let scope = &self.scopes[scope as usize];
        scope.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().map(|at| scope[at].1)
    }
}
