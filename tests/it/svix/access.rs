//! Every caller at every route of the dialect.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::domain::tenancy::access::{Scope, Scopes};

use super::routes::ROUTES;
use super::{App, created};
use crate::event_types;
use crate::routes::{Bound, Route};
use crate::support::{Answer, Receiver, Reply, Tenant, World, text};

/// A list that concerns the application in its query.
const TASKS: &str = "/api/v1/background-task";

const OPERATIONAL: &str = "/api/v1/operational-webhook/endpoint";

/// An application with an endpoint, a message and an attempt.
struct Scene {
    app: App,
    endpoint: String,
    names: BTreeMap<&'static str, String>,
}

impl Scene {
    async fn new(world: &World, receiver: &Receiver) -> Self {
        let app = App::new(world).await;
        let endpoint = app.endpoint(json!({"url": receiver.url()})).await;
        let message = app.message("a", &json!({})).await;
        world.drain().await;
        let attempts = app.get(&format!("/attempt/msg/{message}")).await.body;
        let name = format!("n{}", app.id.replace('_', "."));
        event_types::create(world, &json!({"name": name})).await;
        let since = json!({"since": world.clock.now().minus(Duration::from_secs(60)).rfc3339()});
        let task = app.post(&format!("/endpoint/{endpoint}/recover"), &since).await.body;
        let names = BTreeMap::from([
            ("{event_type_name}", name),
            ("{task_id}", text(&task["id"]).to_owned()),
            ("{app_id}", app.id.clone()),
            ("{endpoint_id}", endpoint.clone()),
            ("{msg_id}", message),
            ("{attempt_id}", text(&attempts["data"][0]["id"]).to_owned()),
        ]);
        Self { app, endpoint, names }
    }

    /// A scene in which the route finds what its path names.
    async fn of(world: &World, receiver: &Receiver, route: &Route) -> Self {
        let mut scene = Self::new(world, receiver).await;
        if route.path.starts_with(OPERATIONAL) {
            let endpoint = json!({"url": receiver.url(), "disabled": true});
            let endpoint = created(&world.platform().post(OPERATIONAL, &endpoint).await);
            scene.names.insert("{endpoint_id}", text(&endpoint["id"]).to_owned());
        }
        scene
    }

    fn path(&self, route: &Route) -> String {
        let path = self.names.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        if path == TASKS { format!("{path}?app_id={}", self.app.id) } else { path }
    }

    async fn key(&self, mut fields: Value) -> Tenant {
        fields["name"] = json!("caller");
        let keys = format!("/v1/organizations/{}/api-keys", self.app.id.replace("app_", "org_"));
        let issued = self.app.client.post(&keys, &fields).await.data(201);
        self.app.client.with_key(text(&issued["revealed_key"]))
    }

    async fn key_of(&self, scopes: Scopes) -> Tenant {
        self.key(json!({"scopes": scopes.iter().map(Scope::as_str).collect::<Vec<_>>()})).await
    }

    async fn bound_to(&self, endpoint: &str) -> Tenant {
        let scopes: Vec<_> = Scopes::BINDABLE.iter().map(Scope::as_str).collect();
        self.key(json!({"scopes": scopes, "endpoints": [endpoint.replace("ep_", "we_")]})).await
    }
}

async fn call(caller: &Tenant, route: &Route, path: &str) -> Reply {
    let method = Method::from_bytes(route.method.as_bytes()).unwrap();
    let slug = format!("n{}", hex::encode(clock::secret_bytes::<8>()));
    let body = route.body.replace("{slug}", &slug).replace("{now}", &Clock::system().now().rfc3339());
    caller.call(method, path, &[], (!body.is_empty()).then_some(body)).await
}

