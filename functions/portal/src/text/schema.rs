//! Rules of a schema in words.

pub(crate) const DATA: &str = "(the data)";
pub(crate) const ANY_NAME: &str = "(any name)";
pub(crate) const ANY: &str = "any";
pub(crate) const CHARACTERS: &str = " characters";
pub(crate) const ITEMS: &str = " items";
pub(crate) const UNIQUE: &str = "no item twice";
pub(crate) const NO_OTHERS: &str = "no other fields";

/// An array of things of a kind.
pub(crate) fn array_of(kind: &str) -> String {
    format!("array of {kind}")
}

/// One of several kinds.
pub(crate) fn either(kinds: &[String]) -> String {
    kinds.join(" or ")
}

/// One of these values, or of more.
pub(crate) fn one_of(values: &str, more: bool) -> String {
    format!("one of {values}{}", if more { " and more" } else { "" })
}

/// A fixed value.
pub(crate) fn always(value: &str) -> String {
    format!("always {value}")
}

/// A named format.
pub(crate) fn format(name: &str) -> String {
    format!("format {name}")
}

/// A range; `None` if there are no bounds.
pub(crate) fn between(least: Option<String>, most: Option<String>, unit: &str) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) if least == most => Some(format!("exactly {least}{unit}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

/// A lower bound that is excluded.
pub(crate) fn more_than(least: &str) -> String {
    format!("more than {least}")
}

/// An upper bound that is excluded.
pub(crate) fn less_than(most: &str) -> String {
    format!("less than {most}")
}

/// A step.
pub(crate) fn multiple_of(step: &str) -> String {
    format!("a multiple of {step}")
}

/// A pattern.
pub(crate) fn pattern(pattern: &str) -> String {
    format!("matches {pattern}")
}

/// The value if the field is absent.
pub(crate) fn by_default(value: &str) -> String {
    format!("by default {value}")
}
