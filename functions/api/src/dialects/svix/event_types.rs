//! Event types of the catalogue.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::catalogue::{ImportEffect, TypePatch};
use shared::domain::event::event_type::EventType;
use shared::edge::{ApiError, Authenticated, Bare, Body, Empty, Listed, PathId, PathType, Platform, SvixSearch};
use shared::service::{Administrator, Caller, ServiceError};
use shared::wire::error::ErrorCode;
use shared::wire::organizations::{check_json, parse_import};
use shared::wire::svix::{
    EventTypeIn, EventTypeOut, EventTypePatchIn, ListOut, Order, PagingParameters, TypeImportIn, TypeImportOut,
};
use tokio::task::spawn_blocking;
use utoipa::OpenApi;

use crate::{Api, Routes};

type Answer = Result<Bare<EventTypeOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, remove, import))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/event-type", get(list).post(create))
        .route("/event-type/{event_type_name}", get(read).put(replace).patch(update).delete(remove))
        .route("/event-type/import/openapi", post(import))
}

/// Lists event types by name.
#[utoipa::path(
    get, path = "/event-type", operation_id = "event_type_list",
    params(
        PagingParameters, ("include_archived" = Option<bool>, Query), ("with_content" = Option<bool>, Query)
    ),
    responses((status = 200, body = ListOut<EventTypeOut>)),
)]
async fn list(
    Authenticated(caller): Authenticated,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<ListOut<EventTypeOut>>, ApiError> {
    let (archived, has_content) = (query.flag("include_archived", false), query.flag("with_content", false));
    let is_descending = query.order(Order::Ascending) == Order::Descending;
    let paging = query.paging(|text| EventType::parse(text).ok());
    let paging = query.finish(paging)?;
    let is_backward = paging.walk.is_backward();
    let page = administrator.walk_event_types(&caller, archived, is_descending, &paging.walk, paging.limit).await?;
    let further = page.further.map(|name| name.to_string());
    let show = |full: &_| EventTypeOut::new(full, has_content);
    Listed::of_all(is_backward, page.items, further, show, |full| full.kind.name.to_string())
}

/// Creates an event type. One that is archived is revived.
#[utoipa::path(
    post, path = "/event-type", operation_id = "event_type_create", request_body = EventTypeIn,
    responses((status = 201, body = EventTypeOut)),
)]
async fn create(
    _: Platform,
    Authenticated(caller): Authenticated,
    State(administrator): Api,
    body: Body<EventTypeIn>,
) -> Answer {
    let (name, wanted) = body.read_known(EventTypeIn::parse)?;
    match administrator.create_event_type(name.clone(), wanted.clone()).await {
        Ok(created) => Ok(Bare::created(EventTypeOut::new(&created, true))),
        Err(ServiceError::Conflict(reason)) => {
            if !is_archived(&administrator, &caller, &name).await? {
                return Err(ApiError::new(ErrorCode::Conflict, reason).with_svix_code(409, "event_type_exists"));
            }
            let (revived, _) = administrator.replace_event_type(&name, wanted).await?;
            Ok(Bare::created(EventTypeOut::new(&revived, true)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn is_archived(administrator: &Administrator, caller: &Caller, name: &EventType) -> Result<bool, ApiError> {
    Ok(administrator.event_type(caller, name).await?.kind.settings.is_archived)
}

/// Reads an event type.
#[utoipa::path(
    get, path = "/event-type/{event_type_name}", operation_id = "event_type_get",
    responses((status = 200, body = EventTypeOut)),
)]
async fn read(
    Authenticated(caller): Authenticated,
    PathId(PathType(name)): PathId<PathType>,
    State(administrator): Api,
) -> Answer {
    Ok(Bare::ok(EventTypeOut::new(&administrator.event_type(&caller, &name).await?, true)))
}

/// Replaces an event type, or creates it.
#[utoipa::path(
    put, path = "/event-type/{event_type_name}", operation_id = "event_type_update", request_body = EventTypeIn,
    responses((status = 200, body = EventTypeOut), (status = 201, body = EventTypeOut)),
)]
async fn replace(
    _: Platform,
    PathId(PathType(name)): PathId<PathType>,
    State(administrator): Api,
    body: Body<EventTypeIn>,
) -> Answer {
    let wanted = body.read_known(EventTypeIn::parse_replacement)?;
    let (replaced, is_new) = administrator.replace_event_type(&name, wanted).await?;
    let shown = EventTypeOut::new(&replaced, true);
    Ok(if is_new { Bare::created(shown) } else { Bare::ok(shown) })
}

/// Changes an event type.
#[utoipa::path(
    patch, path = "/event-type/{event_type_name}", operation_id = "event_type_patch", request_body = EventTypePatchIn,
    responses((status = 200, body = EventTypeOut)),
)]
async fn update(
    _: Platform,
    PathId(PathType(name)): PathId<PathType>,
    State(administrator): Api,
    body: Body<EventTypePatchIn>,
) -> Answer {
    let patch = body.read_known(EventTypePatchIn::parse)?;
    Ok(Bare::ok(EventTypeOut::new(&administrator.update_event_type(&name, patch).await?, true)))
}

/// Archives an event type. With `expunge=true` it is removed.
#[utoipa::path(
    delete, path = "/event-type/{event_type_name}", operation_id = "event_type_delete",
    params(("expunge" = Option<bool>, Query)),
    responses((status = 204)),
)]
async fn remove(
    _: Platform,
    PathId(PathType(name)): PathId<PathType>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Empty, ApiError> {
    let expunge = query.flag("expunge", false);
    if query.finish(expunge)? {
        administrator.remove_event_type(&name).await?;
    } else {
        let patch = TypePatch { is_archived: Some(true), ..TypePatch::default() };
        administrator.update_event_type(&name, patch).await?;
    }
    Ok(Empty)
}

/// Imports the webhooks of an OpenAPI document as event types. Types that the document does not have stay.
#[utoipa::path(
    post, path = "/event-type/import/openapi", operation_id = "event_type_import_openapi", request_body = TypeImportIn,
    responses((status = 200, body = TypeImportOut)),
)]
async fn import(
    _: Platform,
    State(administrator): Api,
    body: Body<TypeImportIn>,
) -> Result<Bare<TypeImportOut>, ApiError> {
    let (document, is_dry_run) = body.read_known(TypeImportIn::parse)?;
    check_json(document.as_bytes())?;
    // Reading a document compiles its schemas, which can take seconds.
    let types = spawn_blocking(move || parse_import(document.as_bytes())).await;
    let types = types.map_err(|_| ApiError::new(ErrorCode::Internal, "the document could not be read"))??;
    let imported = administrator.import_event_types(types, is_dry_run).await?;
    let changed = imported.into_iter().filter(|imported| imported.effect != ImportEffect::Unchanged);
    Ok(Bare::ok(TypeImportOut::new(changed.map(|imported| imported.kind.name))))
}
