//! The `svix` dialect: the API that the clients of Svix use. The organization is an application, an event a message.
//! Unknown fields and parameters are ignored, because the clients send some that this API does not have.

mod application;
mod attempt;
mod endpoint;
mod error;
mod event_type;
mod headers;
mod ids;
mod list;
mod message;
mod portal;
mod query;
mod secret;
mod statistics;
mod task;

pub use application::{ApplicationIn, ApplicationOut, ApplicationPatchIn, ApplicationUpdate};
pub use attempt::{AttemptOut, EndpointMessageOut, MessageEndpointOut, StatsOut, Status};
pub use endpoint::{EndpointIn, EndpointOut, EndpointPatchIn, EndpointUpdate};
pub use error::{ErrorOut, of_error};
pub use event_type::{
    EventTypeIn, EventTypeOut, EventTypePatchIn, ImportIn as TypeImportIn, ImportOut as TypeImportOut,
};
pub use headers::{HeadersIn, HeadersOut, HeadersPatchIn};
pub use ids::{
    Reference, parse_application, parse_attempt, parse_endpoint, parse_message, print_application, print_attempt,
    print_endpoint, print_message, reference,
};
pub use list::ListOut;
pub use message::{MessageIn, MessageOut};
pub use portal::{PortalAccessIn, PortalAccessOut};
pub use query::{Order, Paging, PagingParameters, Parameters};
pub use secret::{RotationIn, SecretOut};
pub use statistics::{Named, Report, ReportOut, SubscribedOut, UsageIn, UsageOut, parse_report, print_report};
pub use task::{BulkReplayIn, ExampleIn, SpanIn, TaskOut, parse_task, print_task};

/// The beginning of the dialect's paths.
const PREFIX: &str = "/api/v1";
/// The beginning of the paths of the clients' operations for incoming webhooks, which this API does not have.
const INGEST_PREFIX: &str = "/ingest/api/v1";

/// Whether this is a path of the dialect.
pub fn is_path(path: &str) -> bool {
    let rests = [PREFIX, INGEST_PREFIX].into_iter().filter_map(|prefix| path.strip_prefix(prefix));
    rests.into_iter().any(|rest| rest.is_empty() || rest.starts_with('/'))
}
