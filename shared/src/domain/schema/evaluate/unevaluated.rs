//! `unevaluatedProperties` and `unevaluatedItems`.
//!
//! They apply to the members or elements that no other keyword of the schema evaluated, including those of its
//! subschemas at the same place that hold. They are the last keywords of a schema, and the verdicts of alternatives
//! are kept for them, so that they ask for no evaluation again.

use super::apply::fails;
use super::budget::Exhausted;
use super::{Evaluation, Frame, Role, Step};
use crate::domain::schema::document::{Json, NodeId};
use crate::domain::schema::program::{Keyword, SchemaId};

impl Evaluation<'_, '_> {
    pub(super) fn unevaluated_properties(
        &mut self,
        schema: SchemaId,
        frame: &mut Frame,
        verdict: Option<bool>,
    ) -> Result<Step, Exhausted> {
        let Json::Object(object) = *self.document.value(frame.node) else { return Ok(Step::Satisfied) };
        self.unevaluated(schema, frame, verdict, object.count, |this, index| this.document.member(object, index).1)
    }

    pub(super) fn unevaluated_items(
        &mut self,
        schema: SchemaId,
        frame: &mut Frame,
        verdict: Option<bool>,
    ) -> Result<Step, Exhausted> {
        let Json::Array(array) = *self.document.value(frame.node) else { return Ok(Step::Satisfied) };
        self.unevaluated(schema, frame, verdict, array.count, |this, index| this.document.element(array, index))
    }

    /// The cursor's part is 1 after the evaluated children were determined.
    fn unevaluated(
        &mut self,
        schema: SchemaId,
        frame: &mut Frame,
        verdict: Option<bool>,
        count: u32,
        child: impl Fn(&Self, u32) -> NodeId,
    ) -> Result<Step, Exhausted> {
        if frame.cursor.part == 0 {
            // The verdicts of alternatives may be missing if another keyword failed, and the children may be
            // unevaluated only for that reason.
            if frame.failed {
                return Ok(Step::Satisfied);
            }
            frame.cursor.part = 1;
            let evaluated = self.evaluated_children(frame, count)?;
            self.evaluated.push(evaluated);
        }
        let ends = fails(frame, verdict);
        while frame.cursor.position < count && !ends {
            let position = frame.cursor.position;
            frame.cursor.position += 1;
            let is_evaluated = self.evaluated.last().and_then(|marks| marks.get(position as usize)).copied();
            if is_evaluated != Some(true) {
                return Ok(Step::Enter(schema, child(self, position), Role::Must));
            }
        }
        self.evaluated.pop();
        Ok(if ends { Step::ViolatedBelow } else { Step::Satisfied })
    }

    fn evaluated_children(&mut self, frame: &Frame, count: u32) -> Result<Vec<bool>, Exhausted> {
        let mut marks = Marks { evaluated: vec![false; count as usize], all: false };
        self.budget.spend(count / 16)?;
        let mut schemas = vec![frame.schema];
        while let Some(schema) = schemas.pop() {
            let is_start = schema == frame.schema;
            for (position, keyword) in (0..).zip(&self.program.schema(schema).keywords) {
                // The keyword itself, and what comes after it.
                if is_start && position >= frame.keyword {
                    break;
                }
                self.budget.spend(1)?;
                self.mark(keyword, frame.node, &mut marks)?;
                if marks.all {
                    return Ok(vec![true; count as usize]);
                }
                let holds = |schema: &SchemaId| self.verdicts.get(&(*schema, frame.node)) == Some(&true);
                match keyword {
                    Keyword::Reference(_, schema) => schemas.push(*schema),
                    Keyword::AllOf(all) => schemas.extend(all),
                    Keyword::AnyOf(any) | Keyword::OneOf(any) => {
                        schemas.extend(any.iter().filter(|schema| self.has_keywords(**schema) && holds(schema)));
                    }
                    Keyword::If(conditional) => {
                        if !self.has_keywords(conditional.condition) || holds(&conditional.condition) {
                            schemas.push(conditional.condition);
                            schemas.extend(conditional.then);
                        } else {
                            schemas.extend(conditional.otherwise);
                        }
                    }
                    Keyword::DependentSchemas(_, dependent) => {
                        if let Json::Object(object) = self.document.value(frame.node) {
                            let applies = |name: &str| self.document.position(*object, name).is_some();
                            schemas
                                .extend(dependent.iter().filter(|(name, _)| applies(name)).map(|(_, schema)| schema));
                            for _ in dependent {
                                self.budget.spend_search(object.count as usize)?;
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(marks.evaluated)
    }

    fn has_keywords(&self, schema: SchemaId) -> bool {
        !self.program.schema(schema).keywords.is_empty()
    }

    /// Marks the members or elements that a keyword itself evaluates.
    fn mark(&mut self, keyword: &Keyword, node: NodeId, marks: &mut Marks) -> Result<(), Exhausted> {
        match (keyword, self.document.value(node)) {
            (Keyword::Members(members), Json::Object(object)) => {
                if members.additional.is_some() {
                    marks.all = true;
                    return Ok(());
                }
                for (index, mark) in (0..object.count).zip(&mut marks.evaluated) {
                    self.budget.spend_search(members.properties.len())?;
                    let name = self.document.text(self.document.member(*object, index).0);
                    *mark = *mark || members.properties.binary_search_by(|(known, _)| known.as_ref().cmp(name)).is_ok();
                    for (pattern, _) in &members.patterns {
                        *mark = *mark || self.program.pattern(*pattern).matches(name, self.budget)?;
                    }
                }
            }
            (Keyword::UnevaluatedProperties(_), Json::Object(_)) | (Keyword::UnevaluatedItems(_), Json::Array(_)) => {
                marks.all = true;
            }
            (Keyword::Items(items), Json::Array(_)) => {
                marks.all = items.rest.is_some();
                marks.evaluated.iter_mut().take(items.prefix.len()).for_each(|mark| *mark = true);
            }
            (Keyword::Contains(contains), Json::Array(array)) if contains.evaluates => {
                for (element, mark) in self.document.elements(*array).iter().zip(&mut marks.evaluated) {
                    self.budget.spend(4)?;
                    *mark = *mark
                        || self.program.schema(contains.schema).keywords.is_empty()
                        || self.verdicts.get(&(contains.schema, *element)) == Some(&true);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

struct Marks {
    evaluated: Vec<bool>,
    all: bool,
}
