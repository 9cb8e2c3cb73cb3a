//! Success responses.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::items::unrenderable;
use super::unrendered::{Render, Unrendered};
use super::{ApiError, Items};
use crate::domain::ids::RequestId;
use crate::wire::error::ErrorForm;
use crate::wire::organizations::PaginationOut;

/// A response of the `organizations` dialect: `{"data":…, "meta":{"request_id":…}}`.
#[derive(Debug)]
pub struct Data<T> {
    status: StatusCode,
    rendered: Result<Enveloped, ApiError>,
    data: PhantomData<T>,
}

impl<T: Serialize> Data<T> {
    /// A response with status 200.
    pub fn ok(data: T) -> Self {
        Self::new(StatusCode::OK, &data)
    }

    /// A response with status 201.
    pub fn created(data: T) -> Self {
        Self::new(StatusCode::CREATED, &data)
    }

    /// A response with status 202.
    pub fn accepted(data: T) -> Self {
        Self::new(StatusCode::ACCEPTED, &data)
    }

    fn new(status: StatusCode, data: &T) -> Self {
        let rendered = to_raw_value(data).map(|data| Enveloped { data, pagination: None });
        Self { status, rendered: rendered.map_err(|error| unrenderable(&error)), data: PhantomData }
    }
}

impl<T: Serialize> Data<Vec<T>> {
    /// A response with a page of a list.
    pub fn page(items: Items<T>, pagination: &PaginationOut) -> Self {
        let render = || {
            let pagination = to_raw_value(pagination).map_err(|error| unrenderable(&error))?;
            Ok(Enveloped { data: items.finish()?, pagination: Some(pagination) })
        };
        Self { status: StatusCode::OK, rendered: render(), data: PhantomData }
    }
}

impl<T> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        match self.rendered {
            Ok(enveloped) => {
                let mut response = self.status.into_response();
                response.extensions_mut().insert(Unrendered(Arc::new(enveloped)));
                response
            }
            Err(error) => error.into_response(),
        }
    }
}

/// The parts of a response before the request id is added.
#[derive(Clone)]
struct Enveloped {
    data: Box<RawValue>,
    pagination: Option<Box<RawValue>>,
}

/// `Debug` is redacted: the data may contain a secret that is shown once.
impl std::fmt::Debug for Enveloped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enveloped(…)")
    }
}

/// A response of the other dialects: an object or an array without an envelope.
#[derive(Debug)]
pub struct Bare<T> {
    status: StatusCode,
    body: T,
}

impl<T: Serialize> Bare<T> {
    /// A response with status 200.
    pub const fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// A response with status 201.
    pub const fn created(body: T) -> Self {
        Self { status: StatusCode::CREATED, body }
    }

    /// A response with status 202.
    pub const fn accepted(body: T) -> Self {
        Self { status: StatusCode::ACCEPTED, body }
    }
}

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.body) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                (self.status, [(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => unrenderable(&error).into_response(),
        }
    }
}

/// A response with status 204 and no body.
#[derive(Debug)]
pub struct Empty;

impl IntoResponse for Empty {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// The size of a response beyond its data, in bytes.
const BESIDE_THE_DATA: usize = 256;

#[derive(Serialize)]
struct Envelope<'a> {
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<&'a RawValue>,
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    request_id: String,
}

impl Render for Enveloped {
    fn render(&self, request_id: RequestId, _: ErrorForm) -> Vec<u8> {
        let meta = Meta { request_id: request_id.to_string() };
        let envelope = Envelope { data: &self.data, pagination: self.pagination.as_deref(), meta };
        // A page may have several megabytes. Without sufficient capacity the vector would be reallocated, which doubles
        // the memory.
        let mut body = Vec::with_capacity(self.data.get().len() + BESIDE_THE_DATA);
        serde_json::to_writer(&mut body, &envelope).map(|()| body).unwrap_or_default()
    }
}
