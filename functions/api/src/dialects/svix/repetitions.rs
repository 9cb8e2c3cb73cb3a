//! Repeated requests: the clients send an idempotency key with each POST, and repeat it after an error.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use shared::domain::response::MAX_RESPONSE_BYTES;
use shared::edge::{ApiError, Authenticated, PathReference, SvixApplicationId};
use shared::service::{Administrator, Begun};
use shared::store::{RequestDigest, StoredAnswer};
use shared::wire::error::{ErrorCode, Problem};
use shared::wire::svix::{ApplicationOut, Reference, parse_application};
use tracing::warn;

const KEY: &str = "idempotency-key";
/// Most characters of an idempotency key.
const MAX_KEY_CHARS: usize = 255;
/// Largest body that is stored.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The path, after the prefix, that creates applications.
const APPLICATIONS: &str = "/app";

/// Marks a response that must not be stored: it has a secret or the payload of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotStored;

/// Gives the answer to a request again if it is repeated with the same key at the same URL by the same caller.
pub(super) async fn layer(State(administrator): State<Arc<Administrator>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let digest = match digest(&mut parts, &administrator).await {
        Ok(Some(digest)) => digest,
        Ok(None) => return next.run(Request::from_parts(parts, body)).await,
        Err(error) => return error.into_response(),
    };
    let creates_application = parts.uri.path() == APPLICATIONS;
    let began_at = match administrator.begin_answer(&digest).await {
        Ok(Begun::First(began_at)) => began_at,
        Ok(Begun::Answered(answer)) => {
            return again(&administrator, creates_application, answer)
                .await
                .unwrap_or_else(IntoResponse::into_response);
        }
        Err(error) => return ApiError::from(error).into_response(),
    };
    let response = next.run(Request::from_parts(parts, body)).await;
    if !response.status().is_success() || response.extensions().get::<NotStored>().is_some() {
        if let Err(error) = administrator.withdraw_answer(&digest).await {
            warn!(%error, "an idempotency key was not released");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_RESPONSE_BYTES * 2).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    // The deletion of an application does not find what is stored for the deployment, so that has its identifier alone.
    let text = if creates_application { identifier(&text).unwrap_or_default() } else { text.into_owned() };
    let answer = StoredAnswer { status: parts.status.as_u16(), body: text };
    let is_stored = answer.body.len() <= MAX_BODY_BYTES;
    let kept = match is_stored {
        true => administrator.keep_answer(&digest, began_at, answer).await,
        false => administrator.withdraw_answer(&digest).await,
    };
    if let Err(error) = kept {
        warn!(%error, "the answer to a request with an idempotency key was not stored");
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// What identifies the request; `None` if its caller is unknown or its path names no application, which the handler answers.
async fn digest(
    parts: &mut axum::http::request::Parts,
    administrator: &Arc<Administrator>,
) -> Result<Option<RequestDigest>, ApiError> {
    let key = parts.headers.get(KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.is_empty() || key.len() > MAX_KEY_CHARS {
        let message = format!("must be 1 to {MAX_KEY_CHARS} characters");
        return Err(ApiError::invalid(vec![Problem::new(KEY, message)]));
    }
    let authorization = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let url = parts.uri.to_string();
    let mut digest = Sha256::new();
    for part in [authorization, url.as_bytes(), key] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize().into();
    // Nothing is stored for strangers.
    let Ok(Authenticated(caller)) = Authenticated::from_request_parts(parts, administrator).await else {
        return Ok(None);
    };
    if !parts.uri.path().starts_with("/app/") {
        return Ok(Some(RequestDigest { organization: None, digest }));
    }
    let named = PathReference::<SvixApplicationId>::from_request_parts(parts, administrator).await;
    let organization = match named {
        Ok(PathReference(Reference::Id(SvixApplicationId(id)))) => Some(id),
        Ok(PathReference(Reference::Uid(uid))) => administrator.access().organization_named(&uid).await?,
        Err(_) => None,
    };
    let Some(organization) = organization else { return Ok(None) };
    match administrator.access().organization_for(&caller, &organization).await {
        Ok(found) => Ok(Some(RequestDigest { organization: Some(found.id), digest })),
        Err(_) => Ok(None),
    }
}

/// The answer to an earlier request.
async fn again(
    administrator: &Administrator,
    creates_application: bool,
    StoredAnswer { status, body }: StoredAnswer,
) -> Result<Response, ApiError> {
    let gone = || ApiError::new(ErrorCode::NotFound, "the application was deleted");
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let body = if creates_application {
        let id = parse_application(&body).ok_or_else(gone)?;
        let organization = administrator.access().organization(&id).await?;
        serde_json::to_string(&ApplicationOut::from(&organization)).unwrap_or_default()
    } else {
        body
    };
    if body.is_empty() {
        return Ok(status.into_response());
    }
    Ok((status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// The identifier in a body.
fn identifier(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    body["id"].as_str().map(str::to_owned)
}
