//! Who may name which resource.

use serde_json::json;

use super::{BUS, FUNCTION, KINDS, QUEUE, Scene};
use crate::support::{Browser, Receiver, text};

const ONLY_PLATFORM: &str = "only the platform's key may set an ARN";

#[tokio::test]
async fn only_the_platforms_key_sets_an_arn_and_only_a_listed_one() {
    let server = Receiver::new().await;
    let scene = Scene::answered_by(&server).await;
    let body = |url: &str| json!({"name": "Audit", "url": url, "event_types": ["*"]});
    let unlisted = "arn:aws:sqs:us-east-1:000000000000:other";
    let own = "arn:aws:sqs:us-east-1:000000000000:deliveries";
    for (tenant, url, reason) in [
        (&scene.tenant, QUEUE, ONLY_PLATFORM),
        (&scene.tenant, unlisted, ONLY_PLATFORM),
        (&scene.platform, unlisted, "must be a URL, or an ARN in the deployment's parameter InternalTargets"),
        (&scene.platform, own, "must be a URL, or an ARN in the deployment's parameter InternalTargets"),
        (&scene.platform, "arn:aws:sns:us-east-1:000000000000:t", "must be the ARN of an SQS queue"),
    ] {
        let refused = tenant.post("/webhooks/endpoints", &body(url)).await;
        assert_eq!(refused.status, 400, "{url}");
        let problem = refused.body.to_string();
        assert!(problem.contains("\"url\"") && problem.contains(reason), "{problem}");
    }
    let operator = Browser::operator(&scene.world).await.at(&scene.process);
    let new = format!("/portal/{}/new-endpoint", scene.tenant.id);
    let refused = operator.fill(&new, &[("name", "Audit"), ("url", QUEUE), ("patterns", "*")]).await;
    assert!(refused.html().contains(ONLY_PLATFORM), "an operator's session is not the platform's key");
    for arn in KINDS {
        let created = scene.platform.post("/webhooks/endpoints", &body(arn)).await.data(201);
        assert_eq!(created["url"], arn);
        let path = format!("/webhooks/endpoints/{}", text(&created["id"]));
        assert_eq!(scene.tenant.get(&path).await.data(200)["url"], arn, "its organization sees the ARN");
        assert_eq!(scene.tenant.patch(&path, &json!({"url": arn})).await.status, 400);
        let renamed = scene.tenant.patch(&path, &json!({"name": "Renamed"})).await.data(200);
        assert_eq!(renamed["url"], arn, "other changes keep it");
        let moved = scene.platform.patch(&path, &json!({"url": BUS})).await.data(200);
        assert_eq!(moved["url"], BUS);
    }
    assert!(server.received().is_empty(), "creating an endpoint calls no service");
}

#[tokio::test]
async fn the_other_dialects_show_an_arn_and_cannot_set_one() {
    let server = Receiver::new().await;
    let scene = Scene::answered_by(&server).await;
    let endpoint = scene.endpoint(FUNCTION, &[]).await;
    let organization = &scene.tenant.id;
    let hooks = format!("/v1/organizations/{organization}/webhooks");
    let listed = scene.platform.get(&hooks).await;
    assert_eq!(listed.status, 200, "{hooks}");
    assert!(listed.body.to_string().contains(FUNCTION), "{listed:?}");
    let created = scene.platform.post(&hooks, &json!({"url": QUEUE, "events": ["*"]})).await;
    assert!(created.status == 400 && created.body.to_string().contains("must be an http"), "{created:?}");
    let own = format!("/v1/endpoints?organization_id={organization}");
    let listed = scene.platform.get(&own).await;
    assert!(listed.body.to_string().contains(FUNCTION), "{listed:?} {}", endpoint.id);
    let created = scene.platform.post(&own, &json!({"name": "a", "url": QUEUE})).await;
    assert!(created.status == 400 && created.body.to_string().contains("must be an http"), "{created:?}");
}

#[tokio::test]
async fn the_portal_shows_an_arn_and_saves_other_settings_without_setting_it() {
    let server = Receiver::new().await;
    let scene = Scene::answered_by(&server).await;
    let endpoint = scene.endpoint(BUS, &[]).await;
    let browser = Browser::signed_in(&scene.tenant, &json!({"role": "owner"})).await;
    let settings = browser.path(&format!("/endpoints/{}/settings", endpoint.id));
    for page in [browser.path("/endpoints"), settings.clone()] {
        let shown = browser.get(&page).await;
        assert!(shown.status == 200 && shown.html().contains(BUS), "{page}");
    }
    let saved = browser.post(&settings, &[("name", "Renamed"), ("url", BUS), ("patterns", "*")]).await;
    assert_eq!(saved.status, 303);
    let read = scene.tenant.read_endpoint(&endpoint).await;
    assert_eq!((&read["name"], &read["url"]), (&json!("Renamed"), &json!(BUS)));
    let refused = browser.post(&settings, &[("name", "Renamed"), ("url", QUEUE), ("patterns", "*")]).await;
    assert!(refused.html().contains(ONLY_PLATFORM));
    assert_eq!(scene.tenant.read_endpoint(&endpoint).await["url"], BUS);

    scene.tenant.publish_one().await;
    scene.process.drain().await;
    let delivery = text(&scene.tenant.deliveries(&endpoint).await[0]["id"]).to_owned();
    let page = browser.get(&browser.path(&format!("/deliveries/{delivery}"))).await;
    assert!(page.status == 200 && !page.html().contains("curl -"), "there is no request to repeat by hand");
}
