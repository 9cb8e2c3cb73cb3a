//! Keywords with subschemas. Each is a loop that is left whenever it needs a subschema's verdict, and resumed with it.

use super::budget::Exhausted;
use super::{Evaluation, Frame, Role, Step, assert};
use crate::domain::schema::document::Json;
use crate::domain::schema::program::{Conditional, Contains, Items, Keyword, Members, SchemaId};

impl Evaluation<'_, '_> {
    /// Starts or resumes a keyword. `verdict` is that of the subschema for which it was left.
    pub(super) fn step(
        &mut self,
        keyword: &Keyword,
        frame: &mut Frame,
        verdict: Option<bool>,
    ) -> Result<Step, Exhausted> {
        match keyword {
            Keyword::Reference(_, schema) => Ok(match verdict {
                None => Step::Enter(*schema, frame.node, Role::Must),
                Some(verdict) => after(verdict),
            }),
            Keyword::AllOf(schemas) => Ok(all_of(schemas, frame, verdict)),
            Keyword::AnyOf(schemas) => Ok(self.any_of(schemas, frame, verdict)),
            Keyword::OneOf(schemas) => Ok(one_of(schemas, frame, verdict)),
            Keyword::Not(schema) => Ok(match verdict {
                None => Step::Enter(*schema, frame.node, Role::May),
                Some(false) => Step::Satisfied,
                Some(true) => Step::Violated,
            }),
            Keyword::If(conditional) => Ok(conditionally(conditional, frame, verdict)),
            Keyword::DependentSchemas(_, schemas) => self.dependent_schemas(schemas, frame, verdict),
            Keyword::Members(members) => self.members(members, frame, verdict),
            Keyword::PropertyNames(schema) => Ok(self.property_names(*schema, frame, verdict)),
            Keyword::Items(items) => Ok(self.items(items, frame, verdict)),
            Keyword::Contains(contains) => Ok(self.contains(contains, frame, verdict)),
            Keyword::UnevaluatedProperties(schema) => self.unevaluated_properties(*schema, frame, verdict),
            Keyword::UnevaluatedItems(schema) => self.unevaluated_items(*schema, frame, verdict),
            assertion => {
                let holds = assert::holds(self.program, self.document, assertion, frame.node, self.budget)?;
                Ok(if holds { Step::Satisfied } else { Step::Violated })
            }
        }
    }

    fn any_of(&self, schemas: &[SchemaId], frame: &mut Frame, verdict: Option<bool>) -> Step {
        let cursor = &mut frame.cursor;
        cursor.count += u32::from(verdict == Some(true));
        // `unevaluated…` needs the verdicts of all alternatives.
        let is_decided = cursor.count > 0 && !self.program.schema(frame.schema).is_tracked;
        match schemas.get(cursor.position as usize).filter(|_| !is_decided) {
            Some(schema) => {
                cursor.position += 1;
                Step::Enter(*schema, frame.node, Role::May)
            }
            None if cursor.count > 0 => Step::Satisfied,
            None => Step::Violated,
        }
    }

    fn dependent_schemas(
        &mut self,
        schemas: &[(Box<str>, SchemaId)],
        frame: &mut Frame,
        verdict: Option<bool>,
    ) -> Result<Step, Exhausted> {
        if fails(frame, verdict) {
            return Ok(Step::ViolatedBelow);
        }
        let Json::Object(object) = self.document.value(frame.node) else { return Ok(Step::Satisfied) };
        while let Some((name, schema)) = schemas.get(frame.cursor.position as usize) {
            frame.cursor.position += 1;
            self.budget.spend_search(object.count as usize)?;
            if self.document.position(*object, name).is_some() {
                return Ok(Step::Enter(*schema, frame.node, Role::Must));
            }
        }
        Ok(Step::Satisfied)
    }

    /// `properties`, `patternProperties` and `additionalProperties`. The cursor's part is 0 for `properties`, then the
    /// patterns; its count is 1 if one of them applied to the member.
    fn members(&mut self, members: &Members, frame: &mut Frame, verdict: Option<bool>) -> Result<Step, Exhausted> {
        if fails(frame, verdict) {
            return Ok(Step::ViolatedBelow);
        }
        let Json::Object(object) = self.document.value(frame.node) else { return Ok(Step::Satisfied) };
        let cursor = &mut frame.cursor;
        while cursor.position < object.count {
            let (name, value) = self.document.member(*object, cursor.position);
            let name = self.document.text(name);
            if cursor.part == 0 {
                self.budget.spend_search(members.properties.len())?;
                cursor.part = 1;
                if let Ok(at) = members.properties.binary_search_by(|(known, _)| known.as_ref().cmp(name)) {
                    cursor.count = 1;
                    return Ok(Step::Enter(members.properties[at].1, value, Role::Must));
                }
            }
            while let Some((pattern, schema)) = members.patterns.get(cursor.part as usize - 1) {
                cursor.part += 1;
                if self.program.pattern(*pattern).matches(name, self.budget)? {
                    cursor.count = 1;
                    return Ok(Step::Enter(*schema, value, Role::Must));
                }
            }
            let is_additional = cursor.count == 0;
            (cursor.position, cursor.part, cursor.count) = (cursor.position + 1, 0, 0);
            if let Some(schema) = members.additional.filter(|_| is_additional) {
                return Ok(Step::Enter(schema, value, Role::Must));
            }
        }
        Ok(Step::Satisfied)
    }

