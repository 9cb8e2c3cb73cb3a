//! The types of the catalogue in the form of an endpoint.

use serde_json::json;

use crate::support::{Browser, Receiver, World};

#[tokio::test]
async fn the_types_of_the_catalogue_are_a_tree_whose_branches_are_patterns() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    for (name, group) in [
        ("order.placed", "Sales"),
        ("order.shipped", "Sales"),
        ("invoice.paid", "Money"),
        ("invoice.late", "Sales"),
        ("member.added", "Sales"),
        ("heartbeat", "Sales"),
    ] {
        world.platform().post("/v1/event-types", &json!({"name": name, "group": group})).await.data(201);
    }
    let tenant = world.tenant().await;
    let types = ["order.*", "member.added", "other.*"];
    let fields = json!({"url": receiver.url(), "name": "Orders", "event_types": types});
    let endpoint = tenant.endpoint_with(fields).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
    let path = browser.path(&format!("/endpoints/{}/settings", endpoint.id));
    let page = browser.get(&path).await;
    for (value, is_ticked) in [
        ("order.*", Some(true)),
        ("order.placed", Some(false)),
        ("order.shipped", Some(false)),
        ("member.added", Some(true)),
        ("heartbeat", Some(false)),
        // These types are of two groups, or there is one only.
        ("invoice.*", None),
        ("member.*", None),
        ("invoice.late", Some(false)),
    ] {
        let found = page.html().split(&format!("name=\"event_types\" value=\"{value}\"")).nth(1);
        let found = found.map(|rest| rest.starts_with(" checked"));
        assert_eq!(found, is_ticked, "{value} in {}", page.html());
    }
    assert!(page.html().contains(">\nother.*</textarea>"), "a pattern without a box is in the field for others");
    assert!(page.html().contains("hidden data-search=\"f-event_types\""), "without the script there is no search");

    let fields =
        [("name", "Orders"), ("url", &*receiver.url()), ("event_types", "order.*"), ("event_types", "heartbeat")];
    assert_eq!(browser.post(&path, &fields).await.status, 303);
    assert_eq!(tenant.read_endpoint(&endpoint).await["event_types"], json!(["order.*", "heartbeat"]));
}
