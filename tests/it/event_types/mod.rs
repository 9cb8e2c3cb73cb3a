//! The catalogue of event types: its routes, and what publishing makes of it.

mod closed;
mod documents;
mod publishing;
mod repetitions;
mod versions;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Process, Receiver, Reply, Tenant, World, text};

pub(crate) const TYPES: &str = "/v1/event-types";

/// A schema of orders.
fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["order"],
        "properties": {"order": {"type": "string"}, "amount": {"type": "number", "minimum": 0}},
    })
}

pub(crate) async fn create(world: &World, body: &Value) -> Value {
    world.platform().post(TYPES, body).await.data(201)
}

async fn put(caller: &Tenant, name: &str, body: &Value) -> Reply {
    caller.call(Method::PUT, &format!("{TYPES}/{name}"), &[], Some(body.to_string())).await
}

fn names(page: &Value) -> Vec<&str> {
    page.as_array().unwrap().iter().map(|kind| text(&kind["name"])).collect()
}

#[tokio::test]
async fn a_type_has_what_the_platform_says_about_it() {
    let world = World::new().await;
    let (platform, tenant) = (world.platform(), world.tenant().await);
    let example = json!({"order": "ord_1", "amount": 1.50});
    let body = json!({
        "name": "order.paid", "description": "An order was *paid*.", "group": "orders", "schema": schema(),
        "example": example, "deprecated": true,
    });
    let created = create(&world, &body).await;
    assert_eq!(created["object"], "event_type");
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(created[field], *value, "{field}");
    }
    assert_eq!([&created["archived"], &created["visibility"]], [&json!(false), &json!("public")]);
    assert_eq!(created["schema_version"], 1);
    assert_eq!(created["created_at"], created["updated_at"]);
    for caller in [&platform, &tenant] {
        assert_eq!(caller.get(&format!("{TYPES}/order.paid")).await.data(200), created);
    }
    let listed = tenant.get(TYPES).await.data(200);
    assert_eq!(listed[0]["schema_version"], 1);
    assert!(listed[0].get("schema").is_none(), "a list has no schemas");
    platform.post(TYPES, &body).await.is_error(409, "conflict");
    let plain = create(&world, &json!({"name": "plain"})).await;
    assert_eq!([&plain["schema"], &plain["example"], &plain["schema_version"]], [&Value::Null; 3]);
    tenant.get(&format!("{TYPES}/unknown")).await.is_error(404, "not_found");
    tenant.get(&format!("{TYPES}/not%20a%20name")).await.is_error(404, "not_found");
}

