//! Pages and their responses. [`render`] puts a page or an error into the layout and adds the headers.

mod error;
mod headers;
mod layout;

pub(crate) use layout::{back_link, form_id, form_token};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::Markup;
use shared::domain::ids::RequestId;
use shared::edge::{PublicOrigin, take_error};

use crate::Portal;
use crate::pages::Section;
use crate::session::SignedIn;

/// A page without the layout.
#[derive(Clone)]
pub(crate) struct Page {
    title: String,
    body: Markup,
    status: StatusCode,
    section: Option<Section>,
    is_alone: bool,
}

impl Page {
    /// A page with this title, which is also its heading unless the body has one.
    pub(crate) fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), body, status: StatusCode::OK, section: None, is_alone: false }
    }

    /// Marks the section of the navigation that the page belongs to.
    #[must_use]
    pub(crate) fn of(self, section: Section) -> Self {
        Self { section: Some(section), ..self }
    }

    /// Changes the status of the response.
    #[must_use]
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Leaves out the navigation.
    #[must_use]
    pub(crate) fn alone(self) -> Self {
        Self { is_alone: true, ..self }
    }
}

/// The response is not complete before [`render`] has put the page into the layout.
impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Completes the responses of all routes.
pub(crate) async fn render(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().copied();
    let (mut parts, body) = request.into_parts();
    let is_secure = PublicOrigin::from_request_parts(&mut parts, &portal).await.is_ok_and(|origin| origin.is_secure());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let signed_in = response.extensions_mut().remove::<SignedIn>();
    let page = match take_error(&mut response) {
        Some(error) => {
            if let Some(request_id) = request_id {
                error.log(request_id);
            }
            response.headers_mut().remove(header::WWW_AUTHENTICATE);
            Some(error::page(&error, request_id))
        }
        None => response.extensions_mut().remove::<Page>(),
    };
    if let Some(page) = page {
        *response.status_mut() = page.status;
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = layout::render(&portal, signed_in.as_ref(), &page).into_string().into();
    }
    headers::add(portal.settings(), is_secure, response.headers_mut());
    response
}
