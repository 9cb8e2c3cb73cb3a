//! A person's browser at the portal.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::Value;

use super::{Process, Reply, Tenant, World, text};

/// The host of the portal in tests.
pub(crate) const HOST: &str = "localhost";

/// A browser with at most one cookie. It does not follow redirects.
#[derive(Clone)]
pub(crate) struct Browser {
    process: Process,
    /// The cookie as the browser sends it: `name=value`; empty if there is none.
    pub(crate) cookie: String,
    /// The path of the first page after signing in.
    pub(crate) first: String,
}

impl Browser {
    /// A browser without a session.
    pub(crate) fn new(process: &Process) -> Self {
        Self { process: process.clone(), cookie: String::new(), first: String::new() }
    }

    /// A browser that opened the link of a new session of the tenant.
    pub(crate) async fn signed_in(tenant: &Tenant, session: &Value) -> Self {
        let created = tenant.post("/portal-sessions", session).await.data(201);
        let mut browser = Self::new(tenant.process());
        browser.open(text(&created["url"])).await;
        browser
    }

    /// A browser that is signed in as an operator.
    pub(crate) async fn operator(world: &World) -> Self {
        let session = world.platform().post("/v1/portal-sessions", &serde_json::json!({})).await.data(201);
        let mut browser = Self::new(&world.process);
        browser.open(text(&session["url"])).await;
        browser
    }

    /// The same browser at another process.
    pub(crate) fn at(&self, process: &Process) -> Self {
        Self { process: process.clone(), ..self.clone() }
    }

    /// Opens a link, and keeps the cookie of the response.
    pub(crate) async fn open(&mut self, url: &str) -> Reply {
        let reply = self.get(url.strip_prefix(&format!("http://{HOST}")).unwrap()).await;
        self.keep(&reply);
        reply
    }

    /// Keeps the cookie of a response and where it redirects.
    pub(crate) fn keep(&mut self, reply: &Reply) {
        if let Some(cookie) = reply.headers.get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        if let Some(location) = reply.headers.get(header::LOCATION) {
            self.first = location.to_str().unwrap().to_owned();
        }
    }

    /// The value of the cookie.
    pub(crate) fn token(&self) -> &str {
        self.cookie.split_once('=').unwrap().1
    }

    /// The path of a page of the organization.
    pub(crate) fn path(&self, page: &str) -> String {
        format!("{}{page}", self.first.strip_suffix("/endpoints").unwrap_or(&self.first))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a form of the portal's own page.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.form_token().await;
        let fields: Vec<_> = fields.iter().copied().chain([("form_token", token.as_str())]).collect();
        self.send(Method::POST, path, &[("sec-fetch-site", "same-origin")], Some(&fields)).await
    }

    /// Fills in the form of a page, and sends it to the same path.
    pub(crate) async fn fill(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.get(path).await;
        let id = field(page.html(), "form_id").unwrap_or_else(|| panic!("no form in {}", page.html()));
        let fields: Vec<_> = fields.iter().copied().chain([("form_id", id)]).collect();
        self.post(path, &fields).await
    }

    /// The token of the session's forms, from its first page.
    pub(crate) async fn form_token(&self) -> String {
        let page = self.get(&self.first).await;
        field(page.html(), "form_token").unwrap_or_else(|| panic!("no form in {}", page.html())).to_owned()
    }

    /// Sends any request with the cookie.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: Option<&[(&str, &str)]>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, HOST);
        }
        if !self.cookie.is_empty() {
            request = request.header(header::COOKIE, &self.cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = form.map_or_else(Body::empty, |fields| {
            Body::from(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
        });
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        self.process.call(request.body(body).unwrap()).await
    }
}

/// The value of a hidden field of a page.
fn field<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    html.split(&format!("name=\"{name}\" value=\"")).nth(1)?.split('"').next()
}

impl Reply {
    /// The body as text.
    pub(crate) fn html(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }
}
