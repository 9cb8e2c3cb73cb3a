//! Compiles the JSON of a filter, and refuses what can never match.

use super::Invalid;
use super::json::{Json, Object};
use super::number::{EXPONENT_DIGITS, Number};
use super::pattern::{Leaf, Node, Pattern};
use super::rule::{Bound, Folded, Rule, TextRule};
use super::wildcard::Wildcard;
use super::{FilterError, MAX_COMBINATIONS, MAX_RULES, ROOT_FIELDS};

/// What a filter has so far, and where the compiler is.
#[derive(Default)]
pub(super) struct Compiler {
    /// The JSON Pointer of the part that is compiled.
    path: String,
    rules: usize,
    fields: usize,
    combinations: usize,
}

/// The names of operators, which no field in `$or` may have.
const OPERATORS: [&str; 8] =
    ["prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"];

type Compiled<T> = Result<T, FilterError>;

impl Compiler {
    /// Compiles a whole filter. Also returns the number of its fields, values and rules.
    pub(super) fn compile(mut self, json: &Json) -> Compiled<(Pattern, usize)> {
        self.combinations = 1;
        let pattern = self.pattern(json, &mut Fields::default())?;
        Ok((pattern, self.fields + self.rules))
    }

    fn error(&self, reason: impl Into<String>) -> FilterError {
        FilterError { path: self.path.clone(), reason: Invalid::new(reason) }
    }

    /// Runs `compile` for the part with this name or index.
    fn within<T>(&mut self, name: &str, compile: impl FnOnce(&mut Self) -> Compiled<T>) -> Compiled<T> {
        let length = self.path.len();
        push_pointer(&mut self.path, name);
        let compiled = compile(self)?;
        self.path.truncate(length);
        Ok(compiled)
    }

    fn pattern(&mut self, json: &Json, fields: &mut Fields) -> Compiled<Pattern> {
        let Json::Object(object) = json else { return Err(self.error("must be an object")) };
        if object.members().len() == 0 {
            return Err(self.error("must name a field"));
        }
        let (mut nodes, mut alternatives) = (Vec::new(), Vec::new());
        for (name, value) in object.members() {
            if name == "$or" {
                alternatives = self.within(name, |it| it.alternatives(value, fields))?;
            } else {
                let node = self.within(name, |it| it.node(name, value, fields))?;
                nodes.push((name.into(), node));
            }
        }
        Ok(Pattern { fields: nodes.into(), alternatives: alternatives.into() })
    }

    fn node(&mut self, name: &str, json: &Json, fields: &mut Fields) -> Compiled<Node> {
        if fields.path.is_empty() && !ROOT_FIELDS.contains(&name) {
            return Err(self.error(format!("must be one of {}", ROOT_FIELDS.join(", "))));
        }
        if fields.is_in_or && OPERATORS.contains(&name) {
            return Err(self.error("must not be the name of an operator in $or"));
        }
        self.fields += 1;
        let length = fields.path.len();
        push_pointer(&mut fields.path, name);
        let node = match json {
            Json::Object(_) => self.pattern(json, fields).map(Node::Object),
            Json::Array(entries) => self.leaf(json, entries, fields).map(Node::Leaf),
            _ => Err(self.error("must be an object, or an array of values and rules")),
        }?;
        fields.path.truncate(length);
        Ok(node)
    }

    fn alternatives(&mut self, json: &Json, fields: &mut Fields) -> Compiled<Vec<Pattern>> {
        let Json::Array(entries) = json else { return Err(self.error("must be an array of objects")) };
        if entries.len() < 2 {
            return Err(self.error("must have at least two objects"));
        }
        self.combinations = self.combinations.saturating_mul(entries.len());
        if self.combinations > MAX_COMBINATIONS {
            let reason = format!("must not multiply the combinations of all $or to more than {MAX_COMBINATIONS}");
            return Err(self.error(reason));
        }
        let (outside, was_in_or) = (fields.named.len(), fields.is_in_or);
        let mut inside = Vec::new();
        let compiled = entries.iter().enumerate().map(|(index, entry)| {
            fields.is_in_or = true;
            let pattern = self.within(&index.to_string(), |it| it.pattern(entry, fields));
            // Two alternatives may name the same field.
            inside.extend(fields.named.drain(outside..));
            pattern
        });
        let compiled = compiled.collect::<Compiled<Vec<_>>>()?;
        fields.named.append(&mut inside);
        fields.is_in_or = was_in_or;
        Ok(compiled)
    }

