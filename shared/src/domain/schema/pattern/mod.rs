//! Patterns: regular expressions that are matched in linear time, and what a match costs.
//!
//! Most patterns become a DFA that is built when the schema is compiled: each byte of text then costs about a
//! nanosecond, whatever the text is. A pattern with too many states for that is matched by an engine whose cost, for
//! the worst text, is in proportion to the pattern's size.

mod translate;

use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind, meta};

use super::evaluate::budget::{Budget, Exhausted};
use super::limits::{MAX_COMPILED_PATTERN_BYTES, MAX_PATTERN_BYTES};

/// The bytes that the construction of a DFA may occupy.
const DFA_CONSTRUCTION_BYTES: usize = 512 * 1024;
/// The bytes that the states of the other engine may occupy while it matches.
const CACHE_BYTES: usize = 64 * 1024;
/// A step is a match of this many bytes of text by a DFA.
const DFA_BYTES_PER_STEP: u64 = 16;
/// A step is a match by the other engine of this many bytes of text multiplied by bytes of the pattern.
const PRODUCT_PER_STEP: u64 = 128;

/// A compiled pattern.
pub(crate) struct Pattern {
    engine: Engine,
    size: usize,
}

enum Engine {
    Dfa(Box<dense::DFA<Vec<u32>>>),
    Other(meta::Regex),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The reason as a phrase.
    pub(crate) fn compile(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("must have at most {MAX_PATTERN_BYTES} bytes"));
        }
        let translated = translate::translate(pattern)?;
        let too_large = || format!("must need at most {MAX_COMPILED_PATTERN_BYTES} bytes when it is compiled");
        let config = NFA::config().nfa_size_limit(Some(MAX_COMPILED_PATTERN_BYTES)).which_captures(WhichCaptures::None);
        let nfa = match thompson::Compiler::new().configure(config).build(&translated) {
            Ok(nfa) => nfa,
            Err(error) if error.size_limit().is_some() => return Err(too_large()),
            Err(_) => return Err("must be a regular expression of ECMA-262".to_owned()),
        };
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::LeftmostFirst)
            .dfa_size_limit(Some(MAX_COMPILED_PATTERN_BYTES))
            .determinize_size_limit(Some(DFA_CONSTRUCTION_BYTES));
        if let Ok(dfa) = dense::Builder::new().configure(config).build_from_nfa(&nfa) {
            return Ok(Self { size: dfa.memory_usage(), engine: Engine::Dfa(Box::new(dfa)) });
        }
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_COMPILED_PATTERN_BYTES))
            .which_captures(WhichCaptures::Implicit)
            .onepass(false)
            .hybrid_cache_capacity(CACHE_BYTES);
        let regex = meta::Builder::new().configure(config).build(&translated).map_err(|_| too_large())?;
        Ok(Self { size: nfa.memory_usage(), engine: Engine::Other(regex) })
    }

    /// The bytes of the compiled pattern.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// At most this many bytes of memory, with the states that the other engine keeps.
    pub(crate) fn bytes(&self) -> usize {
        match &self.engine {
            Engine::Dfa(_) => self.size,
            // A search forwards and one backwards.
            Engine::Other(regex) => regex.memory_usage() + 2 * CACHE_BYTES,
        }
    }

    /// Whether a part of the text matches.
    pub(crate) fn matches(&self, text: &str, budget: &mut Budget) -> Result<bool, Exhausted> {
        let bytes = text.len() as u64;
        let cost = match &self.engine {
            Engine::Dfa(_) => bytes / DFA_BYTES_PER_STEP + 2,
            Engine::Other(_) => bytes * self.size as u64 / PRODUCT_PER_STEP + 16,
        };
        budget.spend(u32::try_from(cost).unwrap_or(u32::MAX))?;
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        Ok(match &self.engine {
            // The DFA has no bytes at which it gives up, as patterns have no word boundaries of Unicode.
            Engine::Dfa(dfa) => matches!(dfa.try_search_fwd(&input), Ok(Some(_))),
            Engine::Other(regex) => regex.is_match(input),
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({} bytes)", self.size)
    }
}
