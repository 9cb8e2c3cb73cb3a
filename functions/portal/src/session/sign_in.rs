//! The link of a session: exchanged for a cookie, once.

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use maud::html;
use shared::domain::portal::session::PortalTenant;
use shared::domain::portal::token::PortalToken;
use shared::edge::{ApiError, PublicOrigin};
use shared::telemetry::RequestContext;
use shared::wire::error::ErrorCode;
use url::form_urlencoded;

use super::cookie::Reach;
use super::{SignedIn, attribute, same_origin};
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
    if is_speculative(&parts) || !is_navigation(&parts) {
        return Err(ApiError::new(ErrorCode::Forbidden, text::NOT_OPENED));
    }
    let (token, is_second_try) = read_query(&parts);
    let Some(token) = token else { return Ok(link_does_not_work()) };
    let reach = Reach::of(&portal, &origin);
    if is_in_frame(&parts) && !reach.has_probe(&parts.headers) {
        // The link must not be used up by a frame that then gets no cookie.
        return Ok(match is_second_try {
            true => new_tab(&token),
            false => redirect(&format!("{PATH}?frame=1&token={}", *token.reveal()), reach.probe()),
        });
    }
    if let Some((present, _)) = SignedIn::of_cookie(&portal, &parts).await? {
        if present.session.id == token.session {
            // The page was loaded again: the link was used, and its session is this one.
            return Ok(Redirect::to(&first_page(&token.tenant)).into_response());
        }
        if present.session.tenant != token.tenant {
            return Ok(ask(&portal, &present, &token).await?.into_response());
        }
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
    exchange(&portal, &parts, Reach::of(&portal, &origin), &token).await
}

async fn exchange(portal: &Portal, parts: &Parts, reach: Reach, token: &PortalToken) -> Result<Response, ApiError> {
    let context = parts.extensions.get::<RequestContext>();
    let signed_in = portal.administrator().sign_in(token, |session| {
        context.inspect(|context| attribute(context, session));
    });
    let Some((session, cookie)) = signed_in.await? else { return Ok(link_does_not_work()) };
    let left = session.expires_at.since(portal.administrator().clock().now());
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Ok(redirect(&first_page(&session.tenant), reach.session(&cookie, seconds)))
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

/// Whether the browser opens the page. An image or a script of another page must not use up a link, or change who is signed in.
fn is_navigation(parts: &Parts) -> bool {
    parts.headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
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

/// Asks before the session of another tenant is replaced, and names both.
async fn ask(portal: &Portal, present: &SignedIn, token: &PortalToken) -> Result<Page, ApiError> {
    let now = name(portal, &present.session.tenant).await?;
    let then = name(portal, &token.tenant).await?;
    let body = html! {
        p { (text::other_session(&now, &then)) }
        form method="post" action=(PATH) {
            (form_token(present))
            input type="hidden" name="token" value=(*token.reveal());
            button.button type="submit" { (text::LEAVE_OTHER_SESSION) }
        }
    };
    Ok(Page::new(text::OTHER_SESSION_TITLE, body))
}

/// What a session is for, with the organization's name.
async fn name(portal: &Portal, tenant: &PortalTenant) -> Result<String, ApiError> {
    Ok(match tenant.organization() {
        Some(id) => portal.administrator().access().organization(id).await?.name.to_string(),
        None => text::ALL_ORGANIZATIONS.to_owned(),
    })
}
