//! A table of the portal's routes, with the scope that each needs and its rule for sessions that are bound to endpoints. A page
//! that somebody adds must have a row.

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use shared::domain::tenancy::access::{Role, Scopes};

use super::scene::{Scene, fields};
use crate::routes::{
    Admits, Bound, DELIVERIES_READ, DELIVERIES_WRITE, Declared, ENDPOINTS_READ, ENDPOINTS_WRITE, EVENTS_READ,
    KEYS_READ, KEYS_WRITE, ORGANIZATION_READ, declared_in, sources,
};
use crate::support::{Answer, Browser, Receiver, World};

/// The routes without a session.
const OPEN: [(&str, &str); 3] =
    [("GET", "/portal/sign-in"), ("POST", "/portal/sign-in"), ("GET", "/portal/assets/{file}")];

/// A route that needs a session, and what each person gets.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The status for a person that it admits.
    ok: u16,
    admits: Admits,
    bound: Bound,
}

const fn route(method: &'static str, path: &'static str, ok: u16, admits: Admits, bound: Bound) -> Route {
    Route { method, path, ok, admits, bound }
}

/// The routes that need a session.
pub(super) const ROUTES: [Route; 49] = [
    route("GET", "/portal", 303, Admits::Everybody, Bound::Unrestricted),
    route("GET", "/portal/operator", 200, Admits::Platform, Bound::Refused),
    route("POST", "/portal/operator/sign-out", 200, Admits::Platform, Bound::Refused),
    route("GET", "/portal/operator/new", 200, Admits::Platform, Bound::Refused),
    route("POST", "/portal/operator/new", 303, Admits::Platform, Bound::Refused),
    route("GET", "/portal/operator/health", 200, Admits::Platform, Bound::Refused),
    route("POST", "/portal/operator/organizations/{organization}/suspend", 303, Admits::Platform, Bound::Refused),
    route("POST", "/portal/operator/organizations/{organization}/reactivate", 303, Admits::Platform, Bound::Refused),
    route("GET", "/portal/{organization}", 303, Admits::Everybody, Bound::Unrestricted),
    route("POST", "/portal/{organization}/sign-out", 200, Admits::Everybody, Bound::Unrestricted),
    route("GET", "/portal/{organization}/endpoints", 200, ENDPOINTS_READ, Bound::Restricted),
    route("GET", "/portal/{organization}/new-endpoint", 200, ENDPOINTS_WRITE, Bound::Refused),
    route("POST", "/portal/{organization}/new-endpoint", 201, ENDPOINTS_WRITE, Bound::Refused),
    route("GET", "/portal/{organization}/endpoints/{endpoint}", 200, ENDPOINTS_READ, Bound::Named),
    route("GET", "/portal/{organization}/endpoints/{endpoint}/deliveries", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/portal/{organization}/endpoints/{endpoint}/test", 200, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/test", 303, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/status", 303, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/portal/{organization}/endpoints/{endpoint}/delete", 200, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/delete", 303, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/portal/{organization}/endpoints/{endpoint}/settings", 200, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/settings", 303, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/filter-test", 200, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/portal/{organization}/endpoints/{endpoint}/signing", 200, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/signing", 200, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/signing/secret", 200, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/portal/{organization}/endpoints/{endpoint}/replay", 200, DELIVERIES_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/replay", 303, DELIVERIES_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/endpoints/{endpoint}/jobs/{job}/cancel", 303, DELIVERIES_WRITE, Bound::Named),
    route("GET", "/portal/{organization}/deliveries/{delivery}", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/portal/{organization}/deliveries/{delivery}/payload", 200, DELIVERIES_READ, Bound::Named),
    route("POST", "/portal/{organization}/deliveries/{delivery}/resend", 303, DELIVERIES_WRITE, Bound::Named),
    route("POST", "/portal/{organization}/deliveries/{delivery}/retry", 303, DELIVERIES_WRITE, Bound::Named),
    route("GET", "/portal/{organization}/events", 200, EVENTS_READ, Bound::Restricted),
    route("GET", "/portal/{organization}/events/{event}", 200, EVENTS_READ, Bound::Event),
    route("GET", "/portal/{organization}/events/{event}/data", 200, EVENTS_READ, Bound::Event),
    route("POST", "/portal/{organization}/events/{event}/remove-data", 303, Admits::Owner, Bound::Refused),
    route("GET", "/portal/{organization}/event-types", 200, Admits::Everybody, Bound::Unrestricted),
    route("GET", "/portal/{organization}/event-types/{event_type}", 200, Admits::Everybody, Bound::Unrestricted),
    route("GET", "/portal/{organization}/usage", 200, ORGANIZATION_READ, Bound::Refused),
    route("GET", "/portal/{organization}/access", 200, KEYS_READ, Bound::Refused),
    route("GET", "/portal/{organization}/access/keys/new", 200, KEYS_WRITE, Bound::Refused),
    route("POST", "/portal/{organization}/access/keys/new", 200, KEYS_WRITE, Bound::Refused),
    route("POST", "/portal/{organization}/access/keys/{key}/rotate", 200, KEYS_WRITE, Bound::Refused),
    route("POST", "/portal/{organization}/access/keys/{key}/revoke", 303, KEYS_WRITE, Bound::Refused),
    route("GET", "/portal/{organization}/access/sessions", 200, KEYS_READ, Bound::Refused),
    route("GET", "/portal/{organization}/access/sessions/new", 200, KEYS_WRITE, Bound::Refused),
    route("POST", "/portal/{organization}/access/sessions/new", 200, KEYS_WRITE, Bound::Refused),
    route("POST", "/portal/{organization}/access/sessions/{portal_session}/revoke", 303, KEYS_WRITE, Bound::Refused),
];

#[test]
fn the_table_has_exactly_the_declared_routes() {
    let mut declared = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/portal")) {
        let source = std::fs::read_to_string(&file).unwrap();
        let found = declared_in(&source);
        assert_eq!(source.matches(".route(").count(), found.len(), "{}", file.display());
        for Declared { path, methods, .. } in found {
            declared.extend(methods.into_iter().map(|method| (method, path.clone())));
        }
    }
    let rows = OPEN.into_iter().chain(ROUTES.iter().map(|route| (route.method, route.path)));
    assert_eq!(declared, rows.map(|(method, path)| (method.to_owned(), path.to_owned())).collect());
}

