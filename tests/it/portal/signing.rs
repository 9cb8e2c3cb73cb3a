//! Signing secrets and replays by forms.

use serde_json::json;

use super::main_path::{contains, location, submit};
use crate::support::{Answer, Browser, Receiver, World};

#[tokio::test]
async fn a_rotation_shows_the_new_secret_once_and_the_former_one_until_it_ends() {
    for (algorithm, secret, snippet) in
        [("hmac-sha256", "whsec_", "createHmac"), ("ed25519", "whsk_", "createPublicKey")]
    {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "signing_algorithm": algorithm})).await;
        let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
        let path = browser.path(&format!("/endpoints/{}/signing", endpoint.id));
        let page = browser.get(&path).await;
        contains(&page, &[snippet, "JavaScript", "Rust", "It is rotated"]);
        assert!(!page.html().contains(&format!("data-copy=\"{secret}")), "{algorithm}");
        let fields = [("overlap_seconds", "3600"), ("signing_algorithm", algorithm)];
        let rotated = submit(&browser, &path, &fields).await;
        assert_eq!(rotated.status, 200);
        contains(&rotated, &[&format!("data-copy=\"{secret}")]);
        let after = browser.get(&path).await;
        assert_eq!(after.html().matches("wkid_").count(), 2, "both sign");
        assert!(!after.html().contains(&format!("data-copy=\"{secret}")));
        world.advance(std::time::Duration::from_secs(3_600));
        assert_eq!(browser.get(&path).await.html().matches("wkid_").count(), 1);
        let refused = submit(&browser, &path, &[("overlap_seconds", "-1"), ("signing_algorithm", algorithm)]).await;
        assert_eq!(refused.status, 400);
        contains(&refused, &["aria-invalid"]);
    }
}

#[tokio::test]
async fn secrets_are_shown_again_only_where_the_deployment_allows_it() {
    for (setting, status) in [("true", 200), ("false", 403)] {
        let (world, receiver) = (World::with(&[("SECRETS_READABLE", setting)]).await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
        let path = browser.path(&format!("/endpoints/{}/signing", endpoint.id));
        let offers = browser.get(&path).await.html().contains("Show the secrets");
        let shown = browser.post(&format!("{path}/secret"), &[]).await;
        assert_eq!((shown.status, offers, shown.html().contains("whsec_")), (status, status == 200, status == 200));
        assert_eq!(shown.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn a_replay_is_counted_started_shown_and_cancelled() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint =
        tenant.endpoint_with(json!({"url": receiver.url(), "event_types": ["*"], "retry_schedule": []})).await;
    tenant.publish().await;
    world.drain().await;
    world.advance(std::time::Duration::from_secs(1));
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
    let path = browser.path(&format!("/endpoints/{}/replay", endpoint.id));
    let count = [("what", "failed"), ("since", "2026-01-01T00:00"), ("action", "count")];
    contains(
        &submit(&browser, &path, &count).await,
        &["This would send <strong>1</strong>", "value=\"2026-01-01T00:00\""],
    );
    assert_eq!(receiver.received().len(), 1, "counting sends nothing");
    let start = [("what", "failed"), ("since", "2026-01-01T00:00"), ("action", "start")];
    assert_eq!(location(&submit(&browser, &path, &start).await), format!("{path}?started=yes"));
    let page = browser.get(&path).await;
    contains(&page, &["In progress", "What failed", "/cancel\""]);
    let cancel = page.html().split("action=\"").find(|it| it.contains("/cancel\"")).unwrap();
    assert_eq!(location(&browser.post(cancel.split('"').next().unwrap(), &[]).await), path);
    contains(&browser.get(&path).await, &["Cancelled"]);
    let refused = submit(&browser, &path, &[("what", "failed"), ("since", "soon"), ("action", "start")]).await;
    assert_eq!(refused.status, 400);
    contains(&refused, &["value=\"soon\"", "f-since-problem"]);
}