    fn leaf(&mut self, json: &Json, entries: &[Json], fields: &mut Fields) -> Compiled<Leaf> {
        if entries.is_empty() {
            return Err(self.error("must have a value or rule"));
        }
        if fields.named.contains(&fields.path) {
            return Err(self.error("must not be in a $or and beside it"));
        }
        fields.named.push(fields.path.clone());
        let mut entry = |(index, entry): (usize, &Json)| self.within(&index.to_string(), |it| it.rule(entry));
        let rules = entries.iter().enumerate().map(&mut entry).collect::<Compiled<_>>()?;
        Ok(Leaf { rules, wanted: json.to_string().into() })
    }

    fn count(&mut self) -> Compiled<()> {
        self.rules += 1;
        if self.rules > MAX_RULES {
            return Err(self.error(format!("must be one of at most {MAX_RULES} values and rules")));
        }
        Ok(())
    }

    fn rule(&mut self, json: &Json) -> Compiled<Rule> {
        self.count()?;
        Ok(match json {
            Json::Word(word) => Rule::Word(word),
            Json::Number(_) => Rule::Number(self.number(json)?),
            Json::Text(text) => Rule::Text(TextRule::Equals((&**text).into())),
            Json::Object(object) => self.only_member(object, Self::operator)?,
            Json::Array(_) => return Err(self.error("must not be an array")),
        })
    }

    /// Compiles the only member of an object.
    fn only_member<T>(
        &mut self,
        object: &Object,
        compile: impl FnOnce(&mut Self, &str, &Json) -> Compiled<T>,
    ) -> Compiled<T> {
        let mut members = object.members();
        match (members.next(), members.next()) {
            (Some((name, value)), None) => self.within(name, |it| compile(it, name, value)),
            _ => Err(self.error("must have exactly one operator")),
        }
    }

    fn operator(&mut self, name: &str, json: &Json) -> Compiled<Rule> {
        match (name, json) {
            ("anything-but", json) => self.anything_but(json),
            ("numeric", json) => self.numeric(json),
            ("exists", Json::Word(word @ ("true" | "false"))) => Ok(Rule::Exists(*word == "true")),
            ("exists", _) => Err(self.error("must be true or false")),
            ("cidr", Json::Text(text)) => super::parse_network(text).map(Rule::Cidr).map_err(|it| self.error(it.0)),
            ("cidr", _) => Err(self.error("must be a network such as 10.0.0.0/8")),
            ("prefix" | "suffix", Json::Object(object)) => self.only_member(object, |it, inner, json| {
                let text = Folded::new(it.text(json)?);
                match (name, inner) {
                    ("prefix", "equals-ignore-case") => Ok(Rule::Text(TextRule::PrefixIgnoreCase(text))),
                    (_, "equals-ignore-case") => Ok(Rule::Text(TextRule::SuffixIgnoreCase(text))),
                    _ => Err(it.error("must be equals-ignore-case")),
                }
            }),
            _ if OPERATORS.contains(&name) => self.text_rule(name, json).map(Rule::Text),
            _ => Err(self.error(format!("must be one of {}", OPERATORS.join(", ")))),
        }
    }

    fn text_rule(&mut self, name: &str, json: &Json) -> Compiled<TextRule> {
        match name {
            "prefix" => Ok(TextRule::Prefix(self.text(json)?.into())),
            "suffix" => Ok(TextRule::Suffix(self.text(json)?.into())),
            "equals-ignore-case" => Ok(TextRule::EqualsIgnoreCase(Folded::new(self.text(json)?))),
            "wildcard" => {
                let wildcard = Wildcard::parse(self.text(json)?).map_err(|it| self.error(it.0))?;
                Ok(TextRule::Wildcard(wildcard))
            }
            _ => Err(self.error("must be one of prefix, suffix, equals-ignore-case, wildcard")),
        }
    }

