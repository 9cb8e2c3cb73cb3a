//! The fields of a form that was sent.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use shared::domain::portal::form_id::FormId;
use shared::edge::ApiError;
use shared::wire::error::ErrorCode;
use url::form_urlencoded;

use crate::Portal;
use crate::session::SignedIn;

/// Most bytes of a form. The largest field is an event's data.
pub(crate) const MAX_FORM_BYTES: usize = 1024 * 1024;
/// Most bytes of all fields. A page that shows them again has up to six bytes for each.
const MAX_TEXT_BYTES: usize = 512 * 1024;

/// Most fields of a form. Later ones are ignored: the largest form has a checkbox for each type of the catalogue.
const MAX_FIELDS: usize = 2_000;

/// The name of the field that proves that a form is from a page of the session.
pub(crate) const FORM_TOKEN: &str = "form_token";

/// The name of the field that identifies a form that creates something.
pub(crate) const FORM_ID: &str = "form_id";

/// The fields of a form, in order. Their values may be secrets, so there is no `Debug`.
#[derive(Clone)]
pub(crate) struct Form(Arc<[(String, String)]>);

impl Form {
    /// Reads the body of a request, of at most this many bytes.
    ///
    /// # Errors
    /// 413 if it is too large, 415 if it is not a form.
    pub(crate) async fn read(parts: &Parts, body: Body, most_bytes: usize) -> Result<Self, ApiError> {
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, "the body must be a form"));
        }
        let too_large =
            |most: usize| ApiError::new(ErrorCode::PayloadTooLarge, format!("a form must be at most {most} bytes"));
        let bytes = to_bytes(body, most_bytes).await.map_err(|_| too_large(most_bytes))?;
        let fields = form_urlencoded::parse(&bytes).take(MAX_FIELDS);
        let fields: Arc<[_]> = fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        if fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_TEXT_BYTES {
            return Err(too_large(MAX_TEXT_BYTES));
        }
        Ok(Self(fields))
    }

    /// The value of a field, without the spaces around it; empty if the form does not have the field.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> &'a str {
        self.raw(name).trim()
    }

    /// The value of a field as it was sent; empty if the form does not have the field.
    pub(crate) fn raw<'a>(&'a self, name: &'a str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }

    /// The lines of a field that are not empty.
    pub(crate) fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        lines(self.raw(name))
    }

    /// All fields, without the token.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_shown = |name: &str| name != FORM_TOKEN && name != FORM_ID;
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(move |(name, _)| is_shown(name))
    }

    /// Marks the form as sent, so that what it creates is not created again if it is sent twice. The form must have the field
    /// of [`form_id`](crate::page::form_id).
    ///
    /// # Errors
    /// 409 if it was sent before, 400 if it has no identifier.
    pub(crate) async fn use_once(&self, portal: &Portal, signed_in: &SignedIn) -> Result<(), ApiError> {
        let missing = || ApiError::new(ErrorCode::ValidationFailed, "the form has no identifier");
        let id = FormId::parse(self.raw(FORM_ID)).ok_or_else(missing)?;
        Ok(portal.administrator().use_portal_form(&signed_in.session, id).await?)
    }

    /// All values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// The lines of a text that are not empty.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The form that [`session::require`](crate::session::require) has read and checked.
impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let form = parts.extensions.get().cloned();
        form.ok_or_else(|| ApiError::new(ErrorCode::Internal, "the form was not read"))
    }
}
