//! Uses the Svix-compatible API of a running local host with the `svix` crate, unmodified.
//!
//! `svix-scenario DATA` is called by `.ci/run sdk`.

mod receiver;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use svix::api::{ApplicationListOptions, MessageCreateOptions, Svix, SvixOptions};
use svix::models::{
    ApplicationIn, ApplicationPatch, EndpointHeadersIn, EndpointIn, EndpointOut, EndpointPatch, EndpointSecretRotateIn,
    MessageIn, MessageOut, MessageStatus,
};
use svix::webhooks::Webhook;

use receiver::{Receiver, Request};

const PATIENCE: Duration = Duration::from_secs(30);

/// A client, and the application that it uses.
struct Scenario {
    client: Svix,
    receiver: Receiver,
    app: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let data = std::env::args().nth(1).context("svix-scenario DATA")?;
    let credentials: Value = serde_json::from_slice(&std::fs::read(Path::new(&data).join("credentials.json"))?)?;
    let credential = |name: &str| credentials[name].as_str().map(str::to_owned).context("credentials.json");
    let options = SvixOptions { server_url: Some(credential("base_url")?), ..SvixOptions::default() };
    let client = Svix::new(credential("platform_key")?, Some(options));
    let uid = format!("rust-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_nanos());
    let app = application(&client, &uid).await?;
    let scenario = Scenario { client, receiver: Receiver::new()?, app };
    let endpoint = scenario.endpoint().await?;
    let message = scenario.message(&endpoint).await?;
    scenario.attempts(&endpoint, &message).await?;
    scenario.repetition().await?;
    scenario.rotation(&endpoint).await?;
    scenario.errors().await?;
    scenario.client.application().delete(scenario.app.clone()).await?;
    fails(404, scenario.client.application().get(scenario.app.clone()).await)?;
    println!("sdk: svix of crates.io, all operations are as expected");
    Ok(())
}

/// Creates, changes, reads and lists an application. Returns its id.
async fn application(client: &Svix, uid: &str) -> anyhow::Result<String> {
    let named = |name: &str| ApplicationIn { uid: Some(uid.to_owned()), ..ApplicationIn::new(name.to_owned()) };
    let api = client.application();
    let app = api.create(named("Rust"), None).await?;
    equal(&app.uid.as_deref(), &Some(uid))?;
    equal(&api.get_or_create(named("Rust"), None).await?.id, &app.id)?;
    equal(&api.upsert(uid.to_owned(), named("Replaced")).await?.name, &"Replaced".to_owned())?;
    let patch = ApplicationPatch { name: Some("Patched".to_owned()), ..ApplicationPatch::new() };
    equal(&api.patch(uid.to_owned(), patch).await?.name, &"Patched".to_owned())?;
    let mut iterator = None;
    loop {
        let options = ApplicationListOptions { limit: Some(2), iterator, ..ApplicationListOptions::default() };
        let page = api.list(Some(options)).await?;
        if page.data.iter().any(|found| found.id == app.id) {
            return Ok(app.id);
        }
        ensure!(!page.done, "the application is not listed");
        iterator = page.iterator;
    }
}

impl Scenario {
    async fn endpoint(&self) -> anyhow::Result<EndpointOut> {
        let (api, app, main) = (self.client.endpoint(), &self.app, || "main".to_owned());
        let new = EndpointIn { uid: Some(main()), ..EndpointIn::new(self.receiver.url.clone()) };
        let endpoint = api.create(app.clone(), new, None).await?;
        equal(&api.get(app.clone(), main()).await?.id, &endpoint.id)?;
        let patch = EndpointPatch { description: Some("Other".to_owned()), ..EndpointPatch::new() };
        equal(&api.patch(app.clone(), main(), patch).await?.description, &"Other".to_owned())?;
        let headers = BTreeMap::from([("X-One".to_owned(), "1".to_owned())]);
        api.set_headers(app.clone(), main(), EndpointHeadersIn::new(headers.clone())).await?;
        equal(&api.get_headers(app.clone(), main()).await?.headers, &headers)?;
        equal(&api.list(app.clone(), None).await?.data.len(), &1)?;
        Ok(endpoint)
    }

