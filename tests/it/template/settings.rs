//! The parameters and the functions' environment variables, and who may read the encryption keys.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use shared::config::Settings;

use super::roles::{ROLES, statements};
use super::{condition, properties, template};
use crate::support::text;

#[test]
fn every_setting_that_functions_read_is_in_their_environment() {
    let read = RefCell::new(BTreeSet::new());
    let hash = "0".repeat(64);
    let answer = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        ["TABLE_NAME", "QUEUE_URL", "SLOW_QUEUE_URL", "PLATFORM_KEY_SHA256"].contains(&name).then(|| hash.clone())
    };
    Settings::read(answer).unwrap();
    let template = template();
    let globals = &template["Globals"]["Function"]["Environment"]["Variables"];
    let given: BTreeSet<_> = globals.as_object().unwrap().keys().cloned().collect();
    let mut read = read.into_inner();
    assert!(read.remove(ENCRYPTION_KEYS), "only functions that encrypt or decrypt have it");
    assert!(read.is_subset(&given), "{read:?} {given:?}");
    for name in read {
        let reference = text(&globals[&name]["!Ref"]);
        let known = ["Parameters", "Resources"].iter().any(|section| template[section].get(reference).is_some());
        assert!(known, "{name} refers to {reference}");
    }
}

/// The variable with the name of the parameter that has the encryption keys.
const ENCRYPTION_KEYS: &str = "SECRETS_KEY_PARAMETER";

/// The functions `publish` and `ingest` must not: they handle no secret.
#[test]
fn only_functions_that_handle_secrets_may_read_the_encryption_keys() {
    let template = template();
    for (function, role) in ROLES {
        let resource = format!("{}{}Function", function[..1].to_uppercase(), &function[1..]);
        let variables = &properties(&template, &resource)["Environment"]["Variables"];
        let handles_secrets = !["publish", "ingest"].contains(&function);
        let expected = if handles_secrets { json!({"!Ref": "SecretsKeyParameter"}) } else { Value::Null };
        assert_eq!(variables[ENCRYPTION_KEYS], expected, "{function}");
        let allowed: Vec<_> = statements(&template, role)
            .filter(|statement| statement["Resource"].to_string().contains(":ssm:"))
            .map(|statement| (&statement["Action"], &statement["Resource"]))
            .collect();
        let arn = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${SecretsKeyParameter}";
        let expected = (&json!("ssm:GetParameter"), &json!({"!Sub": arn}));
        assert_eq!(allowed, if handles_secrets { vec![expected] } else { Vec::new() }, "{function}");
    }
    for (name, valid) in
        [("", true), ("/key", true), ("/a/b-c_d.1", true), ("key", false), ("/a/", false), ("/*", false)]
    {
        assert_eq!(takes(&template, "SecretsKeyParameter", name), valid, "{name}");
    }
}

/// CloudFormation updates a function after those that it depends on. A text that one function encrypts is decrypted by another.
#[test]
fn a_new_encryption_key_reaches_those_who_decrypt_before_those_who_encrypt() {
    let template = template();
    let after = |function: &str| template["Resources"][function]["DependsOn"].clone();
    assert_eq!(after("DeliverFunction"), Value::Null);
    assert_eq!(after("PortalFunction"), "DeliverFunction");
    for function in ["ApiFunction", "SweepFunction"] {
        assert_eq!(after(function), json!(["DeliverFunction", "PortalFunction"]), "{function}");
    }
    assert_eq!(*condition(&template, "UndecryptableAlarm"), Value::Null, "it goes off if the key is missing");
}

/// `sam local` ignores variables that are not in the template.
#[test]
fn the_sam_local_settings_have_the_functions_variables() {
    let template = template();
    let globals = template["Globals"]["Function"]["Environment"]["Variables"].as_object().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/env.json");
    let given: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let given = given["Parameters"].as_object().unwrap();
    assert_eq!(given.keys().collect::<BTreeSet<_>>(), globals.keys().collect());
    assert_eq!(globals["AWS_ENDPOINT_URL"], json!({"!Ref": "AWS::NoValue"}), "on AWS the SDK determines the endpoint");
    let settings = Settings::read(|name| given.get(name).map(|value| text(value).to_owned())).unwrap();
    assert!(settings.deployment.urls.allow_http);
}

/// Whether the template accepts this value of a parameter.
fn takes(template: &Value, parameter: &str, value: &str) -> bool {
    let parameter = &template["Parameters"][parameter];
    if let Some(values) = parameter["AllowedValues"].as_array() {
        return values.contains(&json!(value));
    }
    let pattern = text(&parameter["AllowedPattern"]);
    regex_lite::Regex::new(pattern).unwrap().is_match(value)
}