    fn property_names(&self, schema: SchemaId, frame: &mut Frame, verdict: Option<bool>) -> Step {
        if fails(frame, verdict) {
            return Step::ViolatedBelow;
        }
        match self.document.value(frame.node) {
            Json::Object(object) if frame.cursor.position < object.count => {
                frame.cursor.position += 1;
                Step::Enter(schema, self.document.member(*object, frame.cursor.position - 1).0, Role::Must)
            }
            _ => Step::Satisfied,
        }
    }

    fn items(&self, items: &Items, frame: &mut Frame, verdict: Option<bool>) -> Step {
        if fails(frame, verdict) {
            return Step::ViolatedBelow;
        }
        let Json::Array(array) = self.document.value(frame.node) else { return Step::Satisfied };
        let position = frame.cursor.position;
        match items.prefix.get(position as usize).copied().or(items.rest) {
            Some(schema) if position < array.count => {
                frame.cursor.position += 1;
                Step::Enter(schema, self.document.element(*array, position), Role::Must)
            }
            _ => Step::Satisfied,
        }
    }

    fn contains(&self, contains: &Contains, frame: &mut Frame, verdict: Option<bool>) -> Step {
        let Json::Array(array) = self.document.value(frame.node) else { return Step::Satisfied };
        let is_tracked = contains.evaluates && self.program.schema(frame.schema).is_tracked;
        let cursor = &mut frame.cursor;
        cursor.count += u32::from(verdict == Some(true));
        let found = u64::from(cursor.count);
        let is_decided = match contains.max {
            Some(max) => found > max,
            None => found >= contains.min,
        };
        if cursor.position < array.count && (is_tracked || !is_decided) {
            cursor.position += 1;
            return Step::Enter(contains.schema, self.document.element(*array, cursor.position - 1), Role::May);
        }
        let is_satisfied = found >= contains.min && contains.max.is_none_or(|max| found <= max);
        if is_satisfied { Step::Satisfied } else { Step::Violated }
    }
}

fn all_of(schemas: &[SchemaId], frame: &mut Frame, verdict: Option<bool>) -> Step {
    if fails(frame, verdict) {
        return Step::ViolatedBelow;
    }
    match schemas.get(frame.cursor.position as usize) {
        Some(schema) => {
            frame.cursor.position += 1;
            Step::Enter(*schema, frame.node, Role::Must)
        }
        None => Step::Satisfied,
    }
}

fn one_of(schemas: &[SchemaId], frame: &mut Frame, verdict: Option<bool>) -> Step {
    let cursor = &mut frame.cursor;
    cursor.count += u32::from(verdict == Some(true));
    match schemas.get(cursor.position as usize).filter(|_| cursor.count < 2) {
        Some(schema) => {
            cursor.position += 1;
            Step::Enter(*schema, frame.node, Role::May)
        }
        None if cursor.count == 1 => Step::Satisfied,
        None => Step::Violated,
    }
}

/// `if`, `then` and `else`. The cursor's position is 0 before the condition, then 1, and 2 in a branch.
fn conditionally(conditional: &Conditional, frame: &mut Frame, verdict: Option<bool>) -> Step {
    frame.cursor.position += 1;
    match (frame.cursor.position, verdict) {
        (1, _) => Step::Enter(conditional.condition, frame.node, Role::May),
        (2, verdict) => match if verdict == Some(true) { conditional.then } else { conditional.otherwise } {
            Some(branch) => Step::Enter(branch, frame.node, Role::Must),
            None => Step::Satisfied,
        },
        (_, verdict) => after(verdict == Some(true)),
    }
}

fn after(verdict: bool) -> Step {
    if verdict { Step::Satisfied } else { Step::ViolatedBelow }
}

/// Notes the verdict of a subschema that must hold. Returns whether the evaluation of the keyword ends with it.
pub(super) fn fails(frame: &mut Frame, verdict: Option<bool>) -> bool {
    frame.failed |= verdict == Some(false);
    verdict == Some(false) && !frame.collects
}