    /// Publishes a message, whose delivery the client verifies.
    async fn message(&self, endpoint: &EndpointOut) -> anyhow::Result<MessageOut> {
        let (api, app) = (self.client.message(), &self.app);
        let payload = json!({"name": "Zoë ☕"});
        let new = MessageIn { event_id: Some("evt-1".to_owned()), ..paid(payload.clone()) };
        let message = api.create(app.clone(), new.clone(), None).await?;
        let request = self.receiver.next()?;
        equal(&request.headers["svix-id"].to_str()?, &message.id.as_str())?;
        equal(&request.headers["x-one"].to_str()?, &"1")?;
        equal(&serde_json::from_slice::<Value>(&request.body)?, &payload)?;
        let secret = self.client.endpoint().get_secret(app.clone(), endpoint.id.clone()).await?.key;
        verifies(&secret, &request, true)?;
        verifies("whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh", &request, false)?;
        let other = Request { body: b"{}".to_vec(), ..request };
        verifies(&secret, &other, false)?;
        equal(&api.get(app.clone(), "evt-1".to_owned(), None).await?.id, &message.id)?;
        equal(&api.list(app.clone(), None).await?.data.len(), &1)?;
        fails(409, api.create(app.clone(), new, None).await)?;
        Ok(message)
    }

    async fn attempts(&self, endpoint: &EndpointOut, message: &MessageOut) -> anyhow::Result<()> {
        let (api, app) = (self.client.message_attempt(), &self.app);
        let ids = || (app.clone(), message.id.clone());
        // The attempt is recorded after the receiver has answered.
        self.has_attempts(message, 1).await?;
        let attempt = api.list_by_endpoint(app.clone(), endpoint.id.clone(), None).await?.data.remove(0);
        equal(&(attempt.status, attempt.response_status_code), &(MessageStatus::Success, 204))?;
        let (app_id, message_id) = ids();
        equal(&api.get(app_id, message_id, attempt.id.clone(), None).await?.id, &attempt.id)?;
        let (app_id, message_id) = ids();
        let destinations = api.list_attempted_destinations(app_id, message_id, None).await?.data;
        equal(&destinations.iter().map(|it| &it.id).collect::<Vec<_>>(), &vec![&endpoint.id])?;
        let (app_id, message_id) = ids();
        api.resend(app_id, message_id, endpoint.id.clone(), None).await?;
        self.receiver.next()?;
        self.has_attempts(message, 2).await
    }

    async fn has_attempts(&self, message: &MessageOut, count: usize) -> anyhow::Result<()> {
        let end = SystemTime::now() + PATIENCE;
        let api = self.client.message_attempt();
        while api.list_by_msg(self.app.clone(), message.id.clone(), None).await?.data.len() != count {
            ensure!(SystemTime::now() < end, "{} has not {count} attempts in time", message.id);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// A message that is created twice with one key is delivered once.
    async fn repetition(&self) -> anyhow::Result<()> {
        let options = || Some(MessageCreateOptions { idempotency_key: Some("once".to_owned()), ..Default::default() });
        let create = async |n| self.client.message().create(self.app.clone(), paid(json!({"n": n})), options()).await;
        equal(&create(1).await?.id, &create(2).await?.id)?;
        equal(&self.receiver.next()?.body, &br#"{"n":1}"#.to_vec())?;
        self.receiver.is_empty()
    }

    /// During a rotation, the former and the new secret verify a delivery.
    async fn rotation(&self, endpoint: &EndpointOut) -> anyhow::Result<()> {
        let (api, ids) = (self.client.endpoint(), || (self.app.clone(), endpoint.id.clone()));
        let (app, id) = ids();
        let former = api.get_secret(app, id).await?.key;
        let (app, id) = ids();
        let newest = api.rotate_secret(app, id, EndpointSecretRotateIn::new(), None).await?.key;
        ensure!(former != newest, "the secret is not another one");
        self.client.message().create(self.app.clone(), paid(json!({})), None).await?;
        let request = self.receiver.next()?;
        verifies(&former, &request, true)?;
        verifies(&newest, &request, true)
    }

    async fn errors(&self) -> anyhow::Result<()> {
        let api = self.client.endpoint();
        fails(404, api.get(self.app.clone(), "nobody".to_owned()).await)?;
        fails(422, api.create(self.app.clone(), EndpointIn::new("nonsense".to_owned()), None).await)?;
        let unauthorized = self.client.with_token("wrong".to_owned());
        fails(401, unauthorized.application().get(self.app.clone()).await)
    }
}

fn paid(payload: Value) -> MessageIn {
    MessageIn::new("order.paid".to_owned(), payload)
}

fn verifies(secret: &str, request: &Request, expected: bool) -> anyhow::Result<()> {
    equal(&Webhook::new(secret)?.verify(&request.body, &request.headers).is_ok(), &expected)
}

fn equal<T: PartialEq + Debug>(found: &T, expected: &T) -> anyhow::Result<()> {
    ensure!(found == expected, "{found:?} is not {expected:?}");
    Ok(())
}

fn fails<T: Debug>(status: u16, result: svix::error::Result<T>) -> anyhow::Result<()> {
    let found = match result {
        Err(svix::error::Error::Http(error)) => error.status,
        Err(svix::error::Error::Validation(error)) => error.status,
        other => bail!("{other:?} is not status {status}"),
    };
    equal(&found.as_u16(), &status)
}
