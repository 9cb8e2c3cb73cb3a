//! The publish function: accepts events. It is a function of its own because it is the hot path.

mod svix;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::post;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use shared::domain::event::trace_context::TraceContext;
use shared::domain::text::IdempotencyKey;
use shared::edge::publishing::{read_event, read_events, refusals};
use shared::edge::{ApiError, Data, PublishCaller, finish, read_body};
use shared::service::{Idempotency, Publisher};
use shared::wire::body;
use shared::wire::error::{ErrorCode, Problem};
use shared::wire::openapi::{TraceParent, TraceState};
use shared::wire::organizations::{BatchIn, BatchResultOut, EventIn, EventOut};
use svix::create as create_message;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as OpenApiDocument;

/// The OpenAPI description of the function's routes.
#[derive(Debug, OpenApi)]
#[openapi(paths(one, batch))]
pub struct Operations;

/// The OpenAPI description of the route of the `svix` dialect.
pub fn svix_operations() -> OpenApiDocument {
    svix::Operations::openapi()
}

/// Builds the router with all routes of the function.
pub fn router(publisher: Arc<Publisher>) -> Router {
    let routes = Router::new()
        .route("/v1/organizations/{organization}/events", post(one))
        .route("/v1/organizations/{organization}/events/batch", post(batch))
        .route("/api/v1/app/{app_id}/msg", post(create_message));
    finish(routes, publisher)
}

/// Publishes an event.
///
/// The response is sent after every delivery is stored and queued. If the catalogue has a schema for the type, the data must
/// satisfy it; the response to data that does not names up to 20 violations.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/events", operation_id = "publish_event", request_body = EventIn,
    params(
        ("Idempotency-Key" = Option<IdempotencyKey>, Header), ("traceparent" = Option<TraceParent>, Header),
        ("tracestate" = Option<TraceState>, Header)
    ),
    responses((status = 202, body = EventOut), (status = 409), (status = 429)),
)]
async fn one(
    PublishCaller { caller, organization, .. }: PublishCaller,
    State(publisher): State<Arc<Publisher>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Data<EventOut>, ApiError> {
    let body = read_body(request).await?;
    let idempotency = idempotency(&headers, "event", &body, 1)?;
    let event = read_event(&organization, &body, trace_context(&headers))?;
    let accepted = publisher.publish(&organization, caller.key(), vec![(0, event)], idempotency.as_ref()).await?;
    if let Some((_, error)) = refusals(&accepted).next() {
        return Err(error);
    }
    let published =
        accepted.published.first().ok_or_else(|| ApiError::new(ErrorCode::Internal, "nothing was published"))?;
    Ok(Data::accepted(EventOut::new(&published.event, &published.deliveries)))
}

/// Publishes up to 100 events. Each event is accepted or refused independently.
///
/// The events may have at most 50,000 deliveries in all. With more, the whole request is refused. The results have the order of the events. A result lists only the ids of its deliveries.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/events/batch", operation_id = "publish_events",
    request_body = BatchIn,
    params(
        ("Idempotency-Key" = Option<IdempotencyKey>, Header), ("traceparent" = Option<TraceParent>, Header),
        ("tracestate" = Option<TraceState>, Header)
    ),
    responses((status = 202, body = Vec<BatchResultOut>), (status = 409), (status = 422), (status = 429)),
)]
async fn batch(
    PublishCaller { caller, organization, .. }: PublishCaller,
    State(publisher): State<Arc<Publisher>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Data<Vec<BatchResultOut>>, ApiError> {
    let body = read_body(request).await?;
    let entries = body::parse::<BatchIn>(&body)?.read(BatchIn::entries)?;
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let idempotency = idempotency(&headers, "batch", &body, count)?;
    let trace = trace_context(&headers);
    let (valid, mut refused) = read_events(&organization, &entries, trace.as_ref());
    let accepted = publisher.publish(&organization, caller.key(), valid, idempotency.as_ref()).await?;
    refused.extend(refusals(&accepted));
    refused.sort_by_key(|(index, _)| *index);
    let (mut published, mut refused) = (accepted.published.into_iter(), refused.into_iter().peekable());
    let results = (0..entries.len()).filter_map(|index| match refused.next_if(|(at, _)| *at as usize == index) {
        Some((_, error)) => Some(BatchResultOut::refused(index, error.code(), error.message(), error.problems())),
        None => published.next().map(|it| BatchResultOut::accepted(index, &it.event, &it.deliveries)),
    });
    Ok(Data::accepted(results.collect()))
}

/// Reads the headers `traceparent` and `tracestate`. Malformed ones are ignored, as W3C Trace Context asks.
fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next()?.to_str().ok().filter(|_| parents.next().is_none())?;
    // The values of a repeated header form one list.
    let states = headers.get_all("tracestate").iter().map(|value| value.to_str().ok());
    let state = states.collect::<Option<Vec<_>>>().map(|states| states.join(","));
    TraceContext::parse(parent, state.as_deref())
}

/// Reads the `Idempotency-Key` header and hashes the request that it identifies.
fn idempotency(headers: &HeaderMap, kind: &str, body: &[u8], events: u32) -> Result<Option<Idempotency>, ApiError> {
    let problem = |message| ApiError::invalid(vec![Problem::new("Idempotency-Key", message)]);
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(problem("is given more than once"));
    }
    let key = value.to_str().ok().and_then(|text| IdempotencyKey::parse(text).ok());
    let request_hash = hex::encode(Sha256::new().chain_update(kind).chain_update(body).finalize());
    let key = key.ok_or_else(|| problem("must be 1 to 255 ASCII characters"))?;
    Ok(Some(Idempotency { key, request_hash, events }))
}
