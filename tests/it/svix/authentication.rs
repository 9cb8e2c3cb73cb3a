//! Links to the portal.

use serde_json::json;

use super::{App, invalid};
use crate::support::{World, text};

#[tokio::test]
async fn a_link_to_the_portal_is_a_session_that_can_be_ended() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let path = format!("/api/v1/auth/app-portal-access/{}", app.id);
    let access = app.client.post(&path, &json!({"featureFlags": ["a"], "expiry": 3_600, "readOnly": true})).await;
    assert_eq!(access.status, 200, "{}", access.body);
    let (url, token) = (text(&access.body["url"]), text(&access.body["token"]));
    assert!(url.ends_with(&format!("/portal/sign-in?token={token}")), "{url}");
    let sessions = format!("/v1/organizations/{}/portal-sessions", app.id.replace("app_", "org_"));
    let listed = app.client.get(&sessions).await.data(200);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["role"]), (1, &json!("member")));
    app.client.post(&format!("/api/v1/auth/dashboard-access/{}", app.id), &json!({})).await;
    let ended = app.client.post(&format!("/api/v1/auth/app/{}/expire-all", app.id), &json!({})).await;
    assert_eq!((ended.status, ended.bytes.len()), (204, 0));
    let listed = app.client.get(&sessions).await.data(200);
    assert!(listed.as_array().unwrap().iter().all(|session| session["status"] == "revoked"), "{listed}");
    invalid(&app.client.post(&path, &json!({"expiry": 60})).await, &["expiry"]);
}
