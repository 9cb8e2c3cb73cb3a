//! The pages of event types.

pub(crate) const TITLE: &str = "Event types";
pub(crate) const ALL: &str = "All event types";
pub(crate) const NONE: &str =
    "The catalogue is empty. Events of any type can be published, and their data is not checked.";
pub(crate) const CREATE: &str = "Describe the first type with the platform's key:";
pub(crate) const NONE_FOUND: &str = "No event type matches. Deprecated types are shown; archived ones only on request.";
pub(crate) const SEARCH: &str = "Search by name, group or description";
pub(crate) const SHOW_ARCHIVED: &str = "Show archived types";
pub(crate) const FIND: &str = "Search";
pub(crate) const OTHERS: &str = "Other types";
pub(crate) const TYPE: &str = "Type";
pub(crate) const DESCRIPTION: &str = "Description";
pub(crate) const DEPRECATED: &str = "Deprecated";
pub(crate) const IS_DEPRECATED: &str = "This type is deprecated. It still arrives, but build nothing new on it.";
pub(crate) const ARCHIVED: &str = "Archived";
pub(crate) const INTERNAL: &str = "Internal: organizations do not see it";
pub(crate) const GROUP: &str = "Group";
pub(crate) const STATE: &str = "State";
pub(crate) const UPDATED: &str = "Changed";
pub(crate) const VERSION: &str = "Version";
pub(crate) const VERSIONS: &str = "Versions";
pub(crate) const NO_SCHEMA: &str = "This type has neither a schema nor an example, so its data can be anything.";
pub(crate) const FIELDS: &str = "Fields of the data";
pub(crate) const NO_FIELDS: &str = "The schema names no fields.";
pub(crate) const MORE_FIELDS: &str = "There are more fields. The whole schema is below.";
pub(crate) const FIELD: &str = "Field";
pub(crate) const KIND: &str = "Kind";
pub(crate) const REQUIRED: &str = "Required";
pub(crate) const OPTIONAL: &str = "Optional";
pub(crate) const RULES: &str = "Rules";
pub(crate) const SCHEMA: &str = "JSON Schema";
pub(crate) const EXAMPLE: &str = "Example";
pub(crate) const IS_CUT: &str = "The beginning is shown. The API returns all of it.";

/// The command that creates a type.
pub(crate) fn create_command(origin: &str) -> String {
    format!(
        "curl {origin}/v1/event-types \\\n  -H \"Authorization: Bearer $PLATFORM_KEY\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  -d '{{\"name\": \"order.created\", \"description\": \"An order was placed.\"}}'"
    )
}
