//! Limits and properties of compiled subschemas that follow from how they refer to each other.

use crate::domain::schema::error::SchemaError;
use crate::domain::schema::limits::{MAX_SUBSCHEMAS_AT_ONE_PLACE, MAX_SUBSCHEMAS_DEEP};
use crate::domain::schema::program::{Keyword, Program, SchemaId};

/// Refuses references that lead back to the same schema without descending into the data, and too many subschemas
/// at one place of the data.
///
/// # Errors
/// [`SchemaError`] at a subschema from which the limit is exceeded.
pub(crate) fn check(program: &Program) -> Result<(), SchemaError> {
    let mut walk = Walk { program, sizes: vec![Size::Unknown; program.schemas.len()] };
    for schema in 0..program.schemas.len() {
        walk.size(SchemaId::try_from(schema).unwrap_or(SchemaId::MAX), 1)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Size {
    Unknown,
    InProgress,
    Known { height: usize, count: usize },
}

struct Walk<'p> {
    program: &'p Program,
    sizes: Vec<Size>,
}

impl Walk<'_> {
    /// The height and number of the subschemas at the same place. The recursion ends at the limit of the depth.
    fn size(&mut self, schema: SchemaId, depth: usize) -> Result<(usize, usize), SchemaError> {
        let error =
            |reason: String| Err(SchemaError::new(self.program.pointer(self.program.schema(schema).location), reason));
        match self.sizes[schema as usize] {
            Size::Known { height, count } => return Ok((height, count)),
            Size::InProgress => {
                return error("must not refer to itself at the same place of the data, which never ends".to_owned());
            }
            Size::Unknown if depth > MAX_SUBSCHEMAS_DEEP => {
                return error(format!(
                    "must be at most the {MAX_SUBSCHEMAS_DEEP}nd subschema that applies to the same place of the data by \
                     references, allOf, anyOf, oneOf, not and if"
                ));
            }
            Size::Unknown => self.sizes[schema as usize] = Size::InProgress,
        }
        let (mut height, mut count) = (1, 1_usize);
        for keyword in &self.program.schema(schema).keywords {
            for child in keyword.at_same_place() {
                let (child_height, child_count) = self.size(child, depth + 1)?;
                height = height.max(child_height + 1);
                count = count.saturating_add(child_count);
            }
        }
        if height > MAX_SUBSCHEMAS_DEEP {
            return error(format!(
                "must have at most {MAX_SUBSCHEMAS_DEEP} subschemas in each other at the same place of the data"
            ));
        }
        if count > MAX_SUBSCHEMAS_AT_ONE_PLACE {
            return error(format!(
                "must have at most {MAX_SUBSCHEMAS_AT_ONE_PLACE} subschemas at the same place of the data when all \
                 references are written out"
            ));
        }
        self.sizes[schema as usize] = Size::Known { height, count };
        Ok((height, count))
    }
}

/// Marks the subschemas whose verdicts are kept: those that the evaluation can reach on two ways, and those on which
/// an `unevaluated…` keyword depends.
pub(crate) fn mark(program: &mut Program) {
    let mut uses = vec![0_u8; program.schemas.len()];
    for schema in &program.schemas {
        for keyword in &schema.keywords {
            for child in keyword.at_same_place().into_iter().chain(keyword.below()) {
                uses[child as usize] = uses[child as usize].saturating_add(1);
            }
        }
    }
    for schema in &mut program.schemas {
        let is_flat = |keyword: &Keyword| keyword.at_same_place().is_empty() && keyword.below().is_empty();
        schema.is_flat = schema.keywords.iter().all(is_flat);
    }
    // The schema itself has one use without any reference to it.
    uses[0] = uses[0].saturating_add(1);
    for (schema, uses) in program.schemas.iter_mut().zip(uses) {
        schema.remembers_containers = uses > 1;
    }
    for start in 0..program.schemas.len() {
        let mut waiting: Vec<SchemaId> = Vec::new();
        let is_start =
            |keyword: &Keyword| matches!(keyword, Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_));
        if program.schemas[start].keywords.iter().any(is_start) {
            waiting.push(SchemaId::try_from(start).unwrap_or(SchemaId::MAX));
        }
        while let Some(id) = waiting.pop() {
            let schema = &mut program.schemas[id as usize];
            if std::mem::replace(&mut schema.is_tracked, true) {
                continue;
            }
            let mut asked_again: Vec<SchemaId> = Vec::new();
            for keyword in &schema.keywords {
                match keyword {
                    Keyword::Not(_) => {}
                    Keyword::AnyOf(schemas) | Keyword::OneOf(schemas) => {
                        asked_again.extend(schemas);
                        waiting.extend(schemas);
                    }
                    Keyword::If(conditional) => {
                        asked_again.push(conditional.condition);
                        waiting.extend(keyword.at_same_place());
                    }
                    Keyword::Contains(contains) if contains.evaluates => asked_again.push(contains.schema),
                    other => waiting.extend(other.at_same_place()),
                }
            }
            for schema in asked_again {
                program.schemas[schema as usize].remembers_all = true;
            }
        }
    }
}
