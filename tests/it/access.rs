//! Access control: every caller at every route, and the effects of scopes.

mod calls;

use http::Method;
use serde_json::{Value, json};
use shared::domain::tenancy::access::{Scope, Scopes};

use crate::event_types;
use crate::routes::{Bound, ROUTES, Route, implies_organization, is_of_catalogue, is_of_platform};
use crate::shape::assert_well_formed;
use crate::support::{Answer, Process, Receiver, Reply, Tenant, World, delivery_ids, text};

const UNKNOWN_KEY: &str = "sk_live_0000000000000000000000000000000000000000000";

/// The resources that the requests of a route need.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    pub(crate) owner: Tenant,
    pub(crate) failing: &'a Receiver,
}

impl Scene<'_> {
    /// Issues a key with this role.
    async fn caller(&self, role: &str) -> Tenant {
        self.key_with(json!({"role": role})).await
    }

    /// Issues a key with exactly these scopes.
    async fn key_of(&self, scopes: Scopes) -> Tenant {
        self.key_with(json!({"scopes": scopes.iter().map(Scope::as_str).collect::<Vec<_>>()})).await
    }

    /// Issues a key with all scopes that a bound key can have, which is bound to this endpoint.
    pub(crate) async fn bound_to(&self, endpoint: &str) -> Tenant {
        let scopes: Vec<_> = Scopes::BINDABLE.iter().map(Scope::as_str).collect();
        self.key_with(json!({"scopes": scopes, "endpoints": [endpoint]})).await
    }

    async fn key_with(&self, mut fields: Value) -> Tenant {
        fields["name"] = json!("caller");
        let issued = self.owner.post("/api-keys", &fields).await.data(201);
        self.owner.with_key(text(&issued["revealed_key"]))
    }

    /// The route's path with the ids of new resources.
    pub(crate) async fn path(&self, route: &Route) -> String {
        self.place(route).await.0
    }

    /// The route's path with the ids of new resources, and the endpoint that these belong to.
    pub(crate) async fn place(&self, route: &Route) -> (String, Option<String>) {
        let mut path = route.path.replace("{organization}", &self.owner.id);
        let (mut event, mut of) = (Value::Null, None);
        if path.contains("{endpoint}") || path.contains("{delivery}") || path.contains("{event}") {
            let fields = json!({"url": self.failing.url(), "event_types": ["matrix.one"], "retry_schedule": []});
            let endpoint = self.owner.endpoint_with(fields).await.id;
            let shown = if path.starts_with("/v1/endpoints") { hyphenated(&endpoint) } else { endpoint.clone() };
            path = path.replace("{endpoint}", &shown);
            of = Some(endpoint);
        }
        if path.contains("{delivery}") || path.contains("{event}") {
            event = self.owner.post("/events", &json!({"type": "matrix.one", "data": {}})).await.data(202);
            path = path.replace("{event}", text(&event["id"]));
        }
        if path.contains("{delivery}") {
            self.world.drain().await;
            let deliveries = event["webhook_deliveries"].as_array().unwrap();
            of = Some(text(&deliveries.last().unwrap()["endpoint_id"]).to_owned());
            path = path.replace("{delivery}", delivery_ids(&event).last().unwrap());
        }
        if path.contains("{attempt}") {
            let attempts = format!("/webhooks/deliveries/{}/attempts", delivery_ids(&event).last().unwrap());
            path = path.replace("{attempt}", text(&self.owner.get(&attempts).await.data(200)[0]["id"]));
        }
        if path.contains("{event_type}") {
            let name = format!("n{}", self.world.clock.now().unix_micros());
            event_types::create(self.world, &json!({"name": name, "schema": {}})).await;
            path = path.replace("{event_type}", &name).replace("{schema_version}", "1");
        }
        if path.contains("{job}") {
            let (job, endpoint) = self.open_recovery().await;
            path = path.replace("{job}", &job);
            of = Some(endpoint);
        }
        if path.contains("{portal_session}") {
            let created = match route.path.starts_with("/v1/portal-sessions") {
                true => self.world.platform().post("/v1/portal-sessions", &json!({})).await.data(201),
                false => self.owner.post("/portal-sessions", &json!({"role": "member"})).await.data(201),
            };
            path = path.replace("{portal_session}", text(&created["id"]));
        }
        if path.contains("{key}") {
            let issued =
                self.owner.post("/api-keys", &json!({"name": "another", "scopes": ["keys:write"]})).await.data(201);
            path = path.replace("{key}", text(&issued["id"]));
        }
        if (route.method, route.path) == ("DELETE", "/v1/organizations/{organization}") {
            path.push_str("?force=true");
        }
        if implies_organization(&path) {
            path = format!("{path}?organization_id={}", self.owner.id);
        }
        (path, of)
    }

    /// Creates a recovery that does not end. Returns its id and that of its endpoint.
    async fn open_recovery(&self) -> (String, String) {
        let endpoint =
            self.owner.endpoint_with(json!({"url": self.failing.url(), "event_types": ["matrix.job"]})).await;
        let since = json!({"since": "2026-01-01T00:00:00Z"});
        let job = self.owner.post(&format!("{}/recover", endpoint.path()), &since).await.data(202);
        (text(&job["id"]).to_owned(), endpoint.id)
    }

    /// Calls a route of another process. The world's own process creates the resources.
    async fn call_at(&self, process: &Process, route: &Route, key: Option<&str>) -> Reply {
        self.call_path(process, route, &self.path(route).await, key).await
    }

    /// Calls a route at a path from [`Scene::path`].
    pub(crate) async fn call_path(&self, process: &Process, route: &Route, path: &str, key: Option<&str>) -> Reply {
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        let slug = format!("n{}", self.world.clock.now().unix_micros());
        let body = (!route.body.is_empty()).then(|| route.body.replace("{slug}", &slug));
        let caller = self.owner.with_key(key.unwrap_or_default()).at(process);
        caller.call(method, path, &[], body).await
    }
}

