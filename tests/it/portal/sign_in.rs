//! Signing in: a link works once, for the person who opens it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::portal::session::LINK_LIFETIME;

use crate::support::{Browser, HOST, Tenant, World, text};

async fn link(tenant: &Tenant, role: &str) -> String {
    let created = tenant.post("/portal-sessions", &json!({"role": role})).await.data(201);
    text(&created["url"]).strip_prefix(&format!("http://{HOST}")).unwrap().to_owned()
}

async fn sessions(tenant: &Tenant) -> Vec<Value> {
    tenant.get("/portal-sessions").await.data(200).as_array().unwrap().clone()
}

#[tokio::test]
async fn a_link_signs_in_once_and_answers_with_a_redirect_and_a_cookie() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let link = link(&tenant, "admin").await;
    let mut browser = Browser::new(&world.process);
    let reply = browser.get(&link).await;
    assert_eq!((reply.status, reply.html()), (303, ""));
    assert_eq!(reply.headers["location"], format!("/portal/{}/endpoints", tenant.id));
    assert_eq!(reply.headers["cache-control"], "no-store");
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("portal=") && cookie.ends_with("; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax"));
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies[1..], [&format!("portal-last={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", tenant.id)]);
    assert!(!link.contains(cookie.split(['=', ';']).nth(1).unwrap()), "the cookie is not the token of the link");
    browser.keep(&reply);
    assert_eq!(browser.get(&browser.first).await.status, 200);
    assert_eq!(sessions(&tenant).await[0]["status"], "active");
    let again = Browser::new(&world.process).get(&link).await;
    assert_eq!((again.status, again.headers.get("set-cookie")), (410, None));
}

#[tokio::test]
async fn only_one_of_several_that_open_a_link_at_the_same_time_is_signed_in() {
    let world = World::new().await;
    let link = link(&world.tenant().await, "member").await;
    let browsers: Vec<_> = (0..4).map(|_| Browser::new(&world.another_process())).collect();
    let replies = futures_util::future::join_all(browsers.iter().map(|browser| browser.get(&link))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410, 410]);
}

#[tokio::test]
async fn a_link_works_for_five_minutes_and_not_after_it_was_revoked() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::new(&world.process);
    let in_time = link(&tenant, "member").await;
    let late = link(&tenant, "member").await;
    // The list has the latest first.
    world.advance(Duration::from_millis(1));
    let revoked = link(&tenant, "member").await;
    let id = revoked.split('.').nth(1).unwrap();
    tenant.delete(&format!("/portal-sessions/{id}")).await.data(200);
    assert_eq!(browser.get(&revoked).await.status, 410);
    world.advance(LINK_LIFETIME - Duration::from_secs(1));
    assert_eq!(browser.get(&in_time).await.status, 303);
    world.advance(Duration::from_secs(1));
    assert_eq!(browser.get(&late).await.status, 410);
}

/// A browser may load a page again by itself.
#[tokio::test]
async fn a_link_that_the_same_browser_opens_again_leads_to_its_session() {
    let world = World::new().await;
    let link = link(&world.tenant().await, "member").await;
    let mut browser = Browser::new(&world.process);
    let first = browser.get(&link).await;
    browser.keep(&first);
    let again = browser.get(&link).await;
    assert_eq!((again.status, &again.headers["location"]), (303, &first.headers["location"]));
    assert!(!again.headers.contains_key("set-cookie"));
    assert_eq!(Browser::new(&world.process).get(&link).await.status, 410);
}

#[tokio::test]
async fn sessions_end_with_the_platform_key_that_they_come_from() {
    let world = World::new().await;
    let platform = world.platform();
    let organization = world.tenant().await;
    let of_operator = platform.post("/v1/portal-sessions", &json!({})).await.data(201);
    let path = format!("/v1/organizations/{}/portal-sessions", organization.id);
    let of_organization = platform.post(&path, &json!({"role": "owner"})).await.data(201);
    let by_key = organization.post("/portal-sessions", &json!({"role": "owner"})).await.data(201);
    let replaced = world.process_with(&[("PLATFORM_KEY_SHA256", &"a".repeat(64))]);
    for (created, after) in [(of_operator, 401), (of_organization, 401), (by_key, 200)] {
        let mut browser = Browser::new(&world.process);
        browser.open(text(&created["url"])).await;
        assert_eq!(browser.get(&browser.first).await.status, 200);
        assert_eq!(browser.at(&replaced).get(&browser.first).await.status, after, "{}", created["created_by"]);
    }
}

