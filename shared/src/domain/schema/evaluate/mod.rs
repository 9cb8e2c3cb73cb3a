//! Evaluates a compiled schema on data.
//!
//! The evaluation does not recurse: the subschemas that are being evaluated are on a stack on the heap. It decides
//! first whether the data is valid, and stops at the first keyword that is not satisfied. Only then it collects
//! violations.

mod apply;
mod assert;
pub(crate) mod budget;
mod report;
mod unevaluated;

use std::collections::{HashMap, HashSet};

use super::document::{Document, Json, NodeId};
use super::limits::MAX_VIOLATIONS;
use super::program::{Program, SchemaId};
use super::violation::Violation;
use budget::{Budget, Exhausted};

/// Evaluates the schema on the document.
///
/// # Errors
/// The violations, at most [`MAX_VIOLATIONS`].
pub(crate) fn evaluate(program: &Program, document: &Document<'_>, budget: &mut Budget) -> Result<(), Vec<Violation>> {
    let mut evaluation = Evaluation {
        program,
        document,
        budget,
        above: Vec::new(),
        verdicts: HashMap::new(),
        collected: HashSet::new(),
        evaluated: Vec::new(),
        violations: Vec::new(),
    };
    match evaluation.run(false) {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(Exhausted) => return Err(vec![Violation::limit(String::new(), "takes too many steps to validate")]),
    }
    evaluation.above.clear();
    evaluation.evaluated.clear();
    // If the steps end here, the violations that were found are the answer.
    let ended = evaluation.run(true);
    let mut violations = evaluation.violations;
    if violations.is_empty() {
        debug_assert!(ended.is_err(), "invalid data has a violation");
        violations.push(Violation::limit(String::new(), "is not valid, and takes too many steps to say why"));
    }
    Err(violations)
}

struct Evaluation<'e, 'd> {
    program: &'e Program,
    document: &'e Document<'d>,
    budget: &'e mut Budget,
    /// The subschemas that wait for the current one.
    above: Vec<Frame>,
    /// Verdicts that may be asked for again.
    verdicts: HashMap<(SchemaId, NodeId), bool>,
    /// Where violations were already collected.
    collected: HashSet<(SchemaId, NodeId)>,
    /// For each `unevaluated…` keyword in progress: which members or elements need no further evaluation.
    evaluated: Vec<Vec<bool>>,
    violations: Vec<Violation>,
}

/// A subschema that is being evaluated at a place of the data.
#[derive(Debug, Clone, Copy)]
struct Frame {
    schema: SchemaId,
    node: NodeId,
    /// The position of the current keyword.
    keyword: u32,
    /// Whether violations are collected.
    collects: bool,
    /// Whether a keyword is violated. The evaluation goes on only if violations are collected.
    failed: bool,
    /// How far the current keyword is: its element, its part, and a count.
    cursor: Cursor,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    position: u32,
    part: u32,
    count: u32,
}

/// What follows in the evaluation of a keyword.
enum Step {
    Satisfied,
    /// The keyword is violated.
    Violated,
    /// A subschema that must hold does not, and has reported its violations.
    ViolatedBelow,
    /// The verdict of a subschema is needed.
    Enter(SchemaId, NodeId, Role),
}

/// Why a subschema is evaluated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It must hold: its violations are those of the keyword.
    Must,
    /// It may fail.
    May,
}

impl Evaluation<'_, '_> {
    /// Evaluates the schema on the whole document.
    fn run(&mut self, collects: bool) -> Result<bool, Exhausted> {
        let mut current = Frame::new(0, self.document.root(), collects);
        let mut verdict = None;
        loop {
            let schema = self.program.schema(current.schema);
            let outcome = match schema.keywords.get(current.keyword as usize) {
                _ if self.violations.len() >= MAX_VIOLATIONS => return Ok(false),
                None => Some(!current.failed),
                Some(keyword) => {
                    self.budget.spend(1)?;
                    match self.step(keyword, &mut current, verdict.take())? {
                        Step::Satisfied => {
                            current.next_keyword();
                            None
                        }
                        Step::Enter(schema, node, role) => {
                            let collects = current.collects && role == Role::Must;
                            if self.program.schema(schema).keywords.is_empty() {
                                verdict = Some(true);
                            } else if let Some(known) = self.known(schema, node, collects) {
                                verdict = Some(known);
                            } else if self.program.schema(schema).is_flat && !collects {
                                let holds = self.holds_flat(schema, node)?;
                                self.remember(&Frame::new(schema, node, false), holds)?;
                                verdict = Some(holds);
                            } else {
                                self.above.push(current);
                                current = Frame::new(schema, node, collects);
                            }
                            continue;
                        }
                        step if current.collects => {
                            if matches!(step, Step::Violated) {
                                self.report(keyword, &current)?;
                            }
                            current.failed = true;
                            current.next_keyword();
                            None
                        }
                        Step::Violated | Step::ViolatedBelow => Some(false),
                    }
                }
            };
            if let Some(outcome) = outcome {
                self.remember(&current, outcome)?;
                match self.above.pop() {
                    Some(frame) => (current, verdict) = (frame, Some(outcome)),
                    None => return Ok(outcome),
                }
            }
        }
    }

    /// Evaluates a subschema without subschemas, which needs no frame.
    fn holds_flat(&mut self, schema: SchemaId, node: NodeId) -> Result<bool, Exhausted> {
        for keyword in &self.program.schema(schema).keywords {
            self.budget.spend(1)?;
            if !assert::holds(self.program, self.document, keyword, node, self.budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The verdict of a subschema, if it is known. If violations are collected, a subschema is evaluated once more,
    /// to find them.
    fn known(&mut self, schema: SchemaId, node: NodeId, collects: bool) -> Option<bool> {
        if !self.remembers(schema, node) {
            return None;
        }
        let known = self.verdicts.get(&(schema, node)).copied();
        match known {
            Some(false) if collects => (!self.collected.insert((schema, node))).then_some(false),
            known => known,
        }
    }

    fn remember(&mut self, frame: &Frame, verdict: bool) -> Result<(), Exhausted> {
        if self.remembers(frame.schema, frame.node) {
            // A kept verdict occupies memory.
            self.budget.spend(8)?;
            self.verdicts.insert((frame.schema, frame.node), verdict);
        }
        Ok(())
    }

    fn remembers(&self, schema: SchemaId, node: NodeId) -> bool {
        let schema = self.program.schema(schema);
        schema.remembers_all
            || schema.remembers_containers && matches!(self.document.value(node), Json::Array(_) | Json::Object(_))
    }
}

impl Frame {
    fn new(schema: SchemaId, node: NodeId, collects: bool) -> Self {
        Self { schema, node, keyword: 0, collects, failed: false, cursor: Cursor::default() }
    }

    fn next_keyword(&mut self) {
        self.keyword += 1;
        self.cursor = Cursor::default();
    }
}
