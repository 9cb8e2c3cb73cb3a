//! The catalogue of event types in the portal.

use serde_json::{Value, json};

use super::events::{MARKUP, assert_escaped};
use crate::support::{Browser, World};

const TYPES: &str = "/v1/event-types";

async fn create(world: &World, body: Value) {
    world.platform().post(TYPES, &body).await.data(201);
}

#[tokio::test]
async fn the_catalogue_shows_groups_and_can_be_searched() {
    let world = World::new().await;
    create(&world, json!({"name": "order.created", "group": "Orders", "description": "A cart was paid."})).await;
    create(&world, json!({"name": "order.gone", "group": "Orders", "archived": true})).await;
    create(&world, json!({"name": "user.left", "description": "Somebody left.", "deprecated": true})).await;
    create(&world, json!({"name": "secret.thing", "visibility": "internal"})).await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    let operator = Browser::operator(&world).await;
    for (query, expected) in [
        ("", [true, false, true, false]),
        ("?archived=true", [true, true, true, false]),
        ("?q=CART+order", [true, false, false, false]),
        ("?q=left", [false, false, true, false]),
        ("?q=orders&archived=true", [true, true, false, false]),
        ("?q=secret", [false, false, false, false]),
        ("?group=Orders", [true, false, false, false]),
    ] {
        let page = browser.get(&browser.path(&format!("/event-types{query}"))).await;
        assert_eq!(page.status, 200, "{query}");
        let names = ["order.created", "order.gone", "user.left", "secret.thing"];
        assert_eq!(names.map(|name| page.html().contains(&format!(">{name}</a>"))), expected, "{query}");
    }
    let page = browser.get(&browser.path("/event-types?archived=true")).await;
    for expected in ["<h2>Orders</h2>", "<h2>Other types</h2>", "Deprecated", "Archived", "A cart was paid."] {
        assert!(page.html().contains(expected), "{expected}");
    }
    assert_eq!(browser.get(&browser.path("/event-types/secret.thing")).await.status, 404);
    assert_eq!(browser.get(&browser.path("/event-types/no.such")).await.status, 404);
    let of_operator = operator.get(&browser.path("/event-types")).await;
    assert!(of_operator.html().contains(">secret.thing</a>") && of_operator.html().contains("Internal"));
}

#[tokio::test]
async fn a_type_shows_its_schema_as_a_table_and_its_example() {
    let world = World::new().await;
    let schema = |most: u32| {
        json!({"type": "object", "required": ["total"], "properties": {
            "total": {"type": "number", "minimum": 0, "maximum": most, "description": "In euros."},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}}})
    };
    let example = json!({"total": 12.5, "lines": [{"sku": "x1"}]});
    create(&world, json!({"name": "order.paid", "schema": schema(100), "example": example})).await;
    let patch = json!({"schema": schema(200)});
    world.platform().patch(&format!("{TYPES}/order.paid"), &patch).await.data(200);
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    let newest = browser.get(&browser.path("/event-types/order.paid")).await;
    assert_eq!(newest.status, 200);
    for expected in
        ["total", "number", "Required", "0 to 200", "In euros.", "lines[].", "sku", "&quot;total&quot;: 12.5"]
    {
        assert!(newest.html().contains(expected), "{expected} in {}", newest.html());
    }
    let former = browser.get(&browser.path("/event-types/order.paid?version=1")).await;
    assert!(former.html().contains("0 to 100") && !former.html().contains("0 to 200"));
    assert_eq!(browser.get(&browser.path("/event-types/order.paid?version=7")).await.status, 404);
}

#[tokio::test]
async fn what_the_platform_writes_is_shown_as_text() {
    let world = World::new().await;
    let field = json!({"type": "string", "description": MARKUP, "title": MARKUP, "pattern": "<script>", "enum": [MARKUP],
        "default": MARKUP});
    let schema = json!({"properties": {MARKUP: field}});
    let body = json!({"name": "a.b", "group": MARKUP, "description": MARKUP, "schema": schema});
    create(&world, body).await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    for path in ["/event-types", "/event-types/a.b", "/event-types?q=%3Cscript%3E%22%3E%3Cimg%20src"] {
        let page = browser.get(&browser.path(path)).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.html().contains("&lt;script&gt;"), "{path}");
        assert_escaped(page.html());
    }
}

#[tokio::test]
async fn a_long_schema_is_cut() {
    let world = World::new().await;
    let properties: serde_json::Map<_, _> =
        (0..400).map(|n| (format!("field_{n}"), json!({"type": "string"}))).collect();
    create(&world, json!({"name": "a.b", "schema": {"properties": properties}})).await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path("/event-types/a.b")).await;
    assert!(page.html().contains("There are more fields"));
    assert!(page.bytes.len() < 60_000, "{}", page.bytes.len());
}
