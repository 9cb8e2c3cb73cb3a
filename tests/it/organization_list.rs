//! The platform's list of organizations.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tracing::Level;

use crate::support::{Browser, Tenant, World, text};
use crate::telemetry::Log;

async fn create(platform: &Tenant, body: Value) -> String {
    text(&platform.post("/v1/organizations", &body).await.data(201)["id"]).to_owned()
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|organization| text(&organization["id"]).to_owned()).collect()
}

/// The ids on all pages of this list, and the number of pages.
async fn all(platform: &Tenant, query: &str) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = platform.get(&format!("/v1/organizations?{query}{cursor}")).await.body;
        found.extend(ids(&page));
        pages += 1;
        match page["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (found, pages),
        }
    }
}

#[tokio::test]
async fn organizations_are_listed_by_creation_in_pages() {
    let world = World::new().await;
    let platform = world.platform();
    assert_eq!(all(&platform, "limit=3").await, (vec![], 1));
    let mut created = Vec::new();
    for n in 0..20 {
        // Some are created in the same millisecond. Supplied ids do not sort by time.
        let id = (n % 3 == 0).then(|| format!("{:08x}-e29b-41d4-a716-446655440000", 100 - n));
        created.push(create(&platform, json!({"name": "n", "id": id})).await);
        world.advance(Duration::from_millis(n % 2));
    }
    let (listed, pages) = all(&platform, "limit=3").await;
    assert_eq!((listed.len(), pages), (20, 7));
    assert_eq!(listed.iter().collect::<BTreeSet<_>>(), created.iter().collect());
    let times =
        async |id: &String| platform.get(&format!("/v1/organizations/{id}")).await.data(200)["created_at"].clone();
    let mut last = String::new();
    for id in &listed {
        let time = text(&times(id).await).to_owned();
        assert!(last <= time, "{id}");
        last = time;
    }
    assert_eq!(all(&platform, "limit=20").await, (listed.clone(), 1));
    // A change does not move an organization.
    platform.patch(&format!("/v1/organizations/{}", listed[5]), &json!({"name": "Other"})).await.data(200);
    assert_eq!(all(&platform, "limit=100").await, (listed, 1));
}

#[tokio::test]
async fn organizations_are_found_by_status_id_slug_and_external_id() {
    let world = World::new().await;
    let platform = world.platform();
    let first = create(&platform, json!({"name": "n", "slug": "acme", "external_id": "crm-1"})).await;
    let mut suspended = Vec::new();
    for n in 0..9 {
        let id = create(&platform, json!({"name": "n"})).await;
        world.advance(Duration::from_millis(1));
        if n % 2 == 0 {
            platform.patch(&format!("/v1/organizations/{id}"), &json!({"status": "suspended"})).await.data(200);
            suspended.push(id);
        }
    }
    assert_eq!(all(&platform, "limit=2&status=suspended").await.0, suspended);
    assert_eq!(all(&platform, "limit=2&status=active").await.0.len(), 5);
    let found = [first.clone()];
    let by_id = format!("id={first}");
    for (query, expected) in [
        ("slug=acme", &found[..]),
        ("external_id=crm-1", &found),
        (&by_id, &found),
        ("slug=acme&external_id=crm-1&status=active", &found),
        ("slug=acme&status=suspended", &[]),
        ("slug=acme&external_id=crm-2", &[]),
        ("slug=other", &[]),
        ("external_id=other", &[]),
        ("id=org_00000000000000000000000000", &[]),
    ] {
        assert_eq!(all(&platform, query).await, (expected.to_vec(), 1), "{query}");
    }
    for query in ["status=deleted", "slug=A", "external_id=we_1", "id=x", "cursor=x", "limit=0", "name=n"] {
        platform.get(&format!("/v1/organizations?{query}")).await.is_error(400, "validation_failed");
    }
    let tenant = world.tenant().await;
    tenant.get("/v1/organizations").await.is_error(403, "forbidden");
    tenant.get(&format!("/v1/organizations?id={}", tenant.id)).await.is_error(403, "forbidden");
}

#[tokio::test]
async fn an_organization_is_listed_while_it_is_being_deleted() {
    let world = World::new().await;
    let platform = world.platform();
    let id = create(&platform, json!({"name": "n", "external_id": "crm-1"})).await;
    platform.delete("/v1/organizations/ext:crm-1?force=true").await.data(202);
    for (query, expected) in [("status=deleting", 1), ("external_id=crm-1", 1), ("status=active", 0)] {
        let found = all(&platform, query).await.0;
        assert_eq!(found, vec![id.clone(); expected], "{query}");
    }
    platform.post("/v1/organizations", &json!({"name": "n", "external_id": "crm-1"})).await.is_error(409, "conflict");
}

/// An item of a later version, for example. The log names it.
#[tokio::test]
async fn an_organization_that_cannot_be_read_is_left_out_of_every_list() {
    let world = World::new().await;
    let platform = world.platform();
    let operator = Browser::operator(&world).await;
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(create(&platform, json!({"name": "n"})).await);
        world.advance(Duration::from_secs(1));
    }
    let items = world.items("organization").await;
    let mut item = items.into_iter().find(|item| item["id"].as_s().unwrap() == &created[1]).unwrap();
    item.insert("status".to_owned(), AttributeValue::S("of a later version".to_owned()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    let (log, _logging) = Log::start_at(Level::INFO);
    let readable = vec![created[0].clone(), created[2].clone()];
    for limit in 1..=4 {
        assert_eq!(all(&platform, &format!("limit={limit}")).await.0, readable, "{limit}");
    }
    let listed = platform.get("/api/v1/app").await;
    let listed: Vec<_> = listed.body["data"].as_array().unwrap().iter().map(|it| text(&it["id"]).to_owned()).collect();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let page = operator.get("/portal/operator").await;
    assert!(readable.iter().all(|id| page.html().contains(id.as_str())) && !page.html().contains(&created[1]));
    let logged = log.take();
    assert!(logged.contains("an organization cannot be read") && logged.contains(&created[1]), "{logged}");
}
