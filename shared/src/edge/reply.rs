//! Answers that succeed.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::ApiError;
use super::layers::Unrendered;
use crate::wire::error::ErrorCode;
use crate::wire::organizations::PaginationOut;

/// An answer of the `organizations` dialect: `{"data":…, "meta":{"request_id":…}}`.
#[derive(Debug)]
pub struct Data<T> {
    status: StatusCode,
    data: T,
    pagination: Option<PaginationOut>,
}

impl<T: Serialize> Data<T> {
    /// 200.
    pub const fn ok(data: T) -> Self {
        Self { status: StatusCode::OK, data, pagination: None }
    }

    /// 201.
    pub const fn created(data: T) -> Self {
        Self { status: StatusCode::CREATED, data, pagination: None }
    }

    /// 202.
    pub const fn accepted(data: T) -> Self {
        Self { status: StatusCode::ACCEPTED, data, pagination: None }
    }

    /// A page of a list.
    pub const fn page(data: T, pagination: PaginationOut) -> Self {
        Self { status: StatusCode::OK, data, pagination: Some(pagination) }
    }
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        let data = to_raw_value(&self.data);
        let pagination = self.pagination.map(|pagination| to_raw_value(&pagination)).transpose();
        match (data, pagination) {
            (Ok(data), Ok(pagination)) => {
                let mut response = self.status.into_response();
                response.extensions_mut().insert(Unrendered::Data(Enveloped { data, pagination }));
                response
            }
            (Err(error), _) | (_, Err(error)) => unrenderable(&error),
        }
    }
}

/// The parts of an answer, before the request id is added.
#[derive(Clone)]
pub(super) struct Enveloped {
    pub(super) data: Box<RawValue>,
    pub(super) pagination: Option<Box<RawValue>>,
}

/// The data may hold a secret that is shown once, and only to its owner.
impl std::fmt::Debug for Enveloped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enveloped(…)")
    }
}

/// An answer of the other dialects: the object or the array itself.
#[derive(Debug)]
pub struct Bare<T> {
    status: StatusCode,
    body: T,
}

impl<T: Serialize> Bare<T> {
    /// 200.
    pub const fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// 201.
    pub const fn created(body: T) -> Self {
        Self { status: StatusCode::CREATED, body }
    }

    /// 202.
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
            Err(error) => unrenderable(&error),
        }
    }
}

fn unrenderable(error: &serde_json::Error) -> Response {
    ApiError::new(ErrorCode::Internal, format!("the answer could not be rendered: {error}")).into_response()
}

/// 204 without a body.
#[derive(Debug)]
pub struct Empty;

impl IntoResponse for Empty {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}
