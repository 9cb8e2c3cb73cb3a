//! The page of usage.

use serde_json::json;

use crate::support::{Browser, Receiver, World};

#[tokio::test]
async fn usage_is_a_chart_with_its_numbers_and_the_limits_say_how_near_they_are() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let limits = json!({"events_per_month": 4, "max_endpoints": 10});
    world
        .platform()
        .call(http::Method::PUT, &format!("/v1/organizations/{}/limits", tenant.id), &[], Some(limits.to_string()))
        .await
        .data(200);
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    tenant.publish().await;
    world.drain().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path("/usage")).await;
    assert_eq!(page.status, 200);
    for expected in [
        "2 of 4 (50 %)",
        "1 of 10 (10 %)",
        "<meter",
        "role=\"img\"",
        "<title>Events by day: 2 events</title>",
        "Show numbers",
    ] {
        assert!(page.html().contains(expected), "{expected} in {}", page.html());
    }
    assert_eq!(page.html().matches("<svg").count(), 3);
    assert!(page.bytes.len() < 30_000, "{}", page.bytes.len());
}

#[tokio::test]
async fn earlier_days_have_a_link_and_a_wrong_day_is_refused() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path("/usage")).await;
    let earlier = page.html().split("href=\"").find(|rest| rest.contains("rel=\"prev\"")).unwrap();
    let earlier = browser.get(earlier.split('"').next().unwrap()).await;
    assert_eq!((earlier.status, earlier.html().contains("Latest days")), (200, true));
    assert_eq!(browser.get(&browser.path("/usage?to=yesterday")).await.status, 400);
    assert_eq!(browser.get(&browser.path("/usage?to=1970-01-01")).await.status, 200);
}

#[tokio::test]
async fn a_bound_session_has_no_usage() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await.id;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin", "endpoints": [endpoint]})).await;
    assert!(!browser.get(&browser.first).await.html().contains("/usage\""));
    assert_eq!(browser.get(&browser.path("/usage")).await.status, 403);
}