#[tokio::test]
async fn every_route_needs_a_session() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let ended = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let form = [("form_token", ended.form_token().await)];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ended.post(&ended.path("/sign-out"), &[]).await;
    for Route { method, path, .. } in &ROUTES {
        let path = path.replace("{organization}", &tenant.id).replace(['{', '}'], "");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let form = (method == Method::POST).then_some(form.as_slice());
        for browser in [&ended, &Browser::new(&world.process)] {
            let reply = browser.send(method.clone(), &path, &[("sec-fetch-site", "same-origin")], form).await;
            assert_eq!(reply.status, 401, "{method} {path}");
        }
    }
}

/// Who uses the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Person {
    /// A session of the organization.
    Of(Role),
    /// An owner's session that is bound to the endpoint of the path.
    Bound,
    /// An owner's session that is bound to another endpoint.
    BoundToOther,
    /// An owner of another organization.
    OfOther,
    Operator,
}

impl Person {
    const ALL: [Self; 7] = [
        Self::OfOther,
        Self::BoundToOther,
        Self::Of(Role::Member),
        Self::Bound,
        Self::Of(Role::Admin),
        Self::Of(Role::Owner),
        Self::Operator,
    ];

    async fn sign_in(self, world: &World, scene: &Scene) -> Browser {
        let session = |role: Role, endpoints: &[&str]| match endpoints {
            [] => json!({"role": role.as_str()}),
            endpoints => json!({"role": role.as_str(), "endpoints": endpoints}),
        };
        let of_tenant = async |session: Value| Browser::signed_in(&scene.tenant, &session).await;
        match self {
            Self::Of(role) => of_tenant(session(role, &[])).await,
            Self::Bound => of_tenant(session(Role::Owner, &[&scene.endpoint])).await,
            Self::BoundToOther => of_tenant(session(Role::Owner, &[&scene.other])).await,
            Self::OfOther => Browser::signed_in(&world.tenant().await, &session(Role::Owner, &[])).await,
            Self::Operator => Browser::operator(world).await,
        }
    }

    /// The status that the person gets.
    fn status(self, route: &Route) -> u16 {
        let is_of_operators = route.path.starts_with("/portal/operator");
        let has_organization = route.path.contains("{organization}");
        let scopes = match self {
            Self::Operator => return route.ok,
            _ if is_of_operators => return 404,
            Self::OfOther => return if has_organization { 404 } else { route.ok },
            Self::Of(role) => role.scopes(),
            Self::Bound | Self::BoundToOther => Scopes::BINDABLE,
        };
        let is_admitted = match route.admits {
            Admits::Scope(scope) => scopes.contains(scope),
            Admits::Owner => scopes == Scopes::ALL,
            Admits::Everybody => true,
            Admits::Platform | Admits::Issuer | Admits::EventReaders => false,
        };
        match (self, route.bound) {
            _ if !is_admitted => 403,
            (Self::Bound | Self::BoundToOther, Bound::Refused) => 403,
            (Self::BoundToOther, Bound::Named | Bound::Event) => 404,
            _ => route.ok,
        }
    }
}

#[tokio::test]
async fn each_person_gets_what_the_table_says_at_every_route() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    world.platform().post("/v1/event-types", &json!({"name": "matrix.one"})).await.data(201);
    let (mut forms, mut wrong) = (0, Vec::new());
    for route in &ROUTES {
        // Refused requests change nothing. One that is admitted may, so that the next one needs a scene of its own.
        let mut scene = Scene::new(&world, &failing, route.path).await;
        for person in Person::ALL {
            let browser = person.sign_in(&world, &scene).await;
            let expected = person.status(route);
            let reply = match route.method {
                "GET" => browser.get(&scene.path).await,
                _ => {
                    forms += 1;
                    let fields = fields(route.path, &failing.url(), forms);
                    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    browser.post(&scene.path, &fields).await
                }
            };
            if reply.status != expected {
                wrong.push(format!("{} {} as {person:?}: {}, not {expected}", route.method, scene.path, reply.status));
            }
            if route.method == "POST" && expected == route.ok {
                scene = Scene::new(&world, &failing, route.path).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
