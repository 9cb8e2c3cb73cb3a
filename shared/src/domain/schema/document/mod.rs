//! Parsed JSON in one flat list of nodes: about 50 bytes for each value, and exact about numbers and repeated names.

pub(crate) mod equality;
pub(crate) mod number;
pub(crate) mod parse;

use std::borrow::Cow;

use super::pointer;
use number::Number;

/// The position of a node in its document. The outermost value is the last node.
pub(crate) type NodeId = u32;

/// A parsed JSON text. Texts without escapes are borrowed from it.
#[derive(Default)]
pub(crate) struct Document<'a> {
    nodes: Vec<Node<'a>>,
    /// The elements of arrays, and the names and values of objects, sorted by name.
    links: Vec<NodeId>,
    root: NodeId,
}

struct Node<'a> {
    value: Json<'a>,
    parent: NodeId,
    /// The position in `links`.
    slot: u32,
}

/// A JSON value.
#[derive(Debug, Clone)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Links),
    Object(Links),
}

/// The elements of an array or the members of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    start: u32,
    /// The number of elements or members.
    pub(crate) count: u32,
}

impl<'a> Document<'a> {
    /// The document whose only value is this text.
    pub(crate) fn of_text(text: &'a str) -> Self {
        let mut document = Self::default();
        document.add(Json::Text(Cow::Borrowed(text)));
        document
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// The value of a node.
    pub(crate) fn value(&self, node: NodeId) -> &Json<'a> {
        &self.nodes[node as usize].value
    }

    /// The text of a node; empty if it is no text.
    pub(crate) fn text(&self, node: NodeId) -> &str {
        match self.value(node) {
            Json::Text(text) => text,
            _ => "",
        }
    }

    /// An array's element.
    pub(crate) fn element(&self, array: Links, index: u32) -> NodeId {
        self.links[(array.start + index) as usize]
    }

    /// An array's elements.
    pub(crate) fn elements(&self, array: Links) -> &[NodeId] {
        let start = array.start as usize;
        &self.links[start..start + array.count as usize]
    }

    /// The name and the value of an object's member. Members are sorted by name.
    pub(crate) fn member(&self, object: Links, index: u32) -> (NodeId, NodeId) {
        let at = (object.start + 2 * index) as usize;
        (self.links[at], self.links[at + 1])
    }

    /// The names and values of an object, sorted by name.
    pub(crate) fn members(&self, object: Links) -> impl Iterator<Item = (&str, NodeId)> {
        (0..object.count).map(move |index| {
            let (name, value) = self.member(object, index);
            (self.text(name), value)
        })
    }

