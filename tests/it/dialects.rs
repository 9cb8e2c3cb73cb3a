//! The dialects share their resources: an endpoint that one dialect creates can be read, changed, paused, disabled and
//! deleted in every other one, and every dialect shows it correctly.

use http::Method;
use serde_json::{Map, Value, json};

use crate::support::{Reply, Tenant, World, text};

/// How a dialect represents an endpoint.
struct Dialect {
    name: &'static str,
    collection: &'static str,
    /// The dialect's fields: the canonical name, and the dialect's own name.
    fields: &'static [(&'static str, &'static str)],
    /// The representations of the statuses active, paused and disabled.
    shown: [&'static str; 3],
    /// The statuses that requests can set.
    settable: &'static [&'static str],
}

const DIALECTS: [Dialect; 4] = [
    Dialect {
        name: "organizations",
        collection: "/webhooks/endpoints",
        fields: &[
            ("name", "name"),
            ("url", "url"),
            ("event_types", "event_types"),
            ("headers", "headers"),
            ("timeout_seconds", "timeout_seconds"),
            ("edition_id", "edition_id"),
            ("status", "status"),
        ],
        shown: [r#""active""#, r#""paused""#, r#""disabled""#],
        settable: &["paused", "disabled", "active"],
    },
    Dialect {
        name: "hooks",
        collection: "/webhooks",
        fields: &[("url", "url"), ("event_types", "events"), ("status", "status")],
        shown: [r#""active""#, r#""paused""#, r#""disabled""#],
        settable: &["paused", "disabled", "active"],
    },
    Dialect {
        name: "endpoints",
        collection: "/v1/endpoints",
        fields: &[
            ("name", "name"),
            ("url", "url"),
            ("headers", "headers_json"),
            ("timeout_seconds", "timeout_seconds"),
            ("status", "status"),
        ],
        shown: [r#""ACTIVE""#, r#""PAUSED""#, r#""DISABLED""#],
        settable: &["paused", "active"],
    },
    Dialect {
        name: "pages",
        collection: "/v1/webhook-endpoints",
        fields: &[
            ("name", "name"),
            ("url", "url"),
            ("event_types", "events"),
            ("timeout_seconds", "timeout_seconds"),
            ("edition_id", "edition_id"),
            ("status", "is_active"),
        ],
        shown: ["true", "true", "false"],
        settable: &["disabled", "active"],
    },
];

impl Dialect {
    /// The canonical fields in the representation of this dialect. Fields that it does not have are omitted.
    fn say(&self, canonical: &Value) -> Value {
        let known = self.fields.iter().filter_map(|(name, own)| Some((*name, *own, canonical.get(*name)?)));
        let said = known.map(|(name, own, value)| match (name, value.as_str()) {
            ("status", Some(status)) => (own.to_owned(), self.status(status)),
            _ => (own.to_owned(), value.clone()),
        });
        Value::Object(said.collect())
    }

    fn status(&self, status: &str) -> Value {
        let index = ["active", "paused", "disabled"].iter().position(|name| *name == status).unwrap();
        serde_json::from_str(self.shown[index]).unwrap()
    }

    /// The canonical fields that this dialect has.
    fn known<'a>(&self, canonical: &'a Value) -> impl Iterator<Item = (String, Value)> + 'a {
        let names: Vec<_> = self.fields.iter().map(|(name, _)| *name).collect();
        let fields = canonical.as_object().unwrap().clone();
        fields.into_iter().filter(move |(name, _)| names.contains(&name.as_str()))
    }

    /// The canonical fields of an endpoint that this dialect created from `new`.
    fn created(&self, new: &Value) -> Value {
        let mut created = json!({"name": "example.com", "event_types": ["*"], "headers": {}, "timeout_seconds": 10,
                              "edition_id": null, "status": "active"});
        created.as_object_mut().unwrap().extend(self.known(new));
        created
    }

    /// The dialect's path of the endpoint with this hexadecimal id.
    fn path(&self, id: &str) -> String {
        let id = match self.name {
            "endpoints" => format!("ep_{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]),
            _ => format!("we_{id}"),
        };
        format!("{}/{id}", self.collection)
    }

    /// The endpoint or the list of endpoints in a response, without the dialect's envelope.
    fn content(&self, reply: Reply) -> Value {
        let Reply { mut body, .. } = reply;
        match self.name {
            "organizations" => body["data"].take(),
            "pages" if body.get("results").is_some() => body["results"].take(),
            _ => body,
        }
    }

    /// The fields of a represented endpoint that are in this table.
    fn said(&self, endpoint: &Value) -> Value {
        let fields = self.fields.iter().map(|(_, own)| ((*own).to_owned(), endpoint[*own].clone()));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

/// Asserts that every dialect shows this endpoint with these fields, by itself and in its list.
async fn assert_shown_everywhere(tenant: &Tenant, id: &str, canonical: &Value, when: &str) {
    for dialect in &DIALECTS {
        let (path, expected) = (dialect.path(id), dialect.say(canonical));
        let read = tenant.get(&path).await;
        assert_eq!(read.status, 200, "{} {when}", dialect.name);
        assert_eq!(dialect.said(&dialect.content(read)), expected, "read in {} {when}", dialect.name);
        let listed = dialect.content(tenant.get(dialect.collection).await);
        let own = path.rsplit('/').next();
        let found = listed.as_array().unwrap().iter().find(|endpoint| endpoint["id"].as_str() == own);
        assert_eq!(dialect.said(found.unwrap()), expected, "listed in {} {when}", dialect.name);
    }
}

#[tokio::test]
async fn an_endpoint_created_in_one_dialect_is_the_same_in_every_other() {
    let new = json!({"name": "Made", "url": "https://example.com/made", "event_types": ["order.paid"],
                     "headers": {"X-Made": "1"}, "timeout_seconds": 5, "edition_id": "eu"});
    let change = json!({"name": "Changed", "url": "https://example.org/changed", "event_types": ["order.*", "member.added"],
                        "headers": {"X-Changed": "2"}, "timeout_seconds": 20, "edition_id": "us"});
    let world = World::new().await;
    for maker in &DIALECTS {
        for other in &DIALECTS {
            let tenant = world.tenant().await;
            let pair = format!("(made in {}, changed in {})", maker.name, other.name);
            let created = tenant.post(maker.collection, &maker.say(&new)).await;
            assert_eq!(created.status, 201, "{pair}: {}", created.body);
            let printed = text(&maker.content(created)["id"]).to_owned();
            let id: String = printed.split_once('_').unwrap().1.replace('-', "");
            let mut canonical = maker.created(&new);
            assert_shown_everywhere(&tenant, &id, &canonical, &format!("as made {pair}")).await;

            let changed = tenant.patch(&other.path(&id), &other.say(&change)).await;
            assert_eq!(changed.status, 200, "{pair}: {}", changed.body);
            canonical.as_object_mut().unwrap().extend(other.known(&change));
            assert_shown_everywhere(&tenant, &id, &canonical, &format!("as changed {pair}")).await;

            for status in other.settable {
                let wanted = json!({"status": status});
                let set = tenant.patch(&other.path(&id), &other.say(&wanted)).await;
                assert_eq!(set.status, 200, "{pair}: {}", set.body);
                canonical["status"] = json!(status);
                assert_shown_everywhere(&tenant, &id, &canonical, &format!("as {status} {pair}")).await;
            }

            let mut deleted = tenant.delete(&other.path(&id)).await;
            if other.name == "organizations" {
                assert_eq!(deleted.status, 200);
                canonical["status"] = json!("disabled");
                assert_shown_everywhere(&tenant, &id, &canonical, &format!("as deleted {pair}")).await;
                let path = format!("{}?permanent=true", other.path(&id));
                deleted = tenant.call(Method::DELETE, &path, &[], None).await;
            }
            assert_eq!(deleted.status, 204);
            for dialect in &DIALECTS {
                tenant.get(&dialect.path(&id)).await.is_error(404, "not_found");
                assert_eq!(dialect.content(tenant.get(dialect.collection).await), json!([]), "{} {pair}", dialect.name);
            }
        }
    }
}

#[tokio::test]
async fn a_change_in_one_dialect_keeps_fields_that_the_dialect_does_not_have() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let full = json!({"name": "n", "url": "https://example.com/", "event_types": ["a", "b"], "headers": {"X-A": "1"},
                      "timeout_seconds": 5, "edition_id": "eu", "channels": ["a", "b"], "filter": {"type": ["a"]}, "retry_schedule": [7]});
    let created = tenant.post("/webhooks/endpoints", &full).await.data(201);
    let id = text(&created["id"]).strip_prefix("we_").unwrap().to_owned();
    for dialect in &DIALECTS {
        tenant.patch(&dialect.path(&id), &json!({"url": "https://example.com/new"})).await;
    }
    let body = json!({"name": "n", "url": "https://example.com/new", "events": ["a", "b"], "edition_id": "eu", "timeout_seconds": 5});
    tenant.call(Method::PUT, &DIALECTS[3].path(&id), &[], Some(body.to_string())).await;
    let shown = tenant.get(&DIALECTS[0].path(&id)).await.data(200);
    for (name, value) in full.as_object().unwrap() {
        let expected = if name == "url" { json!("https://example.com/new") } else { value.clone() };
        assert_eq!(shown[name], expected, "{name}");
    }
}