#[tokio::test]
async fn every_route_answers_each_caller_by_its_scopes() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(200)).await);
    let other = world.tenant().await;
    let mut wrong = Vec::new();
    for route in ROUTES {
        let scene = Scene::of(&world, &receiver, route).await;
        let is_of_catalogue = route.path.starts_with("/api/v1/event-type");
        let of_another = match (route.method, route.path) {
            (_, path) if path.starts_with(OPERATIONAL) || path.starts_with("/api/v1/stats") => 403,
            (_, "/api/v1/app") | ("DELETE", "/api/v1/app/{app_id}") => 403,
            _ if is_of_catalogue => route.status(Scopes::ALL),
            _ => 404,
        };
        let nobody = scene.app.client.with_key("sk_live_nobody");
        let mut callers =
            vec![("nobody".to_owned(), nobody, 401), ("another tenant".to_owned(), other.clone(), of_another)];
        let sets = Scope::ALL.into_iter().map(|scope| Scopes::of(&[scope])).chain([Scopes::ALL]);
        for scopes in sets {
            let expected = route.status(scopes);
            if expected == route.ok && !["GET"].contains(&route.method) && scopes != Scopes::ALL {
                // The request would change the scene.
                let scene = Scene::of(&world, &receiver, route).await;
                let reply = call(&scene.key_of(scopes).await, route, &scene.path(route)).await;
                if reply.status != expected {
                    wrong.push(format!("{} {} by {scopes:?}: {}", route.method, route.path, reply.status));
                }
                continue;
            }
            callers.push((format!("{scopes:?}"), scene.key_of(scopes).await, expected));
        }
        for (caller, client, expected) in &callers {
            let reply = call(client, route, &scene.path(route)).await;
            if reply.status != *expected {
                wrong.push(format!("{} {} by {caller}: {}, not {expected}", route.method, route.path, reply.status));
            }
        }
        let scene = Scene::of(&world, &receiver, route).await;
        let reply = call(&scene.app.client, route, &scene.path(route)).await;
        if reply.status != route.ok {
            wrong.push(format!("{} {} by the platform: {}: {}", route.method, route.path, reply.status, reply.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_key_that_is_bound_to_an_endpoint_sees_only_that() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(200)).await);
    let mut wrong = Vec::new();
    for route in ROUTES {
        let scene = Scene::of(&world, &receiver, route).await;
        let other = created(&scene.app.post("/endpoint", &json!({"url": receiver.url()})).await);
        let strange = scene.bound_to(text(&other["id"])).await;
        let own = scene.bound_to(&scene.endpoint).await;
        let (of_other, of_own) = match route.bound {
            Bound::Refused => (403, 403),
            Bound::Named | Bound::Event => (404, route.ok),
            _ => (route.ok, route.ok),
        };
        for (caller, key, expected) in [("another", &strange, of_other), ("its own", &own, of_own)] {
            let reply = call(key, route, &scene.path(route)).await;
            if reply.status != expected {
                let of = format!("{} {} bound to {caller}", route.method, route.path);
                wrong.push(format!("{of}: {}, not {expected}: {}", reply.status, reply.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let scene = Scene::new(&world, &receiver).await;
    let own = scene.bound_to(&scene.names["{endpoint_id}"]).await;
    let other = created(&scene.app.post("/endpoint", &json!({"url": receiver.url()})).await);
    let page = own.get(&scene.app.path("/endpoint")).await.body;
    assert_eq!(super::ids(&page), [scene.names["{endpoint_id}"].as_str()]);
    let both = scene.app.message("b", &json!({})).await;
    world.drain().await;
    let destinations = own.get(&scene.app.path(&format!("/msg/{both}/endpoint"))).await.body;
    assert_eq!(super::ids(&destinations), [scene.names["{endpoint_id}"].as_str()]);
    let attempts = own.get(&scene.app.path(&format!("/attempt/msg/{both}?endpoint_id={}", text(&other["id"])))).await;
    assert!(attempts.status == 404 || super::ids(&attempts.body).is_empty(), "{}", attempts.body);
}
