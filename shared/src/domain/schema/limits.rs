//! The limits of schemas and of the data that is validated.

/// Most bytes of a schema's JSON text.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;
/// Most levels of nested objects and arrays in a schema, including the outermost.
pub const MAX_SCHEMA_LEVELS: usize = 64;
/// Most subschemas of a schema, including the schema itself.
pub const MAX_SUBSCHEMAS: usize = 2_000;
/// Most elements in all of `enum`, `const`, `required`, `dependentRequired` and `dependencies`. Every JSON value
/// inside an element counts.
pub const MAX_LISTED_ELEMENTS: usize = 10_000;
/// Most different patterns of a schema.
pub const MAX_PATTERNS: usize = 100;
/// Most bytes of a pattern.
pub const MAX_PATTERN_BYTES: usize = 1_024;
/// Most bytes of a compiled pattern.
pub const MAX_COMPILED_PATTERN_BYTES: usize = 64 * 1024;
/// Most bytes of all compiled patterns of a schema.
pub const MAX_COMPILED_PATTERNS_BYTES: usize = 1024 * 1024;
/// Most subschemas that apply to the same place of the data and contain each other, directly or by reference.
pub const MAX_SUBSCHEMAS_DEEP: usize = 32;
/// Most subschemas that apply to the same place of the data when all references are written out.
pub const MAX_SUBSCHEMAS_AT_ONE_PLACE: usize = 1_000;
/// Most dynamic anchors of a schema.
pub const MAX_DYNAMIC_ANCHORS: usize = 100;
/// Most subschemas after dynamic references are resolved. A subschema counts once for each set of dynamic anchors in
/// which it applies.
pub const MAX_RESOLVED_SUBSCHEMAS: usize = 4_000;

/// Most bytes of the JSON text of validated data.
pub const MAX_DATA_BYTES: usize = 256 * 1024;
/// Most levels of nested objects and arrays in validated data, including the outermost.
pub const MAX_DATA_LEVELS: usize = 100;
/// Most steps of a validation, including the list of violations. A step takes some nanoseconds: it is a keyword at
/// one place of the data, a compared element, or a share of a pattern's size times the text's bytes.
pub const MAX_STEPS: u32 = 200_000;
/// Most steps of the validation of an example.
pub const MAX_EXAMPLE_STEPS: u32 = MAX_STEPS / 10;
/// Most violations that a validation lists.
pub const MAX_VIOLATIONS: usize = 20;
/// Most characters of the data in a violation's message.
pub const MAX_QUOTED_CHARS: usize = 64;
/// Most bytes of a violation's pointers.
pub const MAX_POINTER_BYTES: usize = 1_024;
