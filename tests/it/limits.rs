//! Every field at its limit and one step beyond, in every dialect that has the field.

use http::Method;
use serde_json::{Map, Value, json};

use crate::support::{Reply, Tenant, World, text};

/// A field and its names in the dialects organizations, hooks, endpoints and pages.
struct Field {
    names: [&'static str; 4],
    values: Vec<(Value, bool)>,
}

const COLLECTIONS: [&str; 4] = ["/webhooks/endpoints", "/webhooks", "/v1/endpoints", "/v1/webhook-endpoints"];

fn complete(dialect: usize) -> Map<String, Value> {
    let body = match dialect {
        0 => json!({"name": "n", "url": "https://example.com/", "event_types": ["a"]}),
        1 => json!({"url": "https://example.com/", "events": ["a"]}),
        2 => json!({"name": "n", "url": "https://example.com/"}),
        _ => json!({"name": "n", "url": "https://example.com/", "events": ["a"]}),
    };
    body.as_object().unwrap().clone()
}

fn types(count: usize) -> Value {
    (0..count).map(|number| json!(format!("t{number}"))).collect()
}

fn headers(count: usize) -> Value {
    let headers: Map<_, _> = (0..count).map(|number| (format!("x-{number}"), json!("v"))).collect();
    Value::Object(headers)
}

fn fields() -> Vec<Field> {
    let url = |length: usize| json!(format!("https://example.com/{}", "x".repeat(length - 20)));
    vec![
        Field {
            names: ["name", "", "name", "name"],
            values: vec![
                (json!("é"), true),
                (json!("é".repeat(255)), true),
                (json!("é".repeat(256)), false),
                (json!(""), false),
                (json!(1), false),
            ],
        },
        Field {
            names: ["url", "url", "url", "url"],
            values: vec![
                (url(2_048), true),
                (url(2_049), false),
                (json!("https://example.com"), true),
                (json!("https://example.com:8443/a?b=c"), true),
                (json!("http://example.com/"), false),
                (json!("https://"), false),
                (json!("https://user@example.com/"), false),
                (json!("https://example.com/#top"), false),
                (json!("https://10.0.0.1/"), false),
                (json!("https://[::1]/"), false),
                (json!("https://2130706433/"), false),
                (json!("https://169.254.169.254/latest"), false),
            ],
        },
        Field {
            names: ["event_types", "events", "", "events"],
            values: vec![
                (types(1), true),
                (types(64), true),
                (types(65), false),
                (json!([]), false),
                // The dialect `hooks` has shorter names than the others.
                (json!(["x".repeat(128)]), true),
                (json!(["x".repeat(257)]), false),
                (json!(["*", "a.*", "A_b.9"]), true),
                (json!(["a.*.b", "*.c"]), true),
                (json!(["a.b*"]), false),
                (json!(["a+b"]), false),
                (json!([""]), false),
                (json!("a"), false),
            ],
        },
        Field {
            names: ["timeout_seconds", "", "timeout_seconds", "timeout_seconds"],
            values: vec![
                (json!(1), true),
                (json!(30), true),
                (json!(0), false),
                (json!(31), false),
                (json!(-1), false),
                (json!(1.5), false),
                (json!("10"), false),
            ],
        },
        Field {
            names: ["headers", "", "headers_json", ""],
            values: vec![
                (headers(16), true),
                (headers(17), false),
                (json!({}), true),
                (json!({"x": "v".repeat(4_096)}), true),
                (json!({"x": "v".repeat(4_097)}), false),
                (json!({"x": "a\r\nb: c"}), false),
                (json!({"a b": "v"}), false),
                (json!({"": "v"}), false),
                (json!({"x": 1}), false),
                (json!({"Host": "v"}), false),
                (json!({"Content-Length": "1"}), false),
                (json!({"content-type": "v"}), false),
                (json!({"Connection": "v"}), false),
                (json!({"Transfer-Encoding": "v"}), false),
                (json!({"TE": "v"}), false),
                (json!({"Upgrade": "v"}), false),
                (json!({"Expect": "v"}), false),
                (json!({"Proxy-Authorization": "v"}), false),
                (json!({"Webhook-Id": "v"}), false),
                (json!({"X-Webhook-Anything": "v"}), false),
            ],
        },
        Field {
            names: ["secret", "", "secret", ""],
            values: vec![
                (json!("x".repeat(16)), true),
                (json!("x".repeat(256)), true),
                (json!("~ all printable !"), true),
                (json!("x".repeat(15)), false),
                (json!("x".repeat(257)), false),
                (json!("tab\tis not printable"), false),
                (json!("é is not an ASCII letter"), false),
            ],
        },
        Field {
            names: ["retry_schedule", "", "", ""],
            values: vec![
                (json!([]), true),
                (json!([1, 86_400]), true),
                (json!(vec![1; 16]), true),
                (json!(vec![1; 17]), false),
                (json!([0]), false),
                (json!([86_401]), false),
                (json!([-1]), false),
                (json!([1.5]), false),
            ],
        },
        Field {
            names: ["edition_id", "", "", "edition_id"],
            values: vec![
                (json!("é"), true),
                (json!("é".repeat(128)), true),
                (json!("é".repeat(129)), false),
                (json!(""), false),
            ],
        },
        Field {
            names: ["channels", "", "", ""],
            values: vec![
                (json!([]), true),
                (json!(["x".repeat(128)]), true),
                (json!(["x".repeat(129)]), false),
                (json!(["aZ9._:-"]), true),
                (json!(["a b"]), false),
                (json!([""]), false),
                (json!(["é"]), false),
                (json!(["a", "b", "a"]), false),
                (json!((0..10).map(|it| it.to_string()).collect::<Vec<_>>()), true),
                (json!((0..11).map(|it| it.to_string()).collect::<Vec<_>>()), false),
            ],
        },
        Field {
            names: ["filter", "", "", ""],
            values: vec![
                (json!({"type": ["a"]}), true),
                (json!({"data": {"a": vec![1; 256]}}), true),
                (json!({"data": {"a": vec![1; 257]}}), false),
                (json!({"type": ["a".repeat(4_096 - 13)]}), true),
                (json!({"type": ["a".repeat(4_097 - 13)]}), false),
                (json!({}), false),
                (json!([]), false),
                (json!("{}"), false),
            ],
        },
        Field {
            names: ["status", "", "", "is_active"],
            values: vec![(json!("ACTIVE"), false), (json!(""), false), (json!(1), false)],
        },
    ]
}

/// Asserts that the request was accepted, or refused because of this field only.
fn judge(reply: &Reply, name: &str, value: &Value, accepted: bool, status: u16) {
    let shown = value.to_string().chars().take(80).collect::<String>();
    if accepted {
        assert_eq!(reply.status, status, "{name} {shown}: {}", reply.body);
        return;
    }
    assert_eq!(reply.status, 400, "{name} {shown}: {}", reply.body);
    let named = reply.body["error"]["details"]["fields"].as_array().unwrap();
    let names: Vec<_> = named.iter().map(|field| text(&field["name"])).collect();
    assert_eq!(names, [name], "{shown}");
}

#[tokio::test]
async fn every_field_of_an_endpoint_has_its_limits_in_every_dialect() {
    let world = World::with(&[("ALLOW_HTTP", "false"), ("ALLOWED_NETWORKS", "")]).await;
    let tenant = world.tenant().await;
    for (dialect, collection) in COLLECTIONS.iter().enumerate() {
        let created = tenant.post(collection, &Value::Object(complete(dialect))).await.body;
        let id = created.pointer("/data/id").or_else(|| created.pointer("/id")).unwrap().clone();
        for field in fields() {
            let name = field.names[dialect];
            if name.is_empty() {
                continue;
            }
            for (value, accepted) in &field.values {
                let mut body = complete(dialect);
                body.insert(name.to_owned(), value.clone());
                let created = tenant.post(collection, &Value::Object(body)).await;
                judge(&created, name, value, *accepted, 201);
                delete(&tenant, dialect, &created).await;
                let patched = tenant.patch(&format!("{collection}/{}", text(&id)), &json!({name: value})).await;
                judge(&patched, name, value, *accepted, 200);
            }
        }
    }
}

async fn delete(tenant: &Tenant, dialect: usize, created: &Reply) {
    let Some(id) = created.body.pointer("/data/id").or_else(|| created.body.pointer("/id")) else { return };
    let path = format!("{}/{}?permanent=true", COLLECTIONS[dialect], text(id));
    assert_eq!(tenant.call(Method::DELETE, &path, &[], None).await.status, 204);
}

/// The caller, the path, the rest of the body, the status of success, the field, and its values with whether they are
/// accepted.
type Case<'a> = (&'a Tenant, &'a str, &'a Value, u16, &'a str, Vec<(Value, bool)>);

#[tokio::test]
async fn every_other_field_has_its_limits() {
    let world = World::new().await;
    let (tenant, platform) = (world.tenant().await, world.platform());
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let rotations = format!("{}/rotations", endpoint.path());
    let subject = |kind: &str, id: &str| json!({"type": kind, "id": id});
    let long = "é".repeat(255);
    let longer = "é".repeat(256);
    let event = json!({"type": "a", "data": {}});
    let organization = json!({"name": "n", "slug": "unused"});
    let slugless = json!({"name": "n"});
    let key = json!({"name": "n"});
    let table: Vec<Case<'_>> = vec![
        (
            &tenant,
            "/events",
            &event,
            202,
            "type",
            vec![
                (json!("x".repeat(256)), true),
                (json!("x".repeat(257)), false),
                (json!("a.B_9-"), true),
                (json!("*"), false),
                (json!("a.*"), false),
                (json!(""), false),
                (Value::Null, false),
            ],
        ),
        (
            &tenant,
            "/events",
            &event,
            202,
            "data",
            vec![(json!({}), true), (json!([]), false), (json!("{}"), false), (Value::Null, false)],
        ),
        (
            &tenant,
            "/events",
            &event,
            202,
            "subject",
            vec![
                (subject("t", "i"), true),
                (subject(&long, &long), true),
                (subject(&longer, "i"), false),
                (subject("t", &longer), false),
                (subject("", "i"), false),
                (json!({"type": "t"}), false),
                (json!({"type": "t", "id": "i", "more": 1}), false),
                (json!("t"), false),
                (Value::Null, true),
            ],
        ),
        (
            &tenant,
            "/events",
            &event,
            202,
            "edition_id",
            vec![
                (json!("é".repeat(128)), true),
                (json!("é".repeat(129)), false),
                (json!(""), false),
                (Value::Null, true),
            ],
        ),
        (
            &tenant,
            "/events",
            &event,
            202,
            "channels",
            vec![
                (json!([]), true),
                (json!(["a", "b", "c", "d", "e"]), true),
                (json!(["a", "b", "c", "d", "e", "f"]), false),
                (json!(["a", "a"]), false),
                (json!(["x".repeat(129)]), false),
                (json!("a"), false),
                (Value::Null, true),
            ],
        ),
        (
            &tenant,
            &rotations,
            &organization,
            200,
            "overlap_seconds",
            vec![
                (json!(0), true),
                (json!(604_800), true),
                (json!(604_801), false),
                (json!(-1), false),
                (json!("1"), false),
            ],
        ),
        (
            &platform,
            "/v1/organizations",
            &organization,
            201,
            "slug",
            vec![
                (json!("a"), true),
                (json!("x".repeat(63)), true),
                (json!("x".repeat(64)), false),
                (json!("a-1"), true),
                (json!("-a"), false),
                (json!("A"), false),
                (json!(""), false),
            ],
        ),
        (
            &platform,
            "/v1/organizations",
            &organization,
            201,
            "name",
            vec![(json!(longer), false), (json!(""), false), (json!(long), true)],
        ),
        (
            &platform,
            "/v1/organizations",
            &slugless,
            201,
            "description",
            vec![
                (json!("é".repeat(1_024)), true),
                (json!("é".repeat(1_025)), false),
                (json!(""), false),
                (Value::Null, true),
            ],
        ),
        (
            &platform,
            "/v1/organizations",
            &slugless,
            201,
            "metadata",
            vec![
                (json!({}), true),
                (json!({"k": "x".repeat(4_095)}), true),
                (json!({"k": "x".repeat(4_096)}), false),
                (json!({"": "x"}), false),
                (json!({"k": 1}), false),
                (json!({"k": null}), false),
                (json!([]), false),
                (Value::Null, true),
            ],
        ),
        (
            &tenant,
            "/api-keys",
            &key,
            201,
            "name",
            vec![(json!(long), true), (json!(longer), false), (json!(""), false)],
        ),
    ];
    for (caller, path, complete, status, name, values) in table {
        for (value, accepted) in values {
            let mut body = if path == rotations { Map::new() } else { complete.as_object().unwrap().clone() };
            body.insert(name.to_owned(), value.clone());
            judge(&caller.post(path, &Value::Object(body)).await, name, &value, accepted, status);
        }
    }
}
