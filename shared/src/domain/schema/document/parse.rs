//! Parsing of JSON text, by `serde_json`, into a document.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::number::Number;
use super::{Document, Json, Links, NodeId};
use crate::domain::schema::pointer;

/// Why a text is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// It has more levels than allowed.
    TooDeep { pointer: String },
    /// An object has a name twice. Parsers disagree on which of the values counts.
    RepeatedName { pointer: String, name: String },
    /// A number is outside of the range of 64-bit floating point.
    NumberOutOfRange { pointer: String },
    /// It is not JSON.
    Syntax(String),
}

/// Parses a text with at most this many levels of nested objects and arrays.
pub(crate) fn parse(text: &str, max_levels: usize) -> Result<Document<'_>, ParseError> {
    let mut builder =
        Builder { document: Document::default(), open: Vec::new(), path: Vec::new(), max_levels, fault: None };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match (&mut builder).deserialize(&mut deserializer).and_then(|_| deserializer.end()) {
        Ok(()) => Ok(builder.document),
        Err(error) => Err(builder.fault.take().unwrap_or_else(|| builder.what_is_wrong(&error))),
    }
}

struct Builder<'a> {
    document: Document<'a>,
    /// The parsed children of the containers that are not yet complete.
    open: Vec<NodeId>,
    /// The place of the value that is being parsed.
    path: Vec<Segment>,
    max_levels: usize,
    fault: Option<ParseError>,
}

#[derive(Clone, Copy)]
enum Segment {
    Element(usize),
    Member(NodeId),
}

impl<'a> Builder<'a> {
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in &self.path {
            match segment {
                Segment::Element(index) => pointer::push(&mut pointer, &index.to_string()),
                Segment::Member(name) => pointer::push(&mut pointer, self.document.text(*name)),
            }
        }
        pointer
    }

    fn what_is_wrong(&self, error: &serde_json::Error) -> ParseError {
        let message = error.to_string();
        if message.starts_with("number out of range") {
            ParseError::NumberOutOfRange { pointer: self.pointer() }
        } else {
            ParseError::Syntax(message)
        }
    }

    fn enter<E: Error>(&mut self) -> Result<usize, E> {
        if self.path.len() >= self.max_levels {
            let pointer = self.pointer();
            return Err(self.refuse(ParseError::TooDeep { pointer }));
        }
        Ok(self.open.len())
    }

    fn refuse<E: Error>(&mut self, fault: ParseError) -> E {
        self.fault = Some(fault);
        E::custom("refused")
    }

    fn leave(&mut self, first: usize, container: impl FnOnce(Links) -> Json<'a>, size: usize) -> NodeId {
        let count = u32::try_from((self.open.len() - first) / size).unwrap_or(u32::MAX);
        let links = Links { start: self.document.next_slot(), count };
        let node = self.document.add_container(container(links), self.open.get(first..).unwrap_or_default());
        self.open.truncate(first);
        node
    }

    /// Sorts the members after this position by name. Returns a name that occurs twice.
    fn sort(&mut self, first: usize) -> Option<NodeId> {
        let document = &self.document;
        let (members, _) = self.open.get_mut(first..).unwrap_or_default().as_chunks_mut::<2>();
        let is_sorted = members.windows(2).all(|pair| document.text(pair[0][0]) < document.text(pair[1][0]));
        if is_sorted {
            return None;
        }
        members.sort_unstable_by(|[a, _], [b, _]| document.text(*a).cmp(document.text(*b)));
        let repeated = members.windows(2).find(|pair| document.text(pair[0][0]) == document.text(pair[1][0]));
        repeated.map(|pair| pair[0][0])
    }
}

impl<'a> DeserializeSeed<'a> for &mut Builder<'a> {
    type Value = NodeId;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<NodeId, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for &mut Builder<'a> {
    type Value = NodeId;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Number(Number::Natural(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Number(Number::of_i64(value))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Number(Number::of_f64(value))))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<NodeId, E> {
        Ok(self.document.add(Json::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<NodeId, A::Error> {
        let first = self.enter()?;
        for index in 0.. {
            self.path.push(Segment::Element(index));
            let Some(element) = elements.next_element_seed(&mut *self)? else { break };
            self.path.pop();
            self.open.push(element);
        }
        self.path.pop();
        Ok(self.leave(first, Json::Array, 1))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<NodeId, A::Error> {
        let first = self.enter()?;
        while let Some(name) = members.next_key_seed(&mut *self)? {
            self.path.push(Segment::Member(name));
            let value = members.next_value_seed(&mut *self)?;
            self.path.pop();
            self.open.extend([name, value]);
        }
        if let Some(repeated) = self.sort(first) {
            let name = self.document.text(repeated).to_owned();
            let pointer = self.pointer();
            return Err(self.refuse(ParseError::RepeatedName { pointer, name }));
        }
        Ok(self.leave(first, Json::Object, 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_the_place_in_the_text() {
        let deep = |pointer: &str| ParseError::TooDeep { pointer: pointer.to_owned() };
        let table = [
            (r#"{"a":[{"b":[]}]}"#, 3, deep("/a/0/b")),
            ("[[]]", 1, deep("/0")),
            ("[]", 0, deep("")),
            (r#"[{"x":1,"a":2,"x":3}]"#, 9, ParseError::RepeatedName { pointer: "/0".into(), name: "x".into() }),
            (r#"[{"\u0078":1,"x":3}]"#, 9, ParseError::RepeatedName { pointer: "/0".into(), name: "x".into() }),
            (r#"{"a/b":[0,1e400]}"#, 9, ParseError::NumberOutOfRange { pointer: "/a~1b/1".into() }),
        ];
        for (text, levels, fault) in table {
            assert_eq!(parse(text, levels).err(), Some(fault), "{text}");
        }
        for text in ["", "{", "[1,]", "1 2", "nul", r#""\ud800""#, "01"] {
            assert!(matches!(parse(text, 9), Err(ParseError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn pointers_name_the_nodes() {
        let document = parse(r#"{"b":[10,{"a~/":true}],"a":null}"#, 9).ok().unwrap();
        for (pointer, found) in [("/b/1/a~0~1", true), ("/b/0", true), ("/a", true), ("/b/01", false), ("/c", false)] {
            let mut segments = pointer.split('/').skip(1);
            let node = segments.try_fold(document.root(), |node, segment| document.descend(node, segment));
            assert_eq!(node.map(|node| document.pointer(node)), found.then(|| pointer.to_owned()), "{pointer}");
        }
    }
}
