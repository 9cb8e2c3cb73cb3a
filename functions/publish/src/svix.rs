//! The route of the `svix` dialect that creates messages.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use shared::domain::event::NewEvent;
use shared::domain::text::IdempotencyKey;
use shared::edge::{ApiError, Bare, OfApplication, PublishCaller, SvixSearch, check_size, read_body};
use shared::service::{Caller, Idempotency, Publisher};
use shared::wire::body;
use shared::wire::error::{ErrorCode, Problem};
use shared::wire::svix::{MessageIn, MessageOut};
use utoipa::OpenApi;

use super::trace_context;

/// The OpenAPI description of the route.
#[derive(Debug, OpenApi)]
#[openapi(paths(create))]
pub(super) struct Operations;

/// Creates a message.
///
/// A repetition with the same `idempotency-key` is answered with the first message.
#[utoipa::path(
    post, path = "/api/v1/app/{app_id}/msg", operation_id = "message_create", request_body = MessageIn,
    params(("with_content" = Option<bool>, Query), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = MessageOut)),
)]
pub(super) async fn create(
    PublishCaller { caller, organization, .. }: PublishCaller<OfApplication>,
    State(publisher): State<Arc<Publisher>>,
    headers: HeaderMap,
    SvixSearch(mut query): SvixSearch,
    request: Request,
) -> Result<Bare<MessageOut>, ApiError> {
    let has_content = query.flag("with_content", true);
    query.finish(())?;
    let idempotency = idempotency(&headers, &caller, request.uri().query())?;
    let body = read_body(request).await?;
    let event = body::parse::<MessageIn>(&body)?.read_known(MessageIn::parse)?;
    check_size(&event.data, organization.limits())?;
    let event = NewEvent { trace: trace_context(&headers), ..event };
    let accepted = publisher.publish(&organization, caller.key(), vec![(0, event)], idempotency.as_ref()).await?;
    if let Some(duplicate) = accepted.duplicates.first() {
        let message = format!("the eventId is taken by {}", duplicate.first.as_svix());
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    if let Some((_, refusal)) = accepted.refused.first() {
        return Err(ApiError::invalid(Problem::of_refusal(refusal)));
    }
    let published =
        accepted.published.first().ok_or_else(|| ApiError::new(ErrorCode::Internal, "nothing was published"))?;
    Ok(Bare::accepted(MessageOut::new(&published.event, has_content)))
}

/// What identifies repetitions: the caller, the query and the key, whatever the body is. Keys of other dialects are others.
fn idempotency(headers: &HeaderMap, caller: &Caller, query: Option<&str>) -> Result<Option<Idempotency>, ApiError> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let problem = || ApiError::invalid(vec![Problem::new("idempotency-key", "must be 1 to 255 ASCII characters")]);
    let key = given.to_str().ok().and_then(|text| IdempotencyKey::parse(text).ok()).ok_or_else(problem)?;
    let mut digest = Sha256::new();
    for part in ["svix", &caller.name(), query.unwrap_or_default(), key.as_str()] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let key = IdempotencyKey::parse(&hex::encode(digest.finalize())).map_err(|_| problem())?;
    Ok(Some(Idempotency { key, request_hash: "svix".to_owned(), events: 1 }))
}
