//! The routes of the gateway and its log, and the function URL.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{condition, properties, template};
use crate::support::text;

/// API Gateway takes a path with a slash at its end for another one, which would lead to the function `api`.
#[test]
fn the_gateway_routes_every_path_of_publishing_to_its_function() {
    let template = template();
    let events = properties(&template, "PublishFunction")["Events"].as_object().unwrap();
    let route = |event: &Value| {
        let properties = &event["Properties"];
        format!("{} {}", text(&properties["Method"]), text(&properties["Path"]))
    };
    let mut routes: Vec<_> = events.values().map(route).collect();
    routes.sort_unstable();
    let expected = [
        "POST /api/v1/app/{app_id}/msg",
        "POST /api/v1/app/{app_id}/msg/",
        "POST /v1/organizations/{organization}/events",
        "POST /v1/organizations/{organization}/events/batch",
    ];
    assert_eq!(routes, expected);
}

#[test]
fn the_portals_routes_lead_to_its_function() {
    let template = template();
    let events = properties(&template, "PortalFunction")["Events"].as_object().unwrap();
    let routes: BTreeSet<_> = events
        .values()
        .map(|event| (text(&event["Properties"]["Method"]), text(&event["Properties"]["Path"])))
        .collect();
    assert_eq!(routes, [("ANY", "/portal"), ("ANY", "/portal/{page+}")].into());
}

/// A path contains external ids, and a query anything; docs/security.md says that neither is logged.
#[test]
fn the_access_log_has_the_callers_address_and_nothing_that_a_tenant_chose() {
    let template = template();
    let format = text(&properties(&template, "HttpApi")["AccessLogSettings"]["Format"]).to_owned();
    let line: Value = serde_json::from_str(&format).unwrap();
    let fields: BTreeSet<_> =
        line.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let expected = [
        ("request_id", "$context.requestId"),
        ("time", "$context.requestTime"),
        ("ip", "$context.identity.sourceIp"),
        ("method", "$context.httpMethod"),
        ("route", "$context.routeKey"),
        ("status", "$context.status"),
        ("response_bytes", "$context.responseLength"),
        ("latency_ms", "$context.responseLatency"),
        ("integration_latency_ms", "$context.integrationLatency"),
        ("integration_error", "$context.integrationErrorMessage"),
        ("refused", "$context.error.responseType"),
    ];
    assert_eq!(fields, expected.into());
}

#[test]
fn the_function_url_is_optional_public_and_limited() {
    let template = template();
    assert_eq!(template["Conditions"]["HasPublishUrl"], json!({"!Equals": [{"!Ref": "PublishUrl"}, "true"]}));
    assert_eq!(template["Parameters"]["PublishUrl"]["Default"], "false");
    let url = properties(&template, "PublishFunctionUrl");
    assert_eq!(*url, json!({"AuthType": "NONE", "TargetFunctionArn": {"!GetAtt": "PublishFunction.Arn"}}));
    // AWS requires both for a public URL.
    let permission = |action: &str, name: &str, value: Value| {
        let function = json!({"!Ref": "PublishFunction"});
        json!({"Action": action, "FunctionName": function, "Principal": "*", name: value})
    };
    let by_url = permission("lambda:InvokeFunctionUrl", "FunctionUrlAuthType", json!("NONE"));
    assert_eq!(*properties(&template, "PublishUrlPermission"), by_url);
    let through_url = permission("lambda:InvokeFunction", "InvokedViaFunctionUrl", json!(true));
    assert_eq!(*properties(&template, "PublishUrlInvocationPermission"), through_url);
    let all = ["PublishFunctionUrl", "PublishUrlPermission", "PublishUrlInvocationPermission", "PublishUrlErrorAlarm"];
    for resource in all {
        assert_eq!(condition(&template, resource), "HasPublishUrl", "{resource}");
    }
    assert_eq!(
        properties(&template, "PublishFunction")["ReservedConcurrentExecutions"],
        json!({"!If": ["HasPublishUrl", {"!Ref": "PublishConcurrency"}, {"!Ref": "AWS::NoValue"}]})
    );
}