#[tokio::test]
async fn invalid_fields_are_named_with_the_place_in_the_schema() {
    let world = World::new().await;
    let platform = world.platform();
    let deep = format!("{}true{}", "{\"items\":".repeat(65), "}".repeat(65));
    for (fields, wrong, message) in [
        (json!({"name": "a b"}), "name", "must be segments"),
        (json!({"name": "x".repeat(257)}), "name", "at most 256"),
        (json!({"name": "webhook.created"}), "name", "only the service"),
        (json!({"description": ""}), "description", "1 to 4096"),
        (json!({"group": "x".repeat(129)}), "group", "1 to 128"),
        (json!({"visibility": "secret"}), "visibility", "public or internal"),
        (json!({"schema": {"properties": {"a": {"type": "strin"}}}}), "schema", "/properties/a/type must"),
        (json!({"schema": {"$ref": "https://example.com/other"}}), "schema", "/$ref must"),
        (json!({"schema": {"properties": {"a": {"pattern": "(?=x)"}}}}), "schema", "/properties/a/pattern must"),
        (json!({"schema": serde_json::from_str::<Value>(&deep).unwrap()}), "schema", "levels"),
        (json!({"schema": 1}), "schema", "must be"),
        (json!({"example": [1]}), "example", "must be a JSON object"),
        (json!({"schema": schema(), "example": {"order": 1}}), "example", "/order must be"),
    ] {
        let mut body = json!({"name": "order.paid"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let refused = platform.post(TYPES, &body).await;
        refused.is_error(400, "validation_failed");
        let field = &refused.body["error"]["details"]["fields"][0];
        assert_eq!(field["name"], wrong, "{fields}");
        assert!(text(&field["message"]).contains(message), "{fields}: {field}");
    }
    assert_eq!(names(&platform.get(TYPES).await.data(200)), [""; 0]);
}

#[tokio::test]
async fn another_schema_or_example_makes_a_version_and_older_ones_stay_readable() {
    let world = World::new().await;
    let (platform, tenant) = (world.platform(), world.tenant().await);
    create(&world, &json!({"name": "order.paid", "schema": schema(), "group": "orders"})).await;
    let path = format!("{TYPES}/order.paid");
    let same = platform.patch(&path, &json!({"description": "Paid"})).await.data(200);
    assert_eq!([&same["schema_version"], &same["schema"]], [&json!(1), &schema()]);
    let second = platform.patch(&path, &json!({"schema": true})).await.data(200);
    assert_eq!([&second["schema_version"], &second["description"]], [&json!(2), &json!("Paid")]);
    // A replacement resets what it does not have.
    let third = put(&platform, "order.paid", &json!({"example": {"a": 1}})).await.data(200);
    assert_eq!(
        [&third["schema_version"], &third["schema"], &third["description"]],
        [&json!(3), &Value::Null, &Value::Null]
    );
    assert_eq!(put(&platform, "order.paid", &json!({"example": {"a": 1}})).await.data(200), third, "nothing changed");
    assert_eq!(put(&platform, "order.sent", &json!({})).await.data(201)["name"], "order.sent");
    // The example must satisfy the schema, whichever of the two changes.
    platform.patch(&path, &json!({"schema": schema()})).await.is_error(400, "validation_failed");
    let page = tenant.get(&format!("{path}/versions?limit=2")).await;
    let cursor = text(&page.body["pagination"]["next_cursor"]).to_owned();
    let newest = page.data(200);
    assert_eq!([&newest[0]["schema_version"], &newest[1]["schema_version"]], [&json!(3), &json!(2)]);
    assert_eq!(newest[0]["example"], json!({"a": 1}));
    for wrong in ["0", "-1", "a"] {
        tenant.get(&format!("{path}/versions?cursor={wrong}")).await.is_error(400, "validation_failed");
    }
    let last = tenant.get(&format!("{path}/versions?limit=2&cursor={cursor}")).await;
    assert_eq!(last.body["pagination"]["has_more"], false);
    let last = last.data(200);
    assert_eq!(last.as_array().unwrap().len(), 1);
    assert_eq!(tenant.get(&format!("{path}/versions/1")).await.data(200), last[0]);
    assert_eq!(last[0]["schema"], schema());
    for unknown in ["0", "4", "x"] {
        tenant.get(&format!("{path}/versions/{unknown}")).await.is_error(404, "not_found");
    }
}

#[tokio::test]
async fn lists_have_pages_by_name_and_leave_out_archived_types() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (name, group) in [("b", "x"), ("a-b", "x"), ("a", "y"), ("a.b", "x"), ("B", "x")] {
        create(&world, &json!({"name": name, "group": group})).await;
    }
    world.platform().delete(&format!("{TYPES}/a.b")).await.data(200);
    let mut found = Vec::new();
    let mut path = format!("{TYPES}?limit=2");
    loop {
        let page = tenant.get(&path).await;
        let next = page.body["pagination"]["next_cursor"].as_str().map(str::to_owned);
        found.extend(names(&page.data(200)).into_iter().map(str::to_owned));
        let Some(cursor) = next else { break };
        path = format!("{TYPES}?limit=2&cursor={cursor}");
    }
    assert_eq!(found, ["B", "a", "a-b", "b"]);
    assert_eq!(names(&tenant.get(&format!("{TYPES}?archived=true")).await.data(200)), ["B", "a", "a-b", "a.b", "b"]);
    assert_eq!(names(&tenant.get(&format!("{TYPES}?group=y")).await.data(200)), ["a"]);
    tenant.get(&format!("{TYPES}?cursor=%20")).await.is_error(400, "validation_failed");
    assert_eq!(tenant.get(&format!("{TYPES}/a.b")).await.data(200)["archived"], true);
}

#[tokio::test]
async fn removing_a_type_removes_all_its_versions() {
    let world = World::new().await;
    let platform = world.platform();
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let path = format!("{TYPES}/order.paid");
    // More versions than one transaction deletes.
    for number in 0..24 {
        platform.patch(&path, &json!({"schema": {"minProperties": number}})).await.data(200);
    }
    platform.delete(&format!("{path}?permanent=true")).await.data(204);
    platform.get(&path).await.is_error(404, "not_found");
    platform.delete(&format!("{path}?permanent=true")).await.is_error(404, "not_found");
    platform.patch(&path, &json!({})).await.is_error(404, "not_found");
    assert_eq!(names(&platform.get(TYPES).await.data(200)), [""; 0]);
    assert_eq!((world.items("event_type").await.len(), world.items("event_type_version").await.len()), (0, 0));
    assert_eq!(create(&world, &json!({"name": "order.paid", "schema": true})).await["schema_version"], 1);
}

#[tokio::test]
async fn an_internal_type_is_shown_to_the_platform_alone() {
    let world = World::new().await;
    let (platform, tenant) = (world.platform(), world.tenant().await);
    let body = json!({"name": "order.paid", "visibility": "internal", "schema": schema(), "example": {"order": "a"}});
    create(&world, &body).await;
    let path = format!("{TYPES}/order.paid");
    for path in [&path, &format!("{path}/versions"), &format!("{path}/versions/1")] {
        platform.get(path).await.data(200);
        tenant.get(path).await.is_error(404, "not_found");
    }
    assert_eq!(names(&platform.get(TYPES).await.data(200)), ["order.paid"]);
    assert_eq!(names(&tenant.get(TYPES).await.data(200)), [""; 0]);
    // The cursor is not the name of a hidden type.
    create(&world, &json!({"name": "aaa"})).await;
    create(&world, &json!({"name": "zzz"})).await;
    let page = tenant.get(&format!("{TYPES}?limit=1")).await;
    assert_eq!(page.body["pagination"]["next_cursor"], "aaa");
    assert_eq!(names(&tenant.get(&format!("{TYPES}?limit=1&cursor=aaa")).await.data(200)), ["zzz"]);
    for (caller, has_type) in [(&platform, true), (&tenant, false)] {
        let document = caller.get("/v1/openapi/webhooks.json").await.body;
        assert_eq!(document["webhooks"].get("order.paid").is_some(), has_type);
    }
}

#[tokio::test]
async fn a_test_event_has_the_example_of_its_type() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (platform, tenant) = (world.platform(), world.tenant().await);
    let example = json!({"order": "ord_1"});
    create(&world, &json!({"name": "order.paid", "example": example})).await;
    create(&world, &json!({"name": "order.hidden", "example": example, "visibility": "internal"})).await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "event_types": ["order.paid"]})).await;
    let path = format!("/v1/organizations/{}{}/test", tenant.id, endpoint.path());
    for (caller, body, expected) in [
        (&tenant, json!({}), &example),
        (&tenant, json!({"data": {"a": 1}}), &json!({"a": 1})),
        (&tenant, json!({"event_type": "order.sent"}), &json!({"test": true})),
        (&tenant, json!({"event_type": "order.hidden"}), &json!({"test": true})),
        (&platform, json!({"event_type": "order.hidden"}), &example),
    ] {
        let sent = caller.post(&path, &body).await.data(200);
        let event = tenant.get(&format!("/events/{}", text(&sent["event_id"]))).await.data(200);
        assert_eq!(event["data"], *expected, "{body}");
    }
}

#[tokio::test]
async fn concurrent_changes_of_types_all_happen() {
    let world = World::new().await;
    create(&world, &json!({"name": "order.paid"})).await;
    let processes: Vec<Process> = (0..4).map(|_| world.another_process()).collect();
    let platform = world.platform();
    let changes = processes.iter().enumerate().map(|(number, process)| {
        let caller = platform.at(process);
        async move {
            caller.post(TYPES, &json!({"name": format!("n{number}")})).await.data(201);
            let schema = json!({"schema": {"minProperties": number + 1}});
            caller.patch(&format!("{TYPES}/order.paid"), &schema).await.data(200);
        }
    });
    futures_util::future::join_all(changes).await;
    assert_eq!(platform.get(&format!("{TYPES}/order.paid")).await.data(200)["schema_version"], 4);
    assert_eq!(names(&platform.get(TYPES).await.data(200)).len(), 5);
}