#[tokio::test]
async fn sessions_end_at_once_when_the_key_is_revoked_that_they_come_from() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let issued = tenant.post("/api-keys", &json!({"name": "application", "role": "owner"})).await.data(201);
    let application = tenant.with_key(text(&issued["revealed_key"]));
    let person = Browser::signed_in(&application, &json!({"role": "owner"})).await;
    let other = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let form = [("role", "member"), ("expires_in", "3600")];
    let created = person.fill(&person.path("/access/sessions/new"), &form).await;
    let shown = created.html().split("/portal/sign-in?token=").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let mut colleague = Browser::new(&world.process);
    colleague.open(&format!("http://{HOST}/portal/sign-in?token={shown}")).await;
    let unused = link(&application, "owner").await;
    for browser in [&person, &colleague] {
        assert_eq!(browser.get(&browser.first).await.status, 200);
    }
    tenant.at(&world.another_process()).delete(&format!("/api-keys/{}", text(&issued["id"]))).await.data(200);
    for browser in [&person, &colleague] {
        assert_eq!(browser.get(&browser.first).await.status, 401);
    }
    assert_eq!(Browser::new(&world.process).get(&unused).await.status, 410);
    assert_eq!(other.get(&other.first).await.status, 200, "the session of another key");
}

#[tokio::test]
async fn neither_head_nor_a_prefetch_uses_up_a_link() {
    let world = World::new().await;
    let link = link(&world.tenant().await, "member").await;
    let browser = Browser::new(&world.process);
    assert_eq!(browser.send(Method::HEAD, &link, &[], None).await.status, 405);
    let of_others = [("sec-fetch-mode", "no-cors"), ("sec-fetch-mode", "cors")];
    let in_advance = [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")];
    for header in in_advance.into_iter().chain(of_others) {
        let reply = browser.send(Method::GET, &link, &[header], None).await;
        assert_eq!((reply.status, reply.headers.get("set-cookie")), (403, None), "{header:?}");
    }
    assert_eq!(browser.get(&link).await.status, 303);
}

#[tokio::test]
async fn texts_that_are_no_token_are_refused() {
    let world = World::new().await;
    let link = link(&world.tenant().await, "member").await;
    let (path, token) = link.split_once("token=").unwrap();
    let other = world.tenant().await.id;
    let (_, rest) = token.split_once('.').unwrap();
    let browser = Browser::new(&world.process);
    let end = if token.ends_with('0') { "1" } else { "0" };
    for text in [
        String::new(),
        "x".to_owned(),
        format!("{}{end}", &token[..token.len() - 1]),
        format!("{other}.{rest}"),
        format!("operator.{rest}"),
    ] {
        assert_eq!(browser.get(&format!("{path}token={text}")).await.status, 410, "{text}");
    }
    assert_eq!(browser.get("/portal/sign-in").await.status, 410);
    assert_eq!(browser.get(&link).await.status, 303, "failed tries do not use up a link");
}

#[tokio::test]
async fn a_session_ends_when_it_expires_is_revoked_or_signed_out() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let expiring = Browser::signed_in(&tenant, &json!({"role": "member", "expires_in": 600})).await;
    world.advance(Duration::from_secs(599));
    assert_eq!(expiring.get(&expiring.first).await.status, 200);
    world.advance(Duration::from_secs(1));
    let ended = expiring.get(&expiring.first).await;
    assert_eq!((ended.status, ended.headers.get("www-authenticate")), (401, None));

    let revoked = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let id = text(&sessions(&tenant).await[0]["id"]).to_owned();
    tenant.at(&world.another_process()).delete(&format!("/portal-sessions/{id}")).await.data(200);
    assert_eq!(revoked.get(&revoked.first).await.status, 401, "at once, in every process");

    let mut leaving = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let before = leaving.clone();
    let reply = leaving.post(&leaving.path("/sign-out"), &[]).await;
    assert_eq!(reply.status, 200);
    assert!(reply.headers["set-cookie"].to_str().unwrap().contains("portal=; Path=/; Max-Age=0"));
    leaving.keep(&reply);
    for browser in [leaving, before] {
        assert_eq!(browser.get(&browser.first).await.status, 401);
    }
}

#[tokio::test]
async fn the_sessions_of_a_suspended_organization_end_at_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let unused = link(&tenant, "owner").await;
    assert_eq!(browser.get(&browser.first).await.status, 200);
    let path = format!("/v1/organizations/{}", tenant.id);
    let platform = world.platform().at(&world.another_process());
    platform.patch(&path, &json!({"status": "suspended"})).await.data(200);
    assert_eq!(browser.get(&browser.first).await.status, 401);
    assert_eq!(Browser::new(&world.process).get(&unused).await.status, 410);
}

