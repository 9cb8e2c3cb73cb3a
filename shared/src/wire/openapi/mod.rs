//! The OpenAPI document. Formats come from the wire types, operations from the handlers, and this module adds the
//! common parts of all operations. The functions do not contain the document: a test generates `docs/openapi.json`,
//! which is served as a file.

mod errors;
mod svix;
mod values;

use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, Content, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response,
    ServerBuilder,
};

use super::error::ErrorOut;
use super::organizations::{MetaOut, PaginationOut};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{
    AttemptId, DeliveryId, EndpointId, EventId, JobId, KeyId, OrganizationId, PortalSessionId, RequestId,
};
use crate::domain::text::IdempotencyKey;

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

/// The beginning of the paths of the canonical dialect whose responses are documents, and have no `data` and `meta`.
const WITHOUT_ENVELOPE: &str = "/v1/openapi/";
/// The end of the paths of the canonical dialect that need no key. Their responses are documents too, and their paths have
/// no external ids.
const PUBLIC: &str = "/jwks.json";

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

/// Adds the common parts of an operation: its group, its path parameters and its errors.
fn complete(dialect: Dialect, path: &str, operation: &mut Operation) {
    if let Some(summary) = &mut operation.summary {
        summary.truncate(summary.trim_end_matches('.').len());
    }
    let own = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = Some(format!("{}_{own}", dialect.tag()));
    operation.tags = Some(vec![dialect.tag().to_owned()]);
    let mut parameters: Vec<RefOr<Parameter>> =
        path.split(['{', '}']).skip(1).step_by(2).map(|name| path_parameter(dialect, path, name).into()).collect();
    if dialect.is_of_key() {
        parameters.push(organization_parameter().into());
    }
    parameters.extend(operation.parameters.take().unwrap_or_default());
    parameters.iter_mut().for_each(forget_null);
    let errors = possible_errors(dialect, path, operation, &parameters);
    operation.responses.responses.extend(errors.map(|status| (status.to_string(), Response::default().into())));
    if dialect == Dialect::Organizations && !path.starts_with(WITHOUT_ENVELOPE) && !path.ends_with(PUBLIC) {
        wrap(operation, parameters.iter().any(is_cursor));
    }
    operation.parameters = (!parameters.is_empty()).then_some(parameters);
    for (status, response) in &mut operation.responses.responses {
        match (status.parse(), response) {
            (Ok(status), response) if status >= 400 => *response = Ref::from_response_name(errors::name(status)).into(),
            (Ok(status), RefOr::T(response)) => {
                if response.description.is_empty() {
                    response.description = errors::reason(status).to_owned();
                }
                response.headers.insert("x-request-id".to_owned(), RefOr::Ref(request_id()));
            }
            _ => {}
        }
    }
    if dialect == Dialect::Documentation || path.ends_with(PUBLIC) {
        operation.security = Some(vec![SecurityRequirement::default()]);
    } else {
        operation.security = Some(vec![SecurityRequirement::new("key", [] as [&str; 0])]);
    }
}

/// Wraps responses of the canonical dialect in `{"data": …, "meta": …}`. Lists with cursors have `pagination` as
/// well.
fn wrap(operation: &mut Operation, has_cursor: bool) {
    let answers = operation.responses.responses.values_mut().filter_map(|response| match response {
        RefOr::T(response) => Some(&mut response.content),
        RefOr::Ref(_) => None,
    });
    for content in answers.flat_map(|content| content.values_mut()) {
        let RefOr::T(content) = content else { continue };
        let Some(data) = content.schema.take() else { continue };
        let mut answer = ObjectBuilder::new().property("data", data).required("data");
        if has_cursor {
            let pagination = Ref::from_schema_name(PaginationOut::name());
            answer = answer.property("pagination", pagination).required("pagination");
        }
        let answer = answer.property("meta", Ref::from_schema_name(MetaOut::name())).required("meta");
        content.schema = Some(answer.into());
    }
}

/// An optional parameter may be absent, but not null.
fn forget_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter
        && let RefOr::T(Schema::OneOf(one_of)) = schema
        && let Some(value) = one_of.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
    {
        *schema = value.clone();
    }
}

fn is_cursor(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(Parameter { name, .. }) if name == "cursor")
}

fn possible_errors(
    dialect: Dialect,
    path: &str,
    operation: &Operation,
    parameters: &[RefOr<Parameter>],
) -> impl Iterator<Item = u16> + use<> {
    let has_key = dialect != Dialect::Documentation && !path.ends_with(PUBLIC);
    let can_fail = dialect != Dialect::Documentation;
    let has_body = operation.request_body.is_some();
    let in_path = |parameter: &RefOr<Parameter>| {
        let RefOr::T(parameter) = parameter else { return false };
        parameter.parameter_in == ParameterIn::Path
    };
    let can_be_invalid = has_body || !parameters.iter().all(in_path);
    let can_be_missing = path.contains('{') || dialect.is_of_key();
    [
        (400, can_be_invalid),
        (401, has_key),
        (403, has_key),
        (404, can_be_missing),
        // An organization that is being deleted.
        (409, can_be_missing && has_key),
        (413, has_body),
        (415, has_body),
        (429, true),
        (500, can_fail),
        (503, can_fail),
    ]
    .into_iter()
    .filter_map(|(status, possible)| possible.then_some(status))
}

fn path_parameter(dialect: Dialect, path: &str, name: &str) -> Parameter {
    let schema = match (name, dialect) {
        ("organization", _) if path.ends_with(PUBLIC) => OrganizationId::name(),
        ("endpoint", _) if path.ends_with(PUBLIC) => EndpointId::name(),
        ("organization", _) => OrganizationReference::name(),
        ("endpoint", Dialect::Endpoints) => HyphenatedEndpointReference::name(),
        ("endpoint", _) => EndpointReference::name(),
        ("delivery", _) => DeliveryId::name(),
        ("attempt", _) => AttemptId::name(),
        ("event", _) => EventReference::name(),
        ("key", _) => KeyId::name(),
        ("portal_session", _) => PortalSessionId::name(),
        ("job", _) => JobId::name(),
        ("event_type", _) => EventType::name(),
        ("schema_version", _) => SchemaVersion::name(),
        _ => panic!("the path parameter `{name}` has no schema here"),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(Ref::from_schema_name(schema)))
        .build()
}

fn organization_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("organization_id")
        .parameter_in(ParameterIn::Query)
        .description(Some(
            "The organization. Required with a platform key; with any other key, only its own organization is allowed.",
        ))
        .schema(Some(Ref::from_schema_name(OrganizationId::name())))
        .build()
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

/// Declares that unknown fields are rejected, and that a body without required fields is optional.
fn describe_body(operation: &mut Operation, components: &mut Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values() {
        let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content else { continue };
        let name = schema.ref_location.trim_start_matches("#/components/schemas/");
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(name) {
            if object.required.is_empty() {
                body.required = Some(Required::False);
            }
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}
