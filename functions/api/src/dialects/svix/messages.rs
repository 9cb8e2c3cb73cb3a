//! Reading messages, and removing their payloads. The function `publish` creates them.

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get};
use shared::edge::scopes::{EventRead, EventsRead, OrganizationWrite};
use shared::edge::{
    ApiError, Bare, BoundTenant, Empty, Listed, OfApplication, PathId, SvixMessageId, SvixSearch, Tenant,
};
use shared::service::ServiceError;
use shared::wire::svix::{ListOut, MessageOut, PagingParameters, parse_message, print_message};
use utoipa::OpenApi;

use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, read, expunge))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/msg", get(list).post(publish))
        .route("/app/{app_id}/msg/{msg_id}", get(read))
        .route("/app/{app_id}/msg/{msg_id}/content", delete(expunge))
}

/// Answers a POST that API Gateway should have routed to the function `publish`, as in the dialect `organizations`.
async fn publish() -> ApiError {
    ServiceError::Internal("the gateway routed publishing to the wrong function".to_owned()).into()
}

/// Lists messages, newest first.
#[utoipa::path(
    get, path = "/app/{app_id}/msg", operation_id = "message_list",
    params(
        PagingParameters, ("event_types" = Option<Vec<String>>, Query), ("channel" = Option<String>, Query),
        ("before" = Option<String>, Query), ("after" = Option<String>, Query), ("with_content" = Option<bool>, Query)
    ),
    responses((status = 200, body = ListOut<MessageOut>)),
)]
async fn list(
    tenant: Tenant<EventsRead, OfApplication>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<ListOut<MessageOut>>, ApiError> {
    let filter = query.event_filter();
    let (has_content, has_tag) = (query.flag("with_content", true), query.has_tag());
    let paging = query.paging(parse_message);
    let paging = query.finish(paging)?;
    let mut listed = Listed::new(paging.walk.is_backward());
    if has_tag {
        return Ok(listed.finish(None));
    }
    let organization = &tenant.organization.id;
    let page = administrator.walk_events(organization, &filter, paging.walk, paging.limit).await?;
    if !has_content {
        for found in &page.items {
            let event = found.without_body();
            listed.push(&MessageOut::new(event, false), print_message(event.id))?;
        }
        return Ok(listed.finish(page.further.map(print_message)));
    }
    let mut messages = administrator.read_messages(organization, page.items);
    while let Some(event) = messages.next().await? {
        if !listed.push(&MessageOut::new(&event, true), print_message(event.id))? {
            return Ok(listed.cut());
        }
    }
    Ok(listed.finish(page.further.map(print_message)))
}

/// Reads a message.
#[utoipa::path(
    get, path = "/app/{app_id}/msg/{msg_id}", operation_id = "message_get",
    params(("with_content" = Option<bool>, Query)),
    responses((status = 200, body = MessageOut)),
)]
async fn read(
    tenant: BoundTenant<EventRead, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<MessageOut>, ApiError> {
    let has_content = query.flag("with_content", true);
    query.finish(())?;
    let found = administrator.event(&tenant.organization.id, &tenant.caller, message).await?;
    Ok(Bare::ok(MessageOut::new(&found.event, has_content)))
}

/// Removes the payload of a message, and the responses to it. What is not delivered yet fails.
#[utoipa::path(
    delete, path = "/app/{app_id}/msg/{msg_id}/content", operation_id = "message_expunge_content",
    responses((status = 204)),
)]
async fn expunge(
    tenant: Tenant<OrganizationWrite, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    administrator.expunge_event(&tenant.organization.id, &tenant.caller, message).await?;
    Ok(Empty)
}
