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
use crate::page::{Page, back_link};
use crate::text::session as text;
use crate::{Routes, Shared};

pub(crate) fn routes() -> Routes {
    Router::new()
        .route("/portal/operator/sign-out", post(sign_out))
        .route("/portal/{organization}/sign-out", post(sign_out))
}

async fn sign_out(signed_in: SignedIn, State(portal): Shared, origin: PublicOrigin) -> Result<Response, ApiError> {
    let session = &signed_in.session;
    portal.administrator().revoke_portal_session(&session.tenant, session.id).await?;
    let body = html! {
        p { (text::SIGNED_OUT) }
        p { (back_link(&portal, &signed_in)) }
    };
    let reach = Reach::of(&portal, &origin);
    let mut response = Page::new(text::SIGNED_OUT_TITLE, body).alone().into_response();
    response.headers_mut().append(header::SET_COOKIE, reach.no_session());
    Ok(response)
}
