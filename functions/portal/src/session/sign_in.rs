//! The link of a session: exchanged for a cookie, once.

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use maud::html;
use shared::domain::portal::session::{PortalSession, PortalTenant};
use shared::domain::portal::token::PortalToken;
use shared::domain::text::Name;
use shared::edge::{ApiError, PublicOrigin};
use shared::service::ServiceError;
use shared::telemetry::RequestContext;
use shared::wire::error::ErrorCode;
use tracing::warn;
use url::form_urlencoded;

use super::cookie::Reach;
use super::{SignedIn, attribute, same_origin};
use crate::form::{FORM_TOKEN, Form};
use crate::page::{Page, form_token};
use crate::pages::first_page;
use crate::text::session as text;
use crate::{Portal, Routes, Shared};

const PATH: &str = "/portal/sign-in";
/// Most bytes of the form that confirms a link.
const MAX_CONFIRMATION_BYTES: usize = 4 * 1024;

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
            false => redirect(&format!("{PATH}?frame=1&token={}", *token.reveal()), [reach.probe()]),
        });
    }
    let present = SignedIn::of_cookie(&portal, &parts).await?.map(|(present, _)| present);
    if present.as_ref().is_some_and(|present| present.session.id == token.session) {
        // The page was loaded again: the link was used, and its session is this one.
        return Ok(Redirect::to(&first_page(&token.tenant)).into_response());
    }
    let Some(wanted) = portal.administrator().session_of_link(&token).await? else { return Ok(link_does_not_work()) };
    if leaves_another(&portal, reach, &parts, present.as_ref(), &wanted.tenant).await? {
        return Ok(ask(&portal, present.as_ref(), &wanted, &token).await?.into_response());
    }
    exchange(&portal, &parts, reach, &token, present.as_ref()).await
}

/// Opens a link although the browser has or had a session of another tenant, after the person has confirmed it.
async fn confirm(State(portal): Shared, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let origin = PublicOrigin::from_request_parts(&mut parts, &portal).await?;
    same_origin::require(&parts, &origin)?;
    let form = Form::read(&parts, body, MAX_CONFIRMATION_BYTES).await?;
    let present = SignedIn::of_cookie(&portal, &parts).await?;
    // The session may have ended since the question. Then only the origin shows where the form is from.
    if present.as_ref().is_some_and(|(_, cookie)| !cookie.is_form_token(form.raw(FORM_TOKEN))) {
        return Err(ApiError::new(ErrorCode::Forbidden, text::FOREIGN_FORM));
    }
    let Some(token) = PortalToken::parse(form.text("token")) else { return Ok(link_does_not_work()) };
    let present = present.map(|(present, _)| present);
    exchange(&portal, &parts, Reach::of(&portal, &origin), &token, present.as_ref()).await
}

/// Whether the browser is, or was before its session ended, at the portal of another tenant than this. Whoever sends a person a
/// link of an organization of his own could otherwise read what the person takes for the own organization's and enters.
async fn leaves_another(
    portal: &Portal,
    reach: Reach,
    parts: &Parts,
    present: Option<&SignedIn>,
    wanted: &PortalTenant,
) -> Result<bool, ApiError> {
    if let Some(present) = present {
        return Ok(present.session.tenant != *wanted);
    }
    let Some(last) = reach.read_last(&parts.headers).filter(|last| last != wanted) else { return Ok(false) };
    let Some(last) = last.organization() else { return Ok(true) };
    // Nobody enters anything for an organization that is gone.
    match portal.administrator().access().organization(last).await {
        Ok(_) => Ok(true),
        Err(ServiceError::NotFound(_) | ServiceError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Exchanges a link for a cookie. The session that the browser had until now is revoked.
async fn exchange(
    portal: &Portal,
    parts: &Parts,
    reach: Reach,
    token: &PortalToken,
    present: Option<&SignedIn>,
) -> Result<Response, ApiError> {
    let context = parts.extensions.get::<RequestContext>();
    let signed_in = portal.administrator().sign_in(token, |session| {
        context.inspect(|context| attribute(context, session));
    });
    let Some((session, cookie)) = signed_in.await? else { return Ok(link_does_not_work()) };
    if let Some(SignedIn { session: replaced, .. }) = present {
        let revoked = portal.administrator().revoke_portal_session(&replaced.tenant, replaced.id).await;
        // It still ends at its time, and this browser has lost its cookie.
        let _ =
            revoked.inspect_err(|error| warn!(session = %replaced.id, %error, "a replaced session was not revoked"));
    }
    let left = session.expires_at.since(portal.administrator().clock().now());
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let cookies = [reach.session(&cookie, seconds), reach.last(&session.tenant)];
    Ok(redirect(&first_page(&session.tenant), cookies))
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

fn redirect(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
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

/// Asks before the browser leaves another tenant, and names both and the person.
async fn ask(
    portal: &Portal,
    present: Option<&SignedIn>,
    wanted: &PortalSession,
    token: &PortalToken,
) -> Result<Page, ApiError> {
    let now = match present {
        Some(present) => Some(name(portal, &present.session.tenant).await?),
        None => None,
    };
    let then = name(portal, &wanted.tenant).await?;
    let body = html! {
        p { (text::other_session(now.as_deref(), &then, wanted.actor.as_ref().map(Name::as_str))) }
        form method="post" action=(PATH) {
            @if let Some(present) = present { (form_token(present)) }
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
