//! The `svix` dialect. `.ci/run sdk` runs the official clients against it.

mod access;
mod applications;
mod attempts;
mod authentication;
mod endpoints;
mod errors;
mod event_types;
mod messages;
mod openapi;
mod operational;
mod repetitions;
pub(crate) mod routes;
mod statistics;
mod tasks;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Reply, Tenant, World, text};

const APPS: &str = "/api/v1/app";

/// An application, and a client with the platform's key.
struct App {
    client: Tenant,
    id: String,
}

impl App {
    /// Creates an application.
    async fn new(world: &World) -> Self {
        let client = world.platform();
        let created = created(&client.post(APPS, &json!({"name": "App"})).await);
        Self { client, id: text(&created["id"]).to_owned() }
    }

    /// A path of the application.
    fn path(&self, rest: &str) -> String {
        format!("{APPS}/{}{rest}", self.id)
    }

    async fn get(&self, rest: &str) -> Reply {
        self.client.get(&self.path(rest)).await
    }

    async fn post(&self, rest: &str, body: &Value) -> Reply {
        self.client.post(&self.path(rest), body).await
    }

    async fn patch(&self, rest: &str, body: &Value) -> Reply {
        self.client.patch(&self.path(rest), body).await
    }

    async fn put(&self, rest: &str, body: &Value) -> Reply {
        self.client.call(Method::PUT, &self.path(rest), &[], Some(body.to_string())).await
    }

    async fn delete(&self, rest: &str) -> Reply {
        self.client.delete(&self.path(rest)).await
    }

    /// Creates an endpoint with these fields, and returns its id.
    async fn endpoint(&self, fields: Value) -> String {
        text(&created(&self.post("/endpoint", &fields).await)["id"]).to_owned()
    }

    /// Creates a message, and returns its id.
    async fn message(&self, event_type: &str, payload: &Value) -> String {
        let message = self.post("/msg", &json!({"eventType": event_type, "payload": payload})).await;
        assert_eq!(message.status, 202, "{}", message.body);
        text(&message.body["id"]).to_owned()
    }
}

#[track_caller]
fn created(reply: &Reply) -> Value {
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.body.clone()
}

/// Asserts that the reply is an error with this status and code.
#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &reply.body["code"]), (status, &json!(code)), "{}", reply.body);
    assert!(reply.body["detail"].is_string() && reply.body.get("error").is_none(), "{}", reply.body);
}

/// Asserts that the reply is 422 and names these fields.
#[track_caller]
fn invalid(reply: &Reply, names: &[&str]) {
    assert_eq!(reply.status, 422, "{}", reply.body);
    let issues = reply.body["detail"].as_array().unwrap();
    let found: Vec<_> = issues.iter().map(|issue| text(&issue["loc"].as_array().unwrap()[1])).collect();
    assert_eq!(found, names, "{}", reply.body);
}

/// The ids of a list.
fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|item| text(&item["id"]).to_owned()).collect()
}

/// Walks a list to its end in both directions, and returns the ids in its order.
async fn walk(client: &Tenant, path: &str) -> Vec<String> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut all, mut iterator) = (Vec::new(), String::new());
    loop {
        let reply = client.get(&format!("{path}{joint}limit=2{iterator}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let page = reply.body;
        let found = ids(&page);
        assert!(found.len() <= 2);
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            assert_eq!(page["prevIterator"], json!(format!("-{first}")));
            if page["done"] == json!(true) {
                assert_eq!(page["iterator"], json!(last));
            }
        }
        all.extend(found);
        if page["done"] == json!(true) {
            break;
        }
        iterator = format!("&iterator={}", text(&page["iterator"]));
    }
    let (mut back, mut iterator) = (Vec::new(), all.last().map(|last| format!("&iterator=-{last}")));
    back.extend(all.last().cloned());
    while let Some(from) = iterator {
        let page = client.get(&format!("{path}{joint}limit=2{from}")).await.body;
        let mut found = ids(&page);
        found.reverse();
        back.extend(found);
        let goes_on = page["done"] == json!(false);
        iterator = goes_on.then(|| format!("&iterator={}", text(&page["prevIterator"])));
    }
    back.reverse();
    assert_eq!(back, all, "{path}: the same in both directions");
    all
}
