//! The OpenAPI document. Formats come from the wire types, operations from the handlers, and this module adds the
//! common parts of all operations. The functions do not contain the document: a test generates `docs/openapi.json`,
//! which is served as a file.

mod errors;
mod operation;
mod svix;
mod values;

use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, ServerBuilder,
};

use super::error::ErrorOut;
use super::organizations::{MetaOut, PaginationOut};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{
    AttemptId, DeliveryId, EndpointId, EventId, KeyId, OrganizationId, PortalSessionId, RequestId,
};
use crate::domain::text::IdempotencyKey;

use operation::{complete, describe_body};
pub use svix::svix_document;
pub use values::*;

/// The groups of operations, in the order of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The canonical dialect.
    Organizations,
    /// The dialect with webhooks and `events`.
    Hooks,
    /// The dialect whose organization is the key's own.
    Endpoints,
    /// The dialect with numbered pages.
    Pages,
    /// The OpenAPI document and its rendering.
    Documentation,
}

impl Dialect {
    const ALL: [Self; 5] = [Self::Organizations, Self::Hooks, Self::Endpoints, Self::Pages, Self::Documentation];

    const fn tag(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Hooks => "hooks",
            Self::Endpoints => "endpoints",
            Self::Pages => "pages",
            Self::Documentation => "documentation",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Organizations => {
                "The canonical dialect, with every feature. Responses have `data` and `meta`, lists have cursors."
            }
            Self::Hooks => "An organization's webhooks as bare objects with `events`.",
            Self::Endpoints => {
                "The organization is the key's own. Bare objects and arrays, hyphenated ids, times in whole seconds."
            }
            Self::Pages => "Lists have numbered pages and a count. The organization is the key's own.",
            Self::Documentation => "This document as JSON and as a web page. Neither requires a key.",
        }
    }

    /// Whether the organization is the key's own. A platform key must name an organization then.
    const fn is_of_key(self) -> bool {
        matches!(self, Self::Endpoints | Self::Pages)
    }
}

const DESCRIPTION: &str = "\
Webhooks as a service: it receives events over HTTP, and delivers them signed, with retries and a log.

Four dialects serve the same resources. An endpoint that was created in one can be read and changed in all of them. A fifth \
one, for the clients of Svix, has a document of its own at `/api/v1/openapi.json`.

Every response has an `x-request-id`; in the `organizations` dialect it is also in `meta.request_id`. Request bodies \
are JSON objects; unknown fields and query parameters are rejected by name. A `PATCH` changes only the fields that \
it contains; `null` resets optional fields.";

const KEY: &str = "\
An API key: `Authorization: Bearer sk_live_…`. Its role decides what it may do. `owner`: everything in its \
organization. `admin`: everything but API keys. `member`: reading. `publisher`: publishing events, and reading those \
it published. A platform key creates organizations and acts in all of them.";

/// Builds the document from the operations of each dialect.
pub fn document(parts: impl IntoIterator<Item = (Dialect, OpenApi)>) -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Pigeonpost")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(
                    LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build(),
                ))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url("/").description(Some("This deployment.")).build()]))
        .tags(Some(
            Dialect::ALL
                .map(|dialect| TagBuilder::new().name(dialect.tag()).description(Some(dialect.description())).build()),
        ))
        .build();
    for (dialect, mut part) in parts {
        for_each_operation(&mut part.paths, |path, operation| complete(dialect, path, operation));
        document.merge(part);
    }
    let mut components = document.components.take().unwrap_or_default();
    add_shared(&mut components);
    for_each_operation(&mut document.paths, |_, operation| describe_body(operation, &mut components));
    components.schemas.values_mut().for_each(forget_absent_defaults);
    document.components = Some(components);
    document
}

fn add_shared(components: &mut Components) {
    let mut schemas = Vec::new();
    add_schema::<ErrorOut>(&mut schemas);
    add_schema::<PaginationOut>(&mut schemas);
    add_schema::<MetaOut>(&mut schemas);
    add_schema::<OrganizationReference>(&mut schemas);
    add_schema::<EndpointReference>(&mut schemas);
    add_schema::<HyphenatedEndpointReference>(&mut schemas);
    add_schema::<EventReference>(&mut schemas);
    add_schema::<OrganizationId>(&mut schemas);
    add_schema::<EndpointId>(&mut schemas);
    add_schema::<HyphenatedEndpointId>(&mut schemas);
    add_schema::<DeliveryId>(&mut schemas);
    add_schema::<AttemptId>(&mut schemas);
    add_schema::<Channel>(&mut schemas);
    add_schema::<ResponseStatus>(&mut schemas);
    add_schema::<EventId>(&mut schemas);
    add_schema::<KeyId>(&mut schemas);
    add_schema::<PortalSessionId>(&mut schemas);
    add_schema::<EventType>(&mut schemas);
    add_schema::<SchemaVersion>(&mut schemas);
    add_schema::<RequestId>(&mut schemas);
    add_schema::<IdempotencyKey>(&mut schemas);
    add_schema::<TraceParent>(&mut schemas);
    add_schema::<TraceState>(&mut schemas);
    components.schemas.extend(schemas);
    components.responses.extend(errors::responses().into_iter().map(|(name, response)| (name, response.into())));
    let request_id = HeaderBuilder::new()
        .schema(Some(Ref::from_schema_name(RequestId::name())))
        .description(Some("Identifies the request in the logs."));
    components.headers.insert("RequestId".to_owned(), request_id.build().into());
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some(KEY.to_owned());
    components.add_security_scheme("key", SecurityScheme::Http(bearer));
}

fn add_schema<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn for_each_operation(paths: &mut Paths, mut act: impl FnMut(&str, &mut Operation)) {
    for (path, item) in &mut paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(|operation| act(path, operation));
    }
}

/// The header of every response.
fn request_id() -> Ref {
    Ref::new("#/components/headers/RequestId")
}

/// Removes null as the default of input fields: the fields are absent by default, which the generator cannot
/// express.
fn forget_absent_defaults(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for property in object.properties.values_mut() {
        let default = match property {
            RefOr::Ref(reference) => &mut reference.default,
            RefOr::T(Schema::Object(object)) => &mut object.default,
            RefOr::T(Schema::Array(array)) => &mut array.default,
            RefOr::T(Schema::OneOf(one_of)) => &mut one_of.default,
            RefOr::T(_) => continue,
        };
        default.take_if(|default| default.is_null());
    }
}
