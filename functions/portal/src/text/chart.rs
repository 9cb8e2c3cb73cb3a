//! Charts.

pub(crate) const SHOW_NUMBERS: &str = "Show numbers";
pub(crate) const FROM: &str = "From";