    fn anything_but(&mut self, json: &Json) -> Compiled<Rule> {
        match json {
            Json::Object(object) => self.only_member(object, |it, name, json| {
                let rules = it.each(json, |it, json| {
                    let is_empty = matches!(json, Json::Text(text) if text.is_empty());
                    if is_empty && matches!(name, "prefix" | "suffix") {
                        return Err(it.error("must not be empty"));
                    }
                    it.text_rule(name, json)
                })?;
                Ok(Rule::NoText(rules))
            }),
            Json::Number(_) => self.each(json, |it, json| it.number(json)).map(Rule::NoNumber),
            Json::Array(values) if values.iter().all(|value| matches!(value, Json::Number(_))) => {
                self.each(json, |it, json| it.number(json)).map(Rule::NoNumber)
            }
            Json::Array(values) if values.iter().any(|value| matches!(value, Json::Number(_))) => {
                Err(self.error("must have only strings or only numbers"))
            }
            _ => self.each(json, |it, json| Ok(TextRule::Equals(it.text(json)?.into()))).map(Rule::NoText),
        }
    }

    /// Compiles each value of a list, or a single value.
    fn each<T>(&mut self, json: &Json, compile: impl Fn(&mut Self, &Json) -> Compiled<T>) -> Compiled<Box<[T]>> {
        let Json::Array(values) = json else { return Ok([compile(self, json)?].into()) };
        if values.is_empty() {
            return Err(self.error("must not be empty"));
        }
        let one = |(index, value): (usize, &Json)| {
            self.count()?;
            self.within(&index.to_string(), |it| compile(it, value))
        };
        values.iter().enumerate().map(one).collect()
    }

    fn numeric(&mut self, json: &Json) -> Compiled<Rule> {
        let Json::Array(terms) = json else { return Err(self.error(NUMERIC)) };
        let mut bounds = Vec::new();
        for pair in terms.chunks(2) {
            let [Json::Text(operator), number] = pair else { return Err(self.error(NUMERIC)) };
            bounds.push((&**operator, self.number(number)?));
        }
        let bound = |number: &Number, is_included| Some(Bound { number: number.clone(), is_included });
        match &bounds[..] {
            [("=", number)] => Ok(Rule::Numeric { low: bound(number, true), high: bound(number, true) }),
            [(low @ (">" | ">="), number)] => Ok(Rule::Numeric { low: bound(number, *low == ">="), high: None }),
            [(high @ ("<" | "<="), number)] => Ok(Rule::Numeric { low: None, high: bound(number, *high == "<=") }),
            [(low @ (">" | ">="), least), (high @ ("<" | "<="), most)] if least.compare(&most.as_decimal()).is_lt() => {
                Ok(Rule::Numeric { low: bound(least, *low == ">="), high: bound(most, *high == "<=") })
            }
            _ => Err(self.error(NUMERIC)),
        }
    }

    fn number(&self, json: &Json) -> Compiled<Number> {
        let Json::Number(text) = json else { return Err(self.error("must be a number")) };
        let refusal = || self.error(format!("must have an exponent of at most {EXPONENT_DIGITS} digits"));
        Number::read(text).ok_or_else(refusal)
    }

    fn text<'j>(&self, json: &'j Json) -> Compiled<&'j str> {
        match json {
            Json::Text(text) => Ok(text),
            _ => Err(self.error("must be a string")),
        }
    }
}

const NUMERIC: &str =
    r#"must be a comparison such as [">", 0], or a range such as [">", 0, "<=", 5], lower bound first"#;

/// The fields that one combination of the alternatives of all `$or` names.
#[derive(Default)]
struct Fields {
    /// The JSON Pointer of the field in the event.
    path: String,
    named: Vec<String>,
    is_in_or: bool,
}

/// Appends a name to a JSON Pointer.
pub(super) fn push_pointer(path: &mut String, name: &str) {
    path.push('/');
    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
}
