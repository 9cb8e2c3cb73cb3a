//! Schemas of the shapes that several values have.

use utoipa::openapi::SchemaFormat;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

use crate::domain::delivery::attempt::{Cause, Detail};
use crate::domain::event::channel::MAX_CHANNEL_CHARS;
use crate::wire::error::ErrorCode;

pub(super) fn details() -> String {
    let of = |cause: Cause| {
        let details = Detail::ALL.into_iter().filter(move |detail| detail.causes().contains(&cause));
        details.map(|detail| format!("`{}`", detail.as_str())).collect::<Vec<_>>().join(", ")
    };
    let lines = Cause::ALL.into_iter().filter(|cause| !of(*cause).is_empty());
    let lines: Vec<_> = lines.map(|cause| format!("- `{}`: {}", cause.as_str(), of(cause))).collect();
    format!("What exactly failed. Each error has its own details.\n\n{}", lines.join("\n"))
}

pub(super) fn codes() -> String {
    let line = |code: &ErrorCode| format!("- `{}` ({}): {}", code.as_str(), code.status(), code.meaning());
    let lines: Vec<_> = ErrorCode::ALL.iter().map(line).collect();
    format!("The reason of an error, for programs.\n\n{}", lines.join("\n"))
}

pub(super) fn describe(schema: &mut Schema, text: &str) {
    let description = match schema {
        Schema::Object(object) => &mut object.description,
        Schema::Array(array) => &mut array.description,
        _ => return,
    };
    *description = Some(text.to_owned());
}

pub(super) fn pattern(pattern: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example])
}

pub(super) fn text(min: usize, max: usize, example: &str) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::String);
    object.min_length(Some(min)).max_length(Some(max)).examples([example])
}

pub(super) fn number(min: u32, max: u32, example: u32) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Integer);
    object.minimum(Some(min)).maximum(Some(max)).examples([example])
}

pub(super) fn id(prefix: &str) -> ObjectBuilder {
    pattern(&format!("^{prefix}[0-9a-f]{{32}}$"), &format!("{prefix}550e8400e29b41d4a716446655440000"))
}

pub(super) fn channel() -> ObjectBuilder {
    pattern("^[A-Za-z0-9._:-]+$", "eu:orders").max_length(Some(MAX_CHANNEL_CHARS))
}

pub(super) fn channels(most: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(channel()).unique_items(true).max_items(Some(most))
}

pub(super) fn moment(shape: &str, example: &str) -> ObjectBuilder {
    pattern(shape, example).format(format("date-time"))
}

pub(super) fn format(name: &str) -> Option<SchemaFormat> {
    Some(SchemaFormat::Custom(name.to_owned()))
}

pub(super) fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}
