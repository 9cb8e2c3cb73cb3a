//! The portal's function as API Gateway invokes it, with events of the payload format 2.0: `cookies`, bodies in base64, and several
//! `Set-Cookie`.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{World, text};

const DOMAIN: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";

/// An event like the sample in `events/`.
fn event(method: &str, path: &str, cookies: &[&str]) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/portal_endpoints.json");
    let mut event: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    event["rawPath"] = path.into();
    event["rawQueryString"] = query.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    event["cookies"] = cookies.into();
    event
}

/// An event with a form, as a browser at this origin sends it.
fn form(path: &str, cookies: &[&str], origin: &str, fields: &[(&str, &str)]) -> Value {
    let mut event = event("POST", path, cookies);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    event["body"] = BASE64_STANDARD.encode(body).into();
    event["isBase64Encoded"] = true.into();
    event["headers"]["content-type"] = "application/x-www-form-urlencoded".into();
    event["headers"]["origin"] = origin.into();
    event["headers"].as_object_mut().unwrap().remove("sec-fetch-site");
    event
}

/// What the function returns to Lambda.
async fn invoke(world: &World, event: Value) -> Value {
    let function = Adapter::from(portal::router(world.process.administrator.clone()));
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let response = function.oneshot(LambdaEvent::new(request, Context::default())).await.unwrap();
    serde_json::to_value(response).unwrap()
}

/// The `name=value` of each cookie that a response sets, and its attributes.
fn cookies(response: &Value) -> Vec<(String, String)> {
    let all =
        response["cookies"].as_array().unwrap().iter().map(|cookie| text(cookie).split_once("; Path=/; ").unwrap());
    all.map(|(pair, attributes)| (pair.to_owned(), attributes.to_owned())).collect()
}

/// Opens the link of a new session, and returns the organization, the session's cookie, and all cookies of the response.
async fn signed_in(world: &World) -> (String, String, Vec<(String, String)>) {
    let tenant = world.tenant().await;
    let session = tenant.post("/portal-sessions", &json!({"role": "owner", "expires_in": 600})).await.data(201);
    let link = text(&session["url"]).split_once("/portal").unwrap().1;
    let opened = invoke(world, event("GET", &format!("/portal{link}"), &[])).await;
    assert_eq!(opened["statusCode"], 303, "{opened}");
    let all = cookies(&opened);
    (tenant.id, all[0].0.clone(), all)
}

#[tokio::test]
async fn cookies_are_bound_to_the_encrypted_host() {
    for (origins, name, attributes) in [
        ("", "__Host-portal", "HttpOnly; Secure; SameSite=Lax"),
        ("https://app.example.com", "__Host-portal-framed", "HttpOnly; Secure; SameSite=None; Partitioned"),
    ] {
        let world = World::with(&[("PORTAL_ORIGINS", origins)]).await;
        let (organization, cookie, all) = signed_in(&world).await;
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        let last = (format!("{name}-last={organization}"), format!("Max-Age=31536000; {attributes}"));
        assert_eq!(all, [(cookie.clone(), format!("Max-Age=600; {attributes}")), last]);
        let path = format!("/portal/{organization}/endpoints");
        let page = invoke(&world, event("GET", &path, &["other=1", &cookie])).await;
        assert_eq!((page["statusCode"].as_u64(), &page["isBase64Encoded"]), (Some(200), &json!(false)), "{page}");
        assert_eq!(page["headers"]["strict-transport-security"], "max-age=31536000");
        // Another host of the domain can set cookies without the prefix.
        let token = cookie.split_once('=').unwrap().1;
        for other in ["portal", "portal-443", "__Host-portal", "__Host-portal-framed", "__Secure-portal"] {
            let page = invoke(&world, event("GET", &path, &[&format!("{other}={token}")])).await;
            assert_eq!(page["statusCode"] == 200, other == name, "{other} for {name}");
        }
    }
}

#[tokio::test]
async fn a_form_is_from_the_domain_name_of_the_gateway_whatever_its_headers_say() {
    let world = World::new().await;
    let (organization, cookie, _) = signed_in(&world).await;
    let page = invoke(&world, event("GET", &format!("/portal/{organization}/endpoints"), &[&cookie])).await;
    let token = text(&page["body"]).split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("form_token", token)];
    let sign_out = format!("/portal/{organization}/sign-out");
    let own = format!("https://{DOMAIN}");
    for origin in [format!("http://{DOMAIN}"), "https://evil.example".to_owned(), "null".to_owned()] {
        let mut forged = form(&sign_out, &[&cookie], &origin, &fields);
        for header in ["host", "x-forwarded-host"] {
            forged["headers"][header] = "evil.example".into();
        }
        assert_eq!(invoke(&world, forged).await["statusCode"], 403, "{origin}");
    }
    let mut without_domain = form(&sign_out, &[&cookie], &own, &fields);
    without_domain["requestContext"].as_object_mut().unwrap().remove("domainName");
    assert_eq!(invoke(&world, without_domain).await["statusCode"], 400, "nothing is guessed");
    let done = invoke(&world, form(&sign_out, &[&cookie], &own, &fields)).await;
    assert_eq!(done["statusCode"], 200, "{done}");
    assert_eq!(
        cookies(&done)[0],
        ("__Host-portal=".to_owned(), "Max-Age=0; HttpOnly; Secure; SameSite=Lax".to_owned())
    );
}
