//! The operators' view.

use serde_json::json;

use super::events::{MARKUP, assert_escaped};
use crate::support::{Answer, Browser, Receiver, World};

#[tokio::test]
async fn organizations_are_listed_with_their_volume_and_found_by_their_names() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let path = format!("/v1/organizations/{}", second.id);
    world.platform().patch(&path, &json!({"external_id": "acme-7", "name": MARKUP})).await.data(200);
    first.publish().await;
    first.publish().await;
    let operator = Browser::operator(&world).await;
    let list = operator.get("/portal/operator").await;
    assert_eq!(list.status, 200);
    assert!(list.html().contains("<title>Events of the last 7 days: 2 events</title>"), "{}", list.html());
    assert_escaped(list.html());
    for (query, expected) in [
        (format!("?id={}", first.id), [true, false]),
        ("?external_id=acme-7".to_owned(), [false, true]),
        ("?slug=nobody".to_owned(), [false, false]),
        ("?status=active".to_owned(), [true, true]),
        ("?status=suspended".to_owned(), [false, false]),
    ] {
        let page = operator.get(&format!("/portal/operator{query}")).await;
        let shown = [&first, &second].map(|tenant| page.html().contains(&format!("/portal/{}/endpoints", tenant.id)));
        assert_eq!((page.status, shown), (200, expected), "{query}");
    }
    let wrong = operator.get("/portal/operator?status=gone").await;
    assert_eq!((wrong.status, wrong.html().contains("id=\"f-status-problem\"")), (400, true));
}

#[tokio::test]
async fn an_operator_creates_suspends_and_reactivates_an_organization() {
    let world = World::new().await;
    let operator = Browser::operator(&world).await;
    let fields = [("name", "Acme"), ("slug", "acme"), ("external_id", ""), ("description", "")];
    let created = operator.fill("/portal/operator/new", &fields).await;
    assert_eq!(created.status, 303, "{}", created.html());
    let list = created.headers["location"].to_str().unwrap().to_owned();
    let id = list.split_once("?id=").unwrap().1.to_owned();
    let taken = operator.fill("/portal/operator/new", &fields).await;
    assert_eq!((taken.status, taken.html().contains("The slug acme is taken.")), (409, true));
    let wrong = operator.fill("/portal/operator/new", &[("name", ""), ("slug", "NO SLUG")]).await;
    assert_eq!((wrong.status, wrong.html().contains("value=\"NO SLUG\"")), (400, true));
    for (action, state) in [("suspend", "Suspended"), ("reactivate", "Active")] {
        let path = format!("/portal/operator/organizations/{id}/{action}");
        assert_eq!(operator.post(&path, &[]).await.status, 303, "{action}");
        let page = operator.get(&list).await;
        assert!(page.html().contains(&format!("</span>{state}")) || page.html().contains(&format!(">{state}</span>")));
    }
}

#[tokio::test]
async fn the_health_of_the_deployment_names_suspended_endpoints_and_the_metrics_of_the_rest() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let operator = Browser::operator(&world).await;
    let healthy = operator.get("/portal/operator/health").await;
    for metric in ["Parked", "SweepOverdueSeconds", "SuspendedEndpoints", "DeadLetterQueue"] {
        assert!(healthy.html().contains(metric), "{metric}");
    }
    assert!(!healthy.html().contains(&endpoint.id));
    // An endpoint that fails for longer than a minute is suspended.
    for _ in 0..15 {
        tenant.publish().await;
        world.drain().await;
        world.advance(std::time::Duration::from_secs(10));
    }
    let failing = operator.get("/portal/operator/health").await;
    assert!(failing.html().contains(&format!("/portal/{}/endpoints/{}", tenant.id, endpoint.id)), "{}", failing.html());
}

#[tokio::test]
async fn a_tenant_reaches_none_of_the_operators_pages() {
    let world = World::new().await;
    let (own, other) = (world.tenant().await, world.tenant().await);
    let browser = Browser::signed_in(&own, &json!({"role": "owner"})).await;
    for path in ["/portal/operator", "/portal/operator/new", "/portal/operator/health"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    assert_eq!(browser.post("/portal/operator/new", &[("name", "x")]).await.status, 404);
    for id in [&own.id, &other.id] {
        for action in ["suspend", "reactivate"] {
            let path = format!("/portal/operator/organizations/{id}/{action}");
            assert_eq!(browser.post(&path, &[]).await.status, 404, "{path}");
        }
    }
}