    /// The position of the member with this name.
    pub(crate) fn position(&self, object: Links, name: &str) -> Option<u32> {
        let (mut low, mut high) = (0, object.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.text(self.member(object, middle).0).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// The value of the member with this name; `None` if there is none or the node is no object.
    pub(crate) fn get(&self, node: NodeId, name: &str) -> Option<NodeId> {
        match self.value(node) {
            Json::Object(object) => self.position(*object, name).map(|at| self.member(*object, at).1),
            _ => None,
        }
    }

    /// The value that a segment of a JSON Pointer names.
    pub(crate) fn descend(&self, node: NodeId, segment: &str) -> Option<NodeId> {
        match self.value(node) {
            Json::Array(array) => self.elements(*array).get(pointer::index(segment)?).copied(),
            _ => self.get(node, &pointer::unescaped(segment)),
        }
    }

    /// The array or object that contains a node.
    pub(crate) fn parent(&self, node: NodeId) -> Option<NodeId> {
        if node == self.root { None } else { Some(self.nodes[node as usize].parent) }
    }

    /// A node's JSON Pointer, relative to one of the nodes that contain it. A name has its object's pointer.
    pub(crate) fn pointer_from(&self, ancestor: NodeId, node: NodeId) -> String {
        let mut path = Vec::new();
        let mut at = node;
        while at != ancestor {
            let Some(parent) = self.parent(at) else { break };
            path.push(at);
            at = parent;
        }
        let mut pointer = String::new();
        for node in path.into_iter().rev() {
            self.push_segment(&mut pointer, node);
        }
        pointer
    }

    /// A node's JSON Pointer; that of a node around it if it has more bytes than this.
    pub(crate) fn pointer_within(&self, node: NodeId, max_bytes: usize) -> String {
        let mut path = vec![node];
        path.extend(std::iter::successors(self.parent(node), |node| self.parent(*node)));
        let mut pointer = String::new();
        for node in path.into_iter().rev().filter(|node| *node != self.root) {
            let length = pointer.len();
            // A segment can be much longer than the limit.
            let is_short = match self.place_in_parent(node) {
                InParent::Member(name) => name.len() < max_bytes,
                _ => true,
            };
            if is_short {
                self.push_segment(&mut pointer, node);
            }
            if !is_short || pointer.len() > max_bytes {
                pointer.truncate(length);
                break;
            }
        }
        pointer
    }

    fn push_segment(&self, pointer: &mut String, node: NodeId) {
        match self.place_in_parent(node) {
            InParent::Element(index) => pointer::push(pointer, &index.to_string()),
            InParent::Member(name) => pointer::push(pointer, name),
            InParent::Name => {}
        }
    }

    /// A node's JSON Pointer.
    pub(crate) fn pointer(&self, node: NodeId) -> String {
        self.pointer_from(self.root, node)
    }

    /// Whether the node is the name of a member.
    pub(crate) fn is_name(&self, node: NodeId) -> bool {
        node != self.root && matches!(self.place_in_parent(node), InParent::Name)
    }

    fn place_in_parent(&self, node: NodeId) -> InParent<'_> {
        let Node { parent, slot, .. } = self.nodes[node as usize];
        match self.value(parent) {
            Json::Object(object) if (slot - object.start) % 2 == 0 => InParent::Name,
            Json::Object(_) => InParent::Member(self.text(self.links[slot as usize - 1])),
            Json::Array(array) => InParent::Element(slot - array.start),
            _ => InParent::Name,
        }
    }

    /// Copies a value of another document into this one. Returns the node and the number of copied nodes.
    pub(crate) fn adopt(&mut self, from: &Document<'_>, node: NodeId) -> (NodeId, usize) {
        let mut copied = 1;
        let value = match from.value(node) {
            Json::Null => Json::Null,
            Json::Bool(value) => Json::Bool(*value),
            Json::Number(number) => Json::Number(*number),
            Json::Text(text) => Json::Text(Cow::Owned(text.as_ref().to_owned().into_boxed_str().into_string())),
            Json::Array(links) | Json::Object(links) => {
                let is_object = matches!(from.value(node), Json::Object(_));
                let length = if is_object { 2 * links.count } else { links.count };
                let children: Vec<_> = (links.start..links.start + length)
                    .map(|slot| {
                        let (child, nodes) = self.adopt(from, from.links[slot as usize]);
                        copied += nodes;
                        child
                    })
                    .collect();
                let links = Links { start: self.next_slot(), count: links.count };
                let value = if is_object { Json::Object(links) } else { Json::Array(links) };
                return (self.add_container(value, &children), copied);
            }
        };
        (self.add(value), copied)
    }

    /// Releases the memory that is reserved for more nodes.
    pub(crate) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.links.shrink_to_fit();
    }

    fn next_slot(&self) -> u32 {
        u32::try_from(self.links.len()).unwrap_or(u32::MAX)
    }

    fn add(&mut self, value: Json<'a>) -> NodeId {
        let node = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        self.nodes.push(Node { value, parent: node, slot: 0 });
        self.root = node;
        node
    }

    fn add_container(&mut self, value: Json<'a>, children: &[NodeId]) -> NodeId {
        let node = self.add(value);
        for child in children {
            let slot = self.next_slot();
            self.links.push(*child);
            let child = &mut self.nodes[*child as usize];
            (child.parent, child.slot) = (node, slot);
        }
        node
    }
}

enum InParent<'a> {
    Element(u32),
    Member(&'a str),
    Name,
}
