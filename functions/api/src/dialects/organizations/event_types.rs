//! Routes for the catalogue of event types.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::value::RawValue;
use shared::domain::catalogue::TypePatch;
use shared::domain::event::event_type::EventType;
use shared::edge::{
    ApiError, Authenticated, Bare, Body, Data, Empty, PathId, Platform, Search, VersionNumber, read_body,
};
use shared::service::TypeFilter;
use shared::wire::error::ErrorCode;
use shared::wire::organizations::{
    EventTypeIn, EventTypeOut, EventTypePatchIn, EventTypeReplacementIn, ImportOut, ListedTypeOut, TypeVersionOut,
    check_json, parse_import,
};
use shared::wire::query::{ImportParameters, PagingParameters, RemovalParameters, TypeParameters};
use tokio::task::spawn_blocking;
use utoipa::OpenApi;

use super::page;
use crate::{Api, Routes};

type Answer = Result<Data<EventTypeOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(create, list, read, replace, update, remove, list_versions, read_version, import, export))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/v1/event-types", post(create).get(list))
        .route("/v1/event-types/{event_type}", get(read).put(replace).patch(update).delete(remove))
        .route("/v1/event-types/{event_type}/versions", get(list_versions))
        .route("/v1/event-types/{event_type}/versions/{schema_version}", get(read_version))
        .route("/v1/event-type-imports", post(import))
        .route("/v1/openapi/webhooks.json", get(export))
}

/// Creates an event type.
///
/// This needs the platform's key. From about ten seconds later on, the data of published events of this type must satisfy the
/// schema.
#[utoipa::path(
    post, path = "/v1/event-types", operation_id = "create_event_type", request_body = EventTypeIn,
    responses((status = 201, body = EventTypeOut), (status = 409)),
)]
async fn create(_: Platform, State(administrator): Api, body: Body<EventTypeIn>) -> Answer {
    let (name, wanted) = body.read(EventTypeIn::parse)?;
    let created = administrator.create_event_type(name, wanted).await?;
    Ok(Data::created((&created).into()))
}

/// Lists event types by name, without their schemas.
#[utoipa::path(
    get, path = "/v1/event-types", operation_id = "list_event_types",
    params(TypeParameters, PagingParameters),
    responses((status = 200, body = Vec<ListedTypeOut>)),
)]
async fn list(
    Authenticated(caller): Authenticated,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<ListedTypeOut>>, ApiError> {
    let wanted = (query.paging(), query.type_filter());
    let (paging, (archived, group)) = query.finish(wanted)?;
    let filter = TypeFilter { archived, group };
    let types = administrator.list_event_types(&caller, &filter, paging.cursor.as_deref(), paging.limit).await?;
    page(types.items, types.next, paging.limit, |kind| ListedTypeOut::from(kind), |kind| kind.name.to_string())
}

/// Reads an event type with its newest schema.
#[utoipa::path(
    get, path = "/v1/event-types/{event_type}", operation_id = "read_event_type",
    responses((status = 200, body = EventTypeOut)),
)]
async fn read(
    Authenticated(caller): Authenticated,
    PathId(name): PathId<EventType>,
    State(administrator): Api,
) -> Answer {
    let found = administrator.event_type(&caller, &name).await?;
    Ok(Data::ok((&found).into()))
}

/// Replaces an event type, or creates it.
///
/// This needs the platform's key. A field that is absent gets its default. Another schema or example makes a new version.
#[utoipa::path(
    put, path = "/v1/event-types/{event_type}", operation_id = "replace_event_type",
    request_body = EventTypeReplacementIn,
    responses((status = 200, body = EventTypeOut), (status = 201, body = EventTypeOut)),
)]
async fn replace(
    _: Platform,
    PathId(name): PathId<EventType>,
    State(administrator): Api,
    body: Body<EventTypeReplacementIn>,
) -> Answer {
    let wanted = body.read(EventTypeReplacementIn::parse)?;
    let (replaced, is_new) = administrator.replace_event_type(&name, wanted).await?;
    let shown = EventTypeOut::from(&replaced);
    Ok(if is_new { Data::created(shown) } else { Data::ok(shown) })
}

/// Changes an event type.
///
/// This needs the platform's key. Another schema or example makes a new version.
#[utoipa::path(
    patch, path = "/v1/event-types/{event_type}", operation_id = "update_event_type", request_body = EventTypePatchIn,
    responses((status = 200, body = EventTypeOut)),
)]
async fn update(
    _: Platform,
    PathId(name): PathId<EventType>,
    State(administrator): Api,
    body: Body<EventTypePatchIn>,
) -> Answer {
    let patch = body.read(EventTypePatchIn::parse)?;
    let updated = administrator.update_event_type(&name, patch).await?;
    Ok(Data::ok((&updated).into()))
}