#[tokio::test]
async fn the_sessions_of_an_organization_that_is_being_deleted_end_at_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let unused = link(&tenant, "owner").await;
    let path = format!("/v1/organizations/{}?force=true", tenant.id);
    world.platform().at(&world.another_process()).delete(&path).await.data(202);
    assert_eq!(browser.get(&browser.first).await.status, 401);
    assert_eq!(Browser::new(&world.process).get(&unused).await.status, 410);
}

#[tokio::test]
async fn a_link_of_another_tenant_is_opened_only_after_the_person_confirms_it() {
    let world = World::new().await;
    let (own, other) = (world.tenant().await, world.tenant().await);
    let mut browser = Browser::signed_in(&own, &json!({"role": "owner"})).await;
    let rename = async |tenant: &Tenant, name: &str| {
        let path = format!("/v1/organizations/{}", tenant.id);
        world.platform().patch(&path, &json!({"name": name})).await.data(200);
    };
    rename(&own, "Own & Co").await;
    rename(&other, "Other <b>").await;
    world.advance(Duration::from_secs(6));
    let created =
        other.post("/portal-sessions", &json!({"role": "owner", "actor": "eve@other.example"})).await.data(201);
    let foreign = text(&created["url"]).strip_prefix(&format!("http://{HOST}")).unwrap().to_owned();
    let asked = browser.get(&foreign).await;
    assert_eq!((asked.status, asked.headers.get("set-cookie")), (200, None));
    for shown in ["action=\"/portal/sign-in\"", "Own &amp; Co", "Other &lt;b&gt;, for eve@other.example"] {
        assert!(asked.html().contains(shown), "{shown} in {}", asked.html());
    }
    assert_eq!(browser.get(&browser.first).await.status, 200, "the session continues");
    let token = foreign.split_once("token=").unwrap().1;
    let form = [("token", token)];
    let forged = browser.send(Method::POST, "/portal/sign-in", &[("origin", "http://localhost")], Some(&form)).await;
    assert_eq!(forged.status, 403, "a form of another page cannot confirm it");
    let confirmed = browser.post("/portal/sign-in", &form).await;
    assert_eq!(confirmed.status, 303);
    browser.keep(&confirmed);
    assert_eq!(sessions(&own).await[0]["status"], "revoked", "the session that was replaced");
    assert_eq!(browser.first, format!("/portal/{}/endpoints", other.id));
    assert_eq!(browser.get(&browser.first).await.status, 200);
    assert_eq!(browser.get(&link(&other, "owner").await).await.status, 303, "nobody is asked within a tenant");
}

#[tokio::test]
async fn a_browser_whose_session_has_ended_asks_before_it_opens_a_link_of_another_tenant() {
    let world = World::new().await;
    let (own, other) = (world.tenant().await, world.tenant().await);
    let at = |cookie: String| {
        let mut browser = Browser::new(&world.process);
        browser.cookie = cookie;
        browser
    };
    let of = |tenant: &str| at(format!("portal-last={tenant}"));
    let foreign = link(&other, "owner").await;
    for browser in [of(&own.id), of("operator")] {
        let asked = browser.get(&foreign).await;
        assert_eq!((asked.status, asked.headers.get("set-cookie")), (200, None));
        assert!(asked.html().contains("another organization") && !asked.html().contains("name=\"form_token\""));
    }
    let token = foreign.split_once("token=").unwrap().1;
    for (header, status) in [
        (("sec-fetch-site", "cross-site"), 403),
        (("origin", "http://evil.example"), 403),
        (("sec-fetch-site", "same-origin"), 303),
    ] {
        let confirmed = of(&own.id).send(Method::POST, "/portal/sign-in", &[header], Some(&[("token", token)])).await;
        assert_eq!(confirmed.status, status, "{header:?}");
    }
    let gone = "org_00000000000000000000000000";
    for browser in [of(&other.id), of(gone), of("nonsense"), at(String::new())] {
        let opened = browser.get(&link(&other, "owner").await).await;
        assert_eq!(opened.status, 303, "{}", browser.cookie);
    }
}

#[tokio::test]
async fn the_question_about_another_tenant_names_nobody_if_the_link_does_not_work() {
    let world = World::new().await;
    let (own, other) = (world.tenant().await, world.tenant().await);
    let browser = Browser::signed_in(&own, &json!({"role": "owner"})).await;
    let foreign = link(&other, "owner").await;
    let forged = format!("{}{}", &foreign[..foreign.len() - 4], "0000");
    assert_eq!(browser.get(&forged).await.status, 410);
    Browser::new(&world.process).get(&foreign).await;
    assert_eq!(browser.get(&foreign).await.status, 410, "it was used");
}

