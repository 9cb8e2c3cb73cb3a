//! The OpenAPI document of the `svix` dialect, which has other errors than the canonical document.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, Required, Response, ResponseBuilder,
    ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::operation::forget_null;
use super::{add_schema, for_each_operation, forget_absent_defaults};
use crate::wire::svix::ErrorOut;

/// The name of the response for errors.
const ERROR: &str = "Error";

const DESCRIPTION: &str = "\
The part of the API that the clients of Svix use. Unknown fields and parameters are ignored, and one slash at the end of a \
path. A uid stands wherever an identifier may. Every POST may have an `idempotency-key`.";

/// Builds the document from the operations of the functions.
pub fn svix_document(parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Pigeonpost, the Svix-compatible API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license));
    let server = ServerBuilder::new().url("/").description(Some("This deployment."));
    let mut document = OpenApiBuilder::new().info(info.build()).servers(Some([server.build()])).build();
    for mut part in parts {
        for_each_operation(&mut part.paths, complete);
        document.merge(part);
    }
    let mut components = document.components.take().unwrap_or_default();
    let mut schemas = Vec::new();
    add_schema::<ErrorOut>(&mut schemas);
    components.schemas.extend(schemas);
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorOut::name()))).build();
    let error = ResponseBuilder::new().description("The request has failed.").content("application/json", content);
    components.responses.insert(ERROR.to_owned(), error.build().into());
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("The platform's key, or one of an organization.".to_owned());
    components.add_security_scheme("key", SecurityScheme::Http(bearer));
    components.schemas.values_mut().for_each(forget_absent_defaults);
    document.components = Some(components);
    document
}

/// Adds the common parts of an operation: its path parameters, its errors and its key.
fn complete(path: &str, operation: &mut Operation) {
    if let Some(summary) = &mut operation.summary {
        summary.truncate(summary.trim_end_matches('.').len());
    }
    let names = path.split(['{', '}']).skip(1).step_by(2);
    let in_path = names.map(|name| {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        parameter.schema(Some(String::schema())).build().into()
    });
    let mut parameters: Vec<_> = in_path.chain(operation.parameters.take().unwrap_or_default()).collect();
    parameters.iter_mut().for_each(forget_null);
    operation.parameters = (!parameters.is_empty()).then_some(parameters);
    let is_open = path.contains("/health") || path.ends_with("/openapi.json");
    for response in operation.responses.responses.values_mut() {
        if let utoipa::openapi::RefOr::T(Response { description, .. }) = response
            && description.is_empty()
        {
            *description = "The request has succeeded.".to_owned();
        }
    }
    operation.responses.responses.insert("default".to_owned(), Ref::from_response_name(ERROR).into());
    operation.security = Some(match is_open {
        true => vec![SecurityRequirement::default()],
        false => vec![SecurityRequirement::new("key", [] as [&str; 0])],
    });
}