/// Archives an event type, or removes it with all its versions.
///
/// This needs the platform's key. An archived type can be published and subscribed to all the same.
#[utoipa::path(
    delete, path = "/v1/event-types/{event_type}", operation_id = "delete_event_type",
    params(RemovalParameters),
    responses(
        (status = 200, body = EventTypeOut, description = "The type is archived."),
        (status = 204, description = "The type is removed, because the request has `permanent=true`."),
    ),
)]
async fn remove(
    _: Platform,
    PathId(name): PathId<EventType>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Response, ApiError> {
    let permanent = query.permanent();
    if query.finish(permanent)? {
        administrator.remove_event_type(&name).await?;
        return Ok(Empty.into_response());
    }
    let archived = TypePatch { is_archived: Some(true), ..TypePatch::default() };
    let archived = administrator.update_event_type(&name, archived).await?;
    Ok(Data::ok(EventTypeOut::from(&archived)).into_response())
}

/// Lists the versions of an event type, newest first.
#[utoipa::path(
    get, path = "/v1/event-types/{event_type}/versions", operation_id = "list_event_type_versions",
    params(PagingParameters),
    responses((status = 200, body = Vec<TypeVersionOut>)),
)]
async fn list_versions(
    Authenticated(caller): Authenticated,
    PathId(name): PathId<EventType>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<TypeVersionOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let versions = administrator.list_type_versions(&caller, &name, paging.cursor.as_deref(), paging.limit).await?;
    let show = |version: &_| TypeVersionOut::from(version);
    page(versions.items, versions.next, paging.limit, show, |version| version.number.to_string())
}

/// Reads a version of an event type.
#[utoipa::path(
    get, path = "/v1/event-types/{event_type}/versions/{schema_version}", operation_id = "read_event_type_version",
    responses((status = 200, body = TypeVersionOut)),
)]
async fn read_version(
    Authenticated(caller): Authenticated,
    PathId(name): PathId<EventType>,
    PathId(VersionNumber(number)): PathId<VersionNumber>,
    State(administrator): Api,
) -> Result<Data<TypeVersionOut>, ApiError> {
    let version = administrator.type_version(&caller, &name, number).await?;
    Ok(Data::ok((&version).into()))
}

/// Imports the webhooks of an OpenAPI document as event types.
///
/// This needs the platform's key. The body is the document: of OpenAPI 3.1 its `webhooks` are read, of OpenAPI 3.0 its
/// `x-webhooks`. A type that exists gets the description, the group, the schema and the example of the document. Types that
/// the document does not have stay.
#[utoipa::path(
    post, path = "/v1/event-type-imports", operation_id = "import_event_types",
    request_body(content = Object, description = "An OpenAPI document of at most 1 MiB."),
    params(ImportParameters),
    responses((status = 200, body = ImportOut)),
)]
async fn import(
    _: Platform,
    State(administrator): Api,
    Search(mut query): Search,
    request: Request,
) -> Result<Data<ImportOut>, ApiError> {
    let dry_run = query.dry_run();
    let dry_run = query.finish(dry_run)?;
    let body = read_body(request).await?;
    check_json(&body)?;
    // Reading a document compiles its schemas, which can take seconds.
    let types = spawn_blocking(move || parse_import(&body)).await;
    let types = types.map_err(|_| ApiError::new(ErrorCode::Internal, "the document could not be read"))??;
    let imported = administrator.import_event_types(types, dry_run).await?;
    Ok(Data::ok(ImportOut::new(&imported, dry_run)))
}

/// Exports the event types as an OpenAPI document with webhooks.
///
/// The types of a receiver can be generated from it. Archived types are left out.
#[utoipa::path(
    get, path = "/v1/openapi/webhooks.json", operation_id = "export_event_types",
    responses((status = 200, body = Object, content_type = "application/json"), (status = 422)),
)]
async fn export(
    Authenticated(caller): Authenticated,
    State(administrator): Api,
) -> Result<Bare<Box<RawValue>>, ApiError> {
    let document = administrator.export_event_types(&caller).await?;
    let unreadable = |_| ApiError::new(ErrorCode::Internal, "the document could not be written");
    Ok(Bare::ok(RawValue::from_string(document).map_err(unreadable)?))
}