/// The form of an endpoint's id in the `endpoints` dialect.
fn hyphenated(id: &str) -> String {
    let hex = id.strip_prefix("we_").unwrap();
    format!("ep_{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The keys with exactly one scope, and a key with every scope.
fn sets_of_scopes() -> impl Iterator<Item = Scopes> {
    Scope::ALL.into_iter().map(|scope| Scopes::of(&[scope])).chain([Scopes::ALL])
}

#[tokio::test]
async fn every_route_answers_each_caller_by_its_scopes() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let other_tenant = world.tenant().await;
    let mut wrong = Vec::new();
    for route in &ROUTES {
        let scene = Scene { world: &world, owner: world.tenant().await, failing: &failing };
        let mut callers = vec![("the platform".to_owned(), Some(world.platform().key), route.ok)];
        for scopes in sets_of_scopes() {
            callers.push((format!("{scopes:?}"), Some(scene.key_of(scopes).await.key), route.status(scopes)));
        }
        // Another organization's resources are not found. Only the routes of the platform answer 403, since everyone
        // may know that they need its key.
        let of_another = match route.path {
            "/v1/organizations" => 403,
            path if path.starts_with("/v1/portal-sessions") => 403,
            path if is_of_catalogue(path) => route.status(Scopes::ALL),
            _ => 404,
        };
        callers.extend([
            ("no key".to_owned(), None, 401),
            ("an unknown key".to_owned(), Some(UNKNOWN_KEY.to_owned()), 401),
            ("another organization's key".to_owned(), Some(other_tenant.key.clone()), of_another),
        ]);
        // Refused requests change nothing, so that they can have the same path.
        let shared = scene.path(route).await;
        for (caller, key, expected) in callers {
            let path = if expected == route.ok { scene.path(route).await } else { shared.clone() };
            let reply = scene.call_path(&world.process, route, &path, key.as_deref()).await;
            assert_well_formed(&reply);
            if reply.status == 401 {
                assert_eq!(reply.headers["www-authenticate"], "Bearer");
            }
            if reply.status != expected {
                wrong.push(format!("{} {} by {caller}: {}, not {expected}", route.method, route.path, reply.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A refused caller gets the same response for any body. Only an admitted caller gets the errors of its body.
#[tokio::test]
async fn every_route_authorizes_before_it_reads_the_body() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let other_tenant = world.tenant().await;
    let mut wrong = Vec::new();
    for route in ROUTES.iter().filter(|route| ["POST", "PUT", "PATCH"].contains(&route.method)) {
        let scene = Scene { world: &world, owner: world.tenant().await, failing: &failing };
        let path = scene.path(route).await;
        let mut callers =
            vec![("no key".to_owned(), String::new(), 401), ("an unknown key".to_owned(), UNKNOWN_KEY.to_owned(), 401)];
        let of_another = if is_of_platform(route.path) { 403 } else { 404 };
        callers.push(("another organization's key".to_owned(), other_tenant.key.clone(), of_another));
        for scopes in sets_of_scopes() {
            let expected = match route.reads_body(scopes) {
                false => 403,
                // Some of these routes read no body.
                true if route.body.is_empty() => continue,
                true => 400,
            };
            callers.push((format!("{scopes:?}"), scene.key_of(scopes).await.key, expected));
        }
        let another = scene.owner.endpoint(&failing).await;
        let expected = if route.bound == Bound::Named { 404 } else { 403 };
        callers.push(("a key bound to another endpoint".to_owned(), scene.bound_to(&another.id).await.key, expected));
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        for (caller, key, expected) in &callers {
            for body in ["{", r#"{"nonsense": true}"#] {
                let caller_at = scene.owner.with_key(key);
                let reply = caller_at.call(method.clone(), &path, &[], Some(body.to_owned())).await;
                if reply.status != *expected {
                    let of = format!("{} {} by {caller}", route.method, route.path);
                    wrong.push(format!("{of}, {body}: {}, not {expected}", reply.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_publisher_can_read_only_the_events_that_it_published() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let scene = Scene { world: &world, owner: owner.clone(), failing: &Receiver::new().await };
    let (publisher, other) = (scene.caller("publisher").await, scene.caller("publisher").await);
    let path = format!("/events/{}", text(&publisher.publish_data(&json!({"n": 1})).await["id"]));
    assert_eq!(publisher.get(&path).await.data(200)["data"], json!({"n": 1}));
    other.get(&path).await.is_error(404, "not_found");
    owner.get(&path).await.data(200);
}

#[tokio::test]
async fn the_platform_passes_the_organization_in_the_query_or_body_if_the_path_does_not_contain_it() {
    let world = World::new().await;
    let (owner, platform) = (world.tenant().await, world.platform());
    let unknown = "org_00000000000000000000000000";
    for path in ["/v1/endpoints", "/v1/webhook-endpoints"] {
        platform.get(path).await.is_error(400, "validation_failed");
        assert_eq!(platform.get(&format!("{path}?organization_id={}", owner.id)).await.status, 200);
        assert_eq!(owner.get(path).await.status, 200);
        assert_eq!(owner.get(&format!("{path}?organization_id={}", owner.id)).await.status, 200);
        for caller in [&platform, &owner] {
            caller.get(&format!("{path}?organization_id={unknown}")).await.is_error(404, "not_found");
            caller.get(&format!("{path}?organization_id=nonsense")).await.is_error(400, "validation_failed");
        }
    }
    let body = |id: &str| json!({"organization_id": id, "name": "n", "url": "https://example.com/", "events": ["a"]});
    let created = platform.post("/v1/webhook-endpoints", &body(&owner.id)).await;
    assert_eq!((created.status, text(&created.body["organization_id"])), (201, owner.id.as_str()));
    for caller in [&platform, &owner] {
        caller.post("/v1/webhook-endpoints", &body(unknown)).await.is_error(404, "not_found");
    }
}

#[tokio::test]
async fn the_authorization_scheme_must_be_bearer_in_any_case() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let status = async |authorization: Option<String>| {
        let mut request = http::Request::get("/v1/endpoints");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        world.process.call(request.body(axum::body::Body::empty()).unwrap()).await.status
    };
    let key = &owner.key;
    for (value, expected) in [
        (Some(format!("Bearer {key}")), 200),
        (Some(format!("bearer {key}")), 200),
        (Some(format!("Basic {key}")), 401),
        (Some(format!("Bearer{key}")), 401),
        (Some("Bearer ".to_owned()), 401),
        (Some(key.clone()), 401),
        (None, 401),
    ] {
        assert_eq!(status(value.clone()).await, expected, "{value:?}");
    }
}