#[tokio::test]
async fn a_confirmation_works_although_the_present_session_has_ended_meanwhile() {
    let world = World::new().await;
    let (own, other) = (world.tenant().await, world.tenant().await);
    let browser = Browser::signed_in(&own, &json!({"role": "owner", "expires_in": 60})).await;
    let foreign = link(&other, "owner").await;
    let form_token = browser.form_token().await;
    world.advance(Duration::from_secs(61));
    let fields = [("token", foreign.split_once("token=").unwrap().1), ("form_token", &form_token)];
    let headers = [("sec-fetch-site", "same-origin")];
    let confirmed = browser.send(Method::POST, "/portal/sign-in", &headers, Some(&fields)).await;
    assert_eq!(confirmed.status, 303);
}

#[tokio::test]
async fn a_session_says_so_ten_minutes_before_it_ends() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member", "expires_in": 3600})).await;
    let notice = async |hidden: &str, seconds: u32| {
        let page = browser.get(&browser.first).await;
        let expected = format!("id=\"ending\" role=\"status\"{hidden} data-seconds=\"{seconds}\"");
        assert!(page.html().contains(&expected), "{expected} in {}", page.html());
    };
    notice(" hidden", 3_600).await;
    world.advance(Duration::from_secs(2_999));
    notice(" hidden", 601).await;
    world.advance(Duration::from_secs(1));
    notice("", 600).await;
}

#[tokio::test]
async fn the_link_back_is_shown_while_its_origin_is_the_platforms() {
    let world = World::with(&[("PORTAL_ORIGINS", "https://app.example.com")]).await;
    let session = json!({"role": "member", "return_url": "https://app.example.com/settings"});
    let browser = Browser::signed_in(&world.tenant().await, &session).await;
    let link = "<a href=\"https://app.example.com/settings\" target=\"_top\">Back to app.example.com</a>";
    assert!(browser.get(&browser.first).await.html().contains(link));
    let later = browser.at(&world.process_with(&[("PORTAL_ORIGINS", "https://other.example.com")]));
    let page = later.get(&later.first).await;
    assert_eq!((page.status, page.html().contains("app.example.com")), (200, false));
}

#[tokio::test]
async fn a_page_that_another_site_loads_in_the_background_is_refused() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    for (site, mode, status) in [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("same-site", "no-cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ] {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        let reply = browser.send(Method::GET, &browser.first, &headers, None).await;
        assert_eq!(reply.status, status, "{site} {mode}");
    }
}

#[tokio::test]
async fn a_frame_that_gets_no_cookies_does_not_use_up_the_link() {
    let world = World::with(&[("PORTAL_ORIGINS", "https://app.example.com")]).await;
    let link = link(&world.tenant().await, "member").await;
    let frame = [("sec-fetch-dest", "iframe")];
    let mut browser = Browser::new(&world.process);
    let probe = browser.send(Method::GET, &link, &frame, None).await;
    assert_eq!(probe.status, 303);
    let second = probe.headers["location"].to_str().unwrap().to_owned();
    let without = browser.send(Method::GET, &second, &frame, None).await;
    assert_eq!((without.status, without.headers.get("set-cookie")), (200, None));
    assert!(without.html().contains("target=\"_blank\""));
    browser.keep(&probe);
    let with = browser.send(Method::GET, &second, &frame, None).await;
    assert_eq!(with.status, 303);
    assert!(with.headers["location"].to_str().unwrap().ends_with("/endpoints"));
}

#[tokio::test]
async fn a_cookie_for_frames_is_partitioned_and_only_where_the_platform_allows_frames() {
    let host = [("host", HOST)];
    for (origins, attributes) in [("", "SameSite=Lax"), ("https://app.example.com", "SameSite=Lax")] {
        let world = World::with(&[("PORTAL_ORIGINS", origins)]).await;
        let reply = Browser::new(&world.process)
            .send(Method::GET, &link(&world.tenant().await, "member").await, &host, None)
            .await;
        assert!(reply.headers["set-cookie"].to_str().unwrap().ends_with(attributes), "without encryption: {origins}");
    }
}

#[tokio::test]
async fn the_actor_and_the_session_are_in_the_audit_line() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner", "actor": "zoe@acme.co"})).await;
    let (log, guard) = crate::telemetry::Log::start();
    browser.post(&browser.path("/sign-out"), &[]).await;
    drop(guard);
    let lines = log.take_lines();
    let line = lines.iter().find(|line| line["message"] == "audit").unwrap();
    let id = &sessions(&tenant).await[0]["id"];
    assert_eq!((&line["action"], &line["actor"]), (&json!("portal_session.revoke"), &json!("zoe@acme.co")));
    assert_eq!((&line["object"], &line["organization"]), (id, &json!(tenant.id)));
}
