//! The link of a session: exchanged for a cookie, once.

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use maud::html;
use shared::domain::portal::token::PortalToken;
use shared::edge::{ApiError, PublicOrigin};
use shared::telemetry::RequestContext;
use shared::wire::error::ErrorCode;
use url::form_urlencoded;

use super::cookie::{self, Reach};
use super::{SignedIn, same_origin};
use crate::form::{FORM_TOKEN, Form};
use crate::page::{Page, form_token};
use crate::pages::first_page;
use crate::{Portal, Routes, Shared, text};

const PATH: &str = "/portal/sign-in";

pub(crate) fn routes() -> Routes {
    Router::new().route("/portal/sign-in", get(open).post(confirm))
}

/// Opens a link. HEAD never gets here: `shared::edge` refuses it.
async fn open(State(portal): Shared, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let origin = PublicOrigin::from_request_parts(&mut parts, &portal).await?;
    if is_speculative(&parts) {
        return Err(ApiError::new(ErrorCode::Forbidden, text::NOT_OPENED));
    }
    let (token, is_second_try) = read_query(&parts);
    let Some(token) = token else { return Ok(link_does_not_work()) };
    let reach = reach(&portal, &origin);
    if is_in_frame(&parts) && !cookie::has_probe(&parts.headers) {
        // The link must not be used up by a frame that then gets no cookie.
        return Ok(match is_second_try {
            true => new_tab(&token),
            false => redirect(&format!("{PATH}?frame=1&token={}", *token.reveal()), reach.probe()),
        });
    }
    if let Some((present, _)) = SignedIn::of_cookie(&portal, &parts).await?
        && present.session.tenant != token.tenant
    {
        return Ok(ask(&present, &token).into_response());
    }
    exchange(&portal, &parts, reach, &token).await
}

/// Opens a link although the browser has a session of another tenant, after the person has confirmed it.
async fn confirm(State(portal): Shared, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let origin = PublicOrigin::from_request_parts(&mut parts, &portal).await?;
    same_origin::require(&parts, &origin)?;
    let form = Form::read(&parts, body).await?;
    let Some((_, present)) = SignedIn::of_cookie(&portal, &parts).await? else { return Err(super::not_signed_in()) };
    if !present.is_form_token(form.raw(FORM_TOKEN)) {
        return Err(ApiError::new(ErrorCode::Forbidden, text::FOREIGN_FORM));
    }
    let Some(token) = PortalToken::parse(form.text("token")) else { return Ok(link_does_not_work()) };
    exchange(&portal, &parts, reach(&portal, &origin), &token).await
}

async fn exchange(portal: &Portal, parts: &Parts, reach: Reach, token: &PortalToken) -> Result<Response, ApiError> {
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        context.set_key(token.session.to_string());
        token.tenant.organization().inspect(|organization| context.set_organization(organization));
    }
    let Some((session, cookie)) = portal.administrator().sign_in(token).await? else {
        return Ok(link_does_not_work());
    };
    let left = session.expires_at.since(portal.administrator().clock().now());
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Ok(redirect(&first_page(&session.tenant), reach.session(&cookie, seconds)))
}

fn reach(portal: &Portal, origin: &PublicOrigin) -> Reach {
    Reach { is_secure: origin.is_secure(), is_framed: !portal.settings().origins.is_empty() }
}

/// Whether the browser loads the page before the person opens it.
fn is_speculative(parts: &Parts) -> bool {
    let purposes =
        ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().flat_map(|name| parts.headers.get_all(*name));
    purposes.into_iter().any(|purpose| {
        let purpose = String::from_utf8_lossy(purpose.as_bytes()).to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
    })
}

fn is_in_frame(parts: &Parts) -> bool {
    parts.headers.get("sec-fetch-dest").is_some_and(|place| ["iframe", "frame"].iter().any(|frame| place == frame))
}

/// The token in the query, and whether this is the second try within a frame.
fn read_query(parts: &Parts) -> (Option<PortalToken>, bool) {
    let query = parts.uri.query().unwrap_or_default();
    let value =
        |wanted: &str| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, it)| it);
    (value("token").and_then(|text| PortalToken::parse(&text)), value("frame").is_some())
}

fn redirect(to: &str, cookie: HeaderValue) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

fn link_does_not_work() -> Response {
    let body = html! { p { (text::LINK_DOES_NOT_WORK) } };
    Page::new(text::LINK_DOES_NOT_WORK_TITLE, body).with_status(StatusCode::GONE).into_response()
}

fn new_tab(token: &PortalToken) -> Response {
    let link = format!("{PATH}?token={}", *token.reveal());
    let body = html! {
        p { (text::NO_COOKIES_IN_FRAME) }
        p { a.button href=(link) target="_blank" rel="noopener" { (text::OPEN_IN_NEW_TAB) } }
    };
    Page::new(text::NO_COOKIES_IN_FRAME_TITLE, body).into_response()
}

fn ask(present: &SignedIn, token: &PortalToken) -> Page {
    let body = html! {
        p { (text::OTHER_SESSION) }
        form method="post" action=(PATH) {
            (form_token(present))
            input type="hidden" name="token" value=(*token.reveal());
            button.button type="submit" { (text::LEAVE_OTHER_SESSION) }
        }
    };
    Page::new(text::OTHER_SESSION_TITLE, body)
}
