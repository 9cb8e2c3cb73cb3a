//! The common parts of the operations in the document.

use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, Content, Ref, RefOr, Required, Response};

use super::{
    Dialect, EndpointReference, EventReference, HyphenatedEndpointReference, OrganizationReference, SchemaVersion,
    errors, request_id,
};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId, JobId, KeyId, OrganizationId, PortalSessionId};
use crate::wire::organizations::{MetaOut, PaginationOut};

/// The beginning of the paths of the canonical dialect whose responses are documents, and have no `data` and `meta`.
const WITHOUT_ENVELOPE: &str = "/v1/openapi/";
/// The end of the paths of the canonical dialect that need no key. Their responses are documents too, and their paths have
/// no external ids.
const PUBLIC: &str = "/jwks.json";

/// Adds the common parts of an operation: its group, its path parameters and its errors.
pub(super) fn complete(dialect: Dialect, path: &str, operation: &mut Operation) {
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
pub(super) fn forget_null(parameter: &mut RefOr<Parameter>) {
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

/// Declares that unknown fields are rejected, and that a body without required fields is optional.
pub(super) fn describe_body(operation: &mut Operation, components: &mut Components) {
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
