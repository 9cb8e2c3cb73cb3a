//! Repeated requests: the clients send an idempotency key with each POST, and repeat it after an error.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use shared::domain::ids::{EndpointId, OrganizationId, Random};
use shared::domain::response::MAX_RESPONSE_BYTES;
use shared::domain::signing::key::SigningKeyId;
use shared::domain::time::Timestamp;
use shared::edge::{ApiError, Authenticated, PathReference, SvixApplicationId};
use shared::service::{Administrator, Begun};
use shared::store::{RequestDigest, StoredAnswer};
use shared::wire::error::{ErrorCode, Problem};
use shared::wire::svix::{
    ApplicationOut, Reference, SecretOut, parse_application, parse_endpoint, print_application, print_endpoint,
};
use tracing::warn;

const KEY: &str = "idempotency-key";
/// Most characters of an idempotency key.
const MAX_KEY_CHARS: usize = 255;
/// Largest body that is stored.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Marks a response that must not be stored: it has the payload of a message or a credential, or it shows what an earlier
/// request created.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotStored;

/// Identifies what a request creates, the same in all its repetitions. So a repetition after an error finds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    /// When the first request began.
    pub(super) at: Timestamp,
    /// The digest of the request.
    pub(super) digest: [u8; 32],
}

impl Identity {
    /// The random bytes of the identifier of what the request creates.
    pub(super) fn random(&self) -> Random {
        let [a, b, c, d, e, f, g, h, ..] = self.digest;
        [a, b, c, d, e, f, g, h]
    }
}

/// Marks a response that is made again for a repetition, because what it shows must not be stored.
#[derive(Debug, Clone)]
pub(super) enum Remade {
    /// A new application. It can change before the repetition, and be deleted, which also removes what is stored.
    Application(OrganizationId),
    /// A secret of an endpoint.
    Secret(EndpointId, SigningKeyId),
}

/// What stands before the identifiers in a stored body.
const APPLICATION: &str = "application ";
const SECRET: &str = "secret ";

impl Remade {
    fn stored(&self) -> String {
        match self {
            Self::Application(id) => format!("{APPLICATION}{}", print_application(id)),
            Self::Secret(id, key) => format!("{SECRET}{} {key}", print_endpoint(*id)),
        }
    }

    fn read(body: &str) -> Option<Self> {
        if let Some(application) = body.strip_prefix(APPLICATION) {
            return parse_application(application).map(Self::Application);
        }
        let (endpoint, key) = body.strip_prefix(SECRET)?.split_once(' ')?;
        Some(Self::Secret(parse_endpoint(endpoint)?, SigningKeyId::parse(key)?))
    }
}

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
    let first_at = match administrator.begin_answer(&digest).await {
        Ok(Begun::First(first_at)) => first_at,
        Ok(Begun::Answered(answer)) => {
            let again = again(&administrator, &digest, answer).await;
            return again.unwrap_or_else(IntoResponse::into_response);
        }
        Err(error) => return ApiError::from(error).into_response(),
    };
    parts.extensions.insert(Identity { at: first_at, digest: digest.digest });
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_server_error() {
        if let Err(error) = administrator.end_answer(&digest, first_at, None).await {
            warn!(%error, "the end of a request with an idempotency key was not stored");
        }
        return response;
    }
    if !response.status().is_success() || response.extensions().get::<NotStored>().is_some() {
        if let Err(error) = administrator.withdraw_answer(&digest).await {
            warn!(%error, "an idempotency key was not released");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_RESPONSE_BYTES * 2).await.unwrap_or_default();
    let text = match parts.extensions.get::<Remade>() {
        Some(remade) => remade.stored(),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let answer = StoredAnswer { status: parts.status.as_u16(), body: text };
    let is_stored = answer.body.len() <= MAX_BODY_BYTES;
    let kept = match is_stored {
        true => administrator.end_answer(&digest, first_at, Some(answer)).await,
        false => administrator.withdraw_answer(&digest).await,
    };
    if let Err(error) = kept {
        warn!(%error, "the answer to a request with an idempotency key was not stored");
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// What identifies the request; `None` if its caller is unknown or its path names no application, which the handler answers.
async fn digest(parts: &mut Parts, administrator: &Arc<Administrator>) -> Result<Option<RequestDigest>, ApiError> {
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
    if parts.uri.path().starts_with("/operational-webhook/") {
        let organization = caller.is_platform().then(OrganizationId::platform);
        return Ok(organization.map(|organization| RequestDigest { organization: Some(organization), digest }));
    }
    // The deletion of an application removes the answers to all requests that name it.
    if !["/app/", "/auth/"].iter().any(|prefix| parts.uri.path().starts_with(prefix)) {
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

/// The answer to an earlier request of the same caller.
async fn again(
    administrator: &Administrator,
    request: &RequestDigest,
    StoredAnswer { status, body }: StoredAnswer,
) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let body = match (Remade::read(&body), &request.organization) {
        (Some(Remade::Application(id)), _) => {
            let organization = administrator.access().organization(&id).await?;
            serde_json::to_string(&ApplicationOut::from(&organization))
        }
        (Some(Remade::Secret(endpoint, id)), Some(organization)) => {
            // A later one is not this request's.
            let key = administrator.read_secret_again(organization, endpoint, id).await?;
            let key = key.ok_or_else(|| ApiError::new(ErrorCode::Conflict, "the secret was replaced since"))?;
            serde_json::to_string(&SecretOut::new(&key.secret))
        }
        _ => Ok(body),
    };
    let body = body.map_err(|_| ApiError::new(ErrorCode::Internal, "the answer could not be made again"))?;
    if body.is_empty() {
        return Ok(status.into_response());
    }
    Ok((status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}
