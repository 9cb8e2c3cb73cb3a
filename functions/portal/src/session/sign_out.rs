//! Signing out: the session is revoked, and the cookie removed.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header;
use maud::html;
use shared::edge::{ApiError, PublicOrigin};

use super::SignedIn;
use super::cookie::Reach;
use crate::page::Page;
use crate::{Routes, Shared, text};

pub(crate) fn routes() -> Routes {
    Router::new()
        .route("/portal/operator/sign-out", post(sign_out))
        .route("/portal/{organization}/sign-out", post(sign_out))
}

async fn sign_out(
    SignedIn { session, .. }: SignedIn,
    State(portal): Shared,
    origin: PublicOrigin,
) -> Result<Response, ApiError> {
    portal.administrator().revoke_portal_session(&session.tenant, session.id).await?;
    let body = html! {
        p { (text::SIGNED_OUT) }
        @if let Some(url) = &session.return_url { p { a href=(url.as_str()) { (text::back_to(url.host())) } } }
    };
    let reach = Reach::of(&portal, &origin);
    let mut response = Page::new(text::SIGNED_OUT_TITLE, body).alone().into_response();
    response.headers_mut().append(header::SET_COOKIE, reach.no_session());
    Ok(response)
}