/// If a deployment accepted a value that the functions reject, no function would start any more.
#[test]
fn the_template_accepts_only_settings_that_the_functions_accept() {
    let template = template();
    let hash = "0".repeat(64);
    let base = [("TABLE_NAME", "t"), ("QUEUE_URL", "q"), ("SLOW_QUEUE_URL", "s"), ("PLATFORM_KEY_SHA256", &*hash)];
    let whole = ["", "0", "01", "1.5", "1e3", "-1", "100000", "ten"];
    let endpoints = [&whole[..], &["8001", "9000", "10000"]].concat();
    let origins = |count: usize| vec!["https://a.example"; count].join(",");
    let (twenty, twenty_one) = (origins(20), origins(21));
    let queue = "arn:aws:sqs:eu-west-1:123456789012:audit_log-1";
    let bus = "arn:aws-cn:events:cn-north-1:123456789012:event-bus/a/b.c";
    let function = "arn:aws:lambda:eu-west-1:123456789012:function:audit:$LATEST";
    let (kinds, fifo) = (format!("{queue},{bus},{function}"), format!("{queue}.fifo"));
    let [ten, eleven] = [10, 11].map(|count| vec![queue; count].join(","));
    let days = |count: usize| vec!["86400"; count].join(",");
    let (most, too_many) = (days(16), days(17));
    let [two, three] = [2, 3].map(|count| vec![&*hash; count].join(","));
    for (parameter, variable, good, bad) in [
        (
            "RetrySchedule",
            "RETRY_SCHEDULE",
            &["", "1", "1,5,30", "9999,10000,79999,85999,86399", &most][..],
            &["0", "86401", "99999", "1,", "1, 5", "-1", "1.5", "5m", &too_many][..],
        ),
        (
            "EventTypes",
            "EVENT_TYPES",
            &["", "ping", "member.added,invoice.paid-out.Late_2"],
            &["a..b", ".a", "a.", "*", "a.*", "a+b", "a b"],
        ),
        ("CatalogueMode", "CATALOGUE_MODE", &["open", "closed"], &["", "shut"]),
        ("Statistics", "STATISTICS", &["true", "false"], &["", "yes"]),
        (
            "PortalOrigins",
            "PORTAL_ORIGINS",
            &["", "https://a", "https://app.example.com,https://b-c.d:8443", &twenty],
            &["http://a.b", "https://a.b/", "https://-a", "https://a,", "https://a:0", "https://a;b", &twenty_one],
        ),
        ("PortalName", "PORTAL_NAME", &["", "Acme <webhooks>", &*"ä".repeat(64)], &["a\nb", &*"a".repeat(65)]),
        (
            "PortalLogoUrl",
            "PORTAL_LOGO_URL",
            &["", "https://example.com/logo.svg", "https://a/b?c=d%20"],
            &["https://example.com", "http://a/b", "https://a/b;c", "https://a/\"", "/logo.svg"],
        ),
        ("PortalAccent", "PORTAL_ACCENT", &["", "#000000", "#ffff00"], &["#fff", "#GGGGGG", "blue"]),
        ("OperatorPortal", "OPERATOR_PORTAL", &["true", "false"], &["", "yes"]),
        (
            "AllowedNetworks",
            "ALLOWED_NETWORKS",
            &["", "10.0.0.0/8", "127.0.0.0/8,::1/128,2001:db8::/32"],
            &["localhost", "10.0.0.0-10.0.0.9", "10.0.0.0/x"],
        ),
        (
            "InternalTargets",
            "INTERNAL_TARGETS",
            &["", queue, bus, function, &kinds, &ten],
            &["*", "arn:aws:sqs:*:123456789012:q", "arn:aws:s3:::b", "https://a.example/", &fifo, &eleven],
        ),
        ("PlatformKeySha256", "PLATFORM_KEY_SHA256", &[&*hash, &two], &["", "0", "secret", &three]),
        ("PlatformPublishKeySha256", "PLATFORM_PUBLISH_KEY_SHA256", &["", &*hash], &["0", "secret", &two]),
        ("EventsPerSecond", "EVENTS_PER_SECOND", &["", "1", "99999", "100000"], &["0", "100001", "1.5", "x"]),
        ("EventsPerMonth", "EVENTS_PER_MONTH", &["", "1", "1000000000000"], &["0", "1000000000001", "1.5"]),
        ("MaxEventBytes", "MAX_EVENT_BYTES", &["1", "99999", "199999", "262144"], &["0", "262145", "1000000", ""]),
        ("MaxEndpoints", "MAX_ENDPOINTS", &["1", "100", "999", "7999", "8000"], &endpoints),
        ("RetentionDays", "RETENTION_DAYS", &["1", "30", "99999"], &whole),
    ] {
        let starts = |value: &str| {
            let base = |name: &str| base.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            Settings::read(|name| if name == variable { Some(value.to_owned()) } else { base(name) }).is_ok()
        };
        for value in good {
            assert!(takes(&template, parameter, value) && starts(value), "{parameter}={value}");
        }
        for value in bad {
            assert!(!takes(&template, parameter, value), "{parameter}={value}");
        }
    }
}
