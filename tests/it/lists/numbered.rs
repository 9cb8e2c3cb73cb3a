//! Numbered pages.

use std::time::Duration;

use serde_json::{Value, json};

use super::{follow, ids, publish, store_deliveries};
use crate::support::{Endpoint, Receiver, Tenant, World, text};

#[tokio::test]
async fn numbered_pages_cover_ten_thousand_deliveries_and_refuse_later_ones() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let newest = tenant.publish_one().await;
    let path = format!("/v1/webhook-endpoints/{}/deliveries?page_size=1", endpoint.id);
    let page = async |rest: &str| tenant.get(&format!("{path}{rest}")).await;
    store_deliveries(&world, &tenant, &endpoint, 99).await;
    let all = page("").await.body;
    assert_eq!((&all["count"], ids(&all["results"])), (&json!(9_901), vec![newest.clone()]));
    page("&page=9902").await.is_error(404, "not_found");

    store_deliveries(&world, &tenant, &endpoint, 101).await;
    for (order, shown) in [("", vec![newest]), ("&ordering=created", Vec::new())] {
        let first = page(order).await.body;
        assert_eq!((&first["count"], ids(&first["results"])), (&json!(10_000), shown), "{order}");
        let last = page(&format!("{order}&page=10000")).await;
        assert_eq!((last.status, &last.body["next"]), (200, &Value::Null), "{order}");
        for behind in ["10001", "99999"] {
            let refused = page(&format!("{order}&page={behind}")).await;
            refused.is_error(400, "validation_failed");
            let field = &refused.body["error"]["details"]["fields"][0];
            assert_eq!(field["name"], "page");
            assert!(text(&field["message"]).contains("/webhooks/endpoints/{endpoint}/deliveries"), "{field}");
        }
    }
    assert_eq!(page("&status=success").await.body["count"], 0);
    page("&status=success&page=2").await.is_error(400, "validation_failed");
}

/// Follows `next` to the last page and `previous` back to the first. Returns the pages.
async fn walk(tenant: &Tenant, path: &str) -> Vec<Vec<String>> {
    let mut pages: Vec<Vec<String>> = Vec::new();
    let mut next = Some(path.to_owned());
    let mut last = Value::Null;
    while let Some(path) = next {
        last = tenant.get(&path).await.body;
        pages.push(ids(&last["results"]));
        next = last["next"].as_str().map(|url| url.strip_prefix("http://localhost").unwrap().to_owned());
    }
    let mut back = vec![ids(&last["results"])];
    while let Some(url) = last["previous"].as_str().map(str::to_owned) {
        last = tenant.get(url.strip_prefix("http://localhost").unwrap()).await.body;
        back.push(ids(&last["results"]));
    }
    back.reverse();
    assert_eq!(back, pages);
    pages
}

#[tokio::test]
async fn pages_of_deliveries_have_their_count_and_links_to_each_other() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let mut created: Vec<_> = publish(&world, &tenant, "a", 5).await.into_iter().map(|(_, id)| id).collect();
    let list = format!("/v1/webhook-endpoints/{}/deliveries", endpoint.id);
    assert_eq!(
        walk(&tenant, &format!("{list}?ordering=created&page_size=2")).await,
        [&created[..2], &created[2..4], &created[4..]]
    );
    created.reverse();
    assert_eq!(walk(&tenant, &format!("{list}?page_size=2")).await, [&created[..2], &created[2..4], &created[4..]]);
    assert_eq!(walk(&tenant, &format!("{list}?status=pending&ordering=-created&page_size=5")).await, [&created[..]]);
    let second = tenant.get(&format!("{list}?page_size=2&page=2&status=pending")).await.body;
    let link = |page: u32| json!(format!("http://localhost{list}?page_size=2&status=pending&page={page}"));
    assert_eq!((&second["count"], &second["next"], &second["previous"]), (&json!(5), &link(3), &link(1)));
    tenant.get(&format!("{list}?page_size=2&page=4")).await.is_error(404, "not_found");
    let none = tenant.get(&format!("{list}?status=failed")).await.body;
    assert_eq!(none, json!({"count": 0, "next": null, "previous": null, "results": []}));
    tenant.get(&format!("{list}?status=failed&page=2")).await.is_error(404, "not_found");
}

/// Creates endpoints with these letters as names, one second apart.
async fn endpoints(world: &World, tenant: &Tenant, names: &str) -> Vec<Endpoint> {
    let mut created = Vec::new();
    for name in names.chars() {
        let edition = if name < 'c' { json!("eu") } else { Value::Null };
        let fields = json!({"name": name, "url": "https://example.com/", "edition_id": edition});
        created.push(tenant.endpoint_with(fields).await);
        world.advance(Duration::from_secs(1));
    }
    created
}

#[tokio::test]
async fn pages_of_endpoints_are_sorted_and_filtered() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = endpoints(&world, &tenant, "cadb").await;
    tenant.set_status(&created[3], "disabled").await;
    world.advance(Duration::from_secs(1));
    tenant.set_status(&created[0], "paused").await;
    for (query, expected) in [
        ("", "cadb"),
        ("ordering=created", "cadb"),
        ("ordering=-created", "bdac"),
        ("ordering=name", "abcd"),
        ("ordering=-name", "dcba"),
        ("ordering=modified", "adbc"),
        ("ordering=-modified", "cbda"),
        ("is_active=true", "cad"),
        ("is_active=false", "b"),
        ("edition_id=eu", "ab"),
        ("edition_id=us", ""),
        ("edition_id=eu&is_active=true", "a"),
        ("ordering=name&page_size=3&page=2", "d"),
        ("page_size=1000", "cadb"),
    ] {
        let listed = tenant.get(&format!("/v1/webhook-endpoints?{query}")).await;
        assert_eq!(listed.status, 200, "{query}: {}", listed.body);
        let names: String = listed.body["results"].as_array().unwrap().iter().map(|item| text(&item["name"])).collect();
        assert_eq!(names, expected, "{query}");
    }
    let expected: Vec<_> = created.iter().map(|endpoint| vec![endpoint.id.clone()]).collect();
    assert_eq!(walk(&tenant, "/v1/webhook-endpoints?page_size=1").await, expected);
    let cursor = follow(&tenant, "/webhooks/endpoints?limit=1", async || {}).await;
    assert_eq!(cursor, expected, "oldest first");
}
