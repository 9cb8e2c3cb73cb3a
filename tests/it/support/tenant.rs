//! A tenant: a client of the API with a key.

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, header};
use serde_json::{Value, json};

use super::{Process, Receiver, World};

/// The event type of tests in which the type is irrelevant.
pub(crate) const EVENT_TYPE: &str = "member.added";

/// An organization and one of its keys. Paths are relative to the organization unless they start with `/v1`.
#[derive(Clone)]
pub(crate) struct Tenant {
    process: Process,
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Tenant {
    pub(super) fn new(process: Process, id: &str, key: &str) -> Self {
        Self { process, id: id.to_owned(), key: key.to_owned() }
    }

    /// The same tenant as a client of another process.
    pub(crate) fn at(&self, process: &Process) -> Self {
        Self { process: process.clone(), ..self.clone() }
    }

    /// The process that the tenant calls.
    pub(crate) const fn process(&self) -> &Process {
        &self.process
    }

    /// The same organization with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path, &[], Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::PATCH, path, &[], Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, &[], None).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        let path = if path.starts_with("/v1") || path.starts_with("/api/") {
            path.to_owned()
        } else {
            format!("/v1/organizations/{}{path}", self.id)
        };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        self.process.call(request.body(body.map_or_else(Body::empty, Body::from)).unwrap()).await
    }

    /// Creates an endpoint at a receiver that subscribes to every event type.
    pub(crate) async fn endpoint(&self, receiver: &Receiver) -> Endpoint {
        self.endpoint_with(json!({"url": receiver.url()})).await
    }

    /// Creates an endpoint with these fields. The other fields have defaults.
    pub(crate) async fn endpoint_with(&self, fields: Value) -> Endpoint {
        let mut body = json!({"name": "Receiver", "event_types": ["*"]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let created = self.post("/webhooks/endpoints", &body).await.data(201);
        let secret = created["signing_secret"].as_str().unwrap_or_default().to_owned();
        Endpoint { id: text(&created["id"]).to_owned(), secret }
    }

    /// Reads an endpoint through the API.
    pub(crate) async fn read_endpoint(&self, endpoint: &Endpoint) -> Value {
        self.get(&endpoint.path()).await.data(200)
    }

    /// Creates an endpoint at the URL without retries, delivers one event to it and returns the delivery.
    pub(crate) async fn deliver_to(&self, world: &World, url: &str, timeout_seconds: u8) -> Value {
        let fields = json!({"url": url, "retry_schedule": [], "timeout_seconds": timeout_seconds});
        let endpoint = self.endpoint_with(fields).await;
        let id = self.publish_one().await;
        world.drain().await;
        let delivery = self.delivery(&id).await;
        self.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        delivery
    }

    /// Sets the status of an endpoint.
    pub(crate) async fn set_status(&self, endpoint: &Endpoint, status: &str) {
        self.patch(&endpoint.path(), &json!({"status": status})).await.data(200);
    }

    /// Publishes an event and returns the ids of its deliveries.
    pub(crate) async fn publish(&self) -> Vec<String> {
        delivery_ids(&self.publish_data(&json!({"member": "mbr_1"})).await)
    }

    /// Publishes an event for an organization with a single endpoint, and returns the id of its delivery.
    pub(crate) async fn publish_one(&self) -> String {
        let mut ids = self.publish().await;
        assert_eq!(ids.len(), 1);
        ids.remove(0)
    }

    /// Publishes an event with this data and returns the event.
    pub(crate) async fn publish_data(&self, data: &Value) -> Value {
        self.post("/events", &json!({"type": EVENT_TYPE, "data": data})).await.data(202)
    }

    /// Reads a delivery through the API.
    pub(crate) async fn delivery(&self, id: &str) -> Value {
        self.get(&format!("/webhooks/deliveries/{id}")).await.data(200)
    }

    /// The status of a delivery.
    pub(crate) async fn delivery_status(&self, id: &str) -> String {
        text(&self.delivery(id).await["status"]).to_owned()
    }

    /// The newest deliveries of an endpoint, newest first.
    pub(crate) async fn deliveries(&self, endpoint: &Endpoint) -> Vec<Value> {
        let page = self.get(&format!("{}/deliveries?limit=100", endpoint.path())).await.data(200);
        page.as_array().unwrap().clone()
    }
}

/// An endpoint that was created through the API.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    /// The generated secret. It is empty if the tenant supplied the secret.
    pub(crate) secret: String,
}

impl Endpoint {
    pub(crate) fn path(&self) -> String {
        format!("/webhooks/endpoints/{}", self.id)
    }
}

/// A response of the API.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body as bytes.
    pub(crate) bytes: Bytes,
    /// The parsed body. It is null if the body is not JSON.
    pub(crate) body: Value,
    /// The organization that the request was for, which only layers around the functions see.
    pub(crate) organization: Option<String>,
}

impl Reply {
    /// The `data` of the response. Panics unless the response has this status.
    #[track_caller]
    pub(crate) fn data(mut self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["data"].take()
    }

    /// Asserts that the response is the error with this status and code.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.body["error"]["code"]), (status, &json!(code)), "{}", self.body);
    }
}

/// The ids of an event's deliveries. Also works for an event of a batch, which has only these ids.
pub(crate) fn delivery_ids(event: &Value) -> Vec<String> {
    if let Some(ids) = event["delivery_ids"].as_array() {
        return ids.iter().map(|id| text(id).to_owned()).collect();
    }
    let deliveries = event["webhook_deliveries"].as_array().unwrap();
    deliveries.iter().map(|delivery| text(&delivery["id"]).to_owned()).collect()
}

#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}
