//! `template.yaml` matches the code: it has the same table and queues as the local host, event sources that keep failed
//! messages, and roles that allow exactly the functions' actions.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use aws_sdk_dynamodb::types::{KeySchemaElement, TableDescription};
use aws_sdk_sqs::types::QueueAttributeName;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use shared::config::Settings;
use shared::domain::endpoint::destination::arn::ResourceArn;
use shared::domain::endpoint::destination::internal_targets::InternalTargets;
use shared::domain::endpoint::lane::{ByLane, Lane};
use shared::queue::schema::{
    CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS, INGEST_TIMEOUT_SECONDS, INGEST_VISIBILITY_SECONDS, MAX_RECEIVES,
    RETENTION_SECONDS, VISIBILITY_SECONDS,
};

use crate::support::{Done, World, listed, text};

fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    assert_eq!(documents.len(), 1);
    to_json(&documents[0])
}

/// Converts the template to JSON. `!Ref Table` becomes `{"!Ref": "Table"}`.
fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => {
            let entry = |(key, value): (&Yaml<'_>, &Yaml<'_>)| (text(&to_json(key)).to_owned(), to_json(value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, value) => json!({format!("!{}", tag.suffix): to_json(value)}),
        other => panic!("not expected in a template: {other:?}"),
    }
}

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

fn properties<'a>(template: &'a Value, resource: &str) -> &'a Value {
    let found = &template["Resources"][resource]["Properties"];
    assert!(found.is_object(), "{resource}");
    found
}

fn key_schema(elements: &[KeySchemaElement]) -> Value {
    elements.iter().map(|it| json!({"AttributeName": it.attribute_name(), "KeyType": it.key_type().as_str()})).collect()
}

/// The definition of an existing table in the format of a template.
fn spelt_out(table: &TableDescription) -> Value {
    let attribute = |it: &aws_sdk_dynamodb::types::AttributeDefinition| json!({"AttributeName": it.attribute_name(), "AttributeType": it.attribute_type().as_str()});
    let index = |it: &aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
        let projection = it.projection().unwrap().projection_type().unwrap();
        json!({
            "IndexName": it.index_name().unwrap(),
            "KeySchema": key_schema(it.key_schema()),
            "Projection": {"ProjectionType": projection.as_str()},
        })
    };
    json!({
        "AttributeDefinitions": table.attribute_definitions().iter().map(attribute).collect::<Value>(),
        "BillingMode": table.billing_mode_summary().unwrap().billing_mode().unwrap().as_str(),
        "GlobalSecondaryIndexes": table.global_secondary_indexes().iter().map(index).collect::<Value>(),
        "KeySchema": key_schema(table.key_schema()),
    })
}

#[tokio::test]
async fn the_table_is_the_same_as_the_local_hosts() {
    let (world, template) = (World::new().await, template());
    let table = properties(&template, "Table");
    let described = world.dynamodb().describe_table().table_name(world.table()).send().await.unwrap();
    let created = spelt_out(described.table().unwrap());
    for (name, value) in created.as_object().unwrap() {
        assert_eq!(&table[name], value, "{name}");
    }
    let ttl = world.dynamodb().describe_time_to_live().table_name(world.table()).send().await.unwrap();
    let attribute = ttl.time_to_live_description().unwrap().attribute_name().unwrap().to_owned();
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": attribute, "Enabled": true}));
    assert_eq!(table["PointInTimeRecoverySpecification"], json!({"PointInTimeRecoveryEnabled": true}));
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert!(table.get("StreamSpecification").is_none());
}

#[tokio::test]
async fn the_queues_are_the_same_as_the_local_hosts() {
    let (world, template) = (World::new().await, template());
    for (resource, lane) in QUEUES {
        let queue = properties(&template, resource);
        let attributes = world.sqs().get_queue_attributes().queue_url(world.queue_url_of(lane));
        let created = attributes.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
        for (name, created) in [
            ("MessageRetentionPeriod", &created[&QueueAttributeName::MessageRetentionPeriod]),
            ("VisibilityTimeout", &created[&QueueAttributeName::VisibilityTimeout]),
        ] {
            assert_eq!(queue[name].to_string(), *created, "{name}");
        }
        let redrive: Value = serde_json::from_str(&created[&QueueAttributeName::RedrivePolicy]).unwrap();
        let max_receives = &redrive["maxReceiveCount"];
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"].to_string(), max_receives.to_string().trim_matches('"'));
        assert!(text(&redrive["deadLetterTargetArn"]).ends_with("-dead"), "{redrive}");
        assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"], json!({"!GetAtt": "DeadLetterQueue.Arn"}));
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], json!(MAX_RECEIVES));
    }
    let dead_letter_queue = properties(&template, "DeadLetterQueue");
    assert!(dead_letter_queue.get("RedriveAllowPolicy").is_none(), "both queues may use it");
    for queue in [properties(&template, "Queue"), properties(&template, "SlowQueue"), dead_letter_queue] {
        assert_eq!(queue["MessageRetentionPeriod"], json!(RETENTION_SECONDS));
        assert!(queue.get("FifoQueue").is_none() && queue.get("DelaySeconds").is_none());
    }
}

#[tokio::test]
async fn the_ingest_queue_is_the_same_as_the_local_hosts_and_optional() {
    let (world, template) = (World::new().await, template());
    let queue = properties(&template, "IngestMessages");
    let url = world.sqs().get_queue_url().queue_name("ingest").send().await.unwrap().queue_url.unwrap();
    let created = world.sqs().get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
    let created = created.send().await.unwrap().attributes.unwrap();
    for (name, created) in [
        ("MessageRetentionPeriod", &created[&QueueAttributeName::MessageRetentionPeriod]),
        ("VisibilityTimeout", &created[&QueueAttributeName::VisibilityTimeout]),
    ] {
        assert_eq!(queue[name].to_string(), *created, "{name}");
    }
    assert_eq!(
        queue["RedrivePolicy"],
        json!({"deadLetterTargetArn": {"!GetAtt": "IngestDeadLetterQueue.Arn"}, "maxReceiveCount": MAX_RECEIVES})
    );
    assert_eq!(properties(&template, "IngestDeadLetterQueue")["MessageRetentionPeriod"], json!(RETENTION_SECONDS));

    let function = properties(&template, "IngestFunction");
    assert_eq!(function["Timeout"], json!(INGEST_TIMEOUT_SECONDS));
    assert_eq!(queue["VisibilityTimeout"], json!(INGEST_VISIBILITY_SECONDS));
    let source = &function["Events"]["Requests"]["Properties"];
    assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(source["BatchSize"], json!(CONSUMER_BATCH));
    assert_eq!(source["Queue"], json!({"!GetAtt": "IngestMessages.Arn"}));
    assert_eq!(source["ScalingConfig"], json!({"MaximumConcurrency": {"!Ref": "IngestMaximumConcurrency"}}));
    // It sends delayed copies to its own queue.
    assert_eq!(function["RecursiveLoop"], "Allow");
    let alarm = properties(&template, "IngestInFlightAlarm");
    assert_eq!(alarm["Threshold"], properties(&template, "InFlightAlarm")["Threshold"]);
    assert_eq!(alarm["Dimensions"][0]["Value"], json!({"!GetAtt": "IngestMessages.QueueName"}));
    let variables = json!({
        "INGEST_QUEUE_URL": {"!Ref": "IngestMessages"}, "INGEST_DEAD_LETTER_QUEUE_URL": {"!Ref": "IngestDeadLetterQueue"},
    });
    assert_eq!(function["Environment"]["Variables"], variables);

    assert_eq!(template["Parameters"]["IngestQueue"]["Default"], "false");
    let of_ingest = template["Resources"].as_object().unwrap().keys().filter(|name| name.starts_with("Ingest"));
    let of_ingest: Vec<_> = of_ingest.collect();
    assert_eq!(of_ingest.len(), 8, "{of_ingest:?}");
    for resource in of_ingest {
        assert_eq!(condition(&template, resource), "HasIngestQueue", "{resource}");
    }
}

/// The queues of the lanes in the template.
const QUEUES: [(&str, Lane); 2] = [("Queue", Lane::Fast), ("SlowQueue", Lane::Slow)];

#[test]
fn the_event_sources_report_failed_messages_and_limit_concurrency() {
    let template = template();
    let function = properties(&template, "DeliverFunction");
    let sources = function["Events"].as_object().unwrap();
    assert_eq!(sources.len(), 2);
    for (source, queue, concurrency) in
        [("Deliveries", "Queue", "MaximumConcurrency"), ("SlowDeliveries", "SlowQueue", "SlowMaximumConcurrency")]
    {
        let source = &sources[source];
        assert_eq!(source["Type"], "SQS");
        let source = &source["Properties"];
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(source["BatchSize"], json!(CONSUMER_BATCH));
        assert_eq!(source["Queue"], json!({"!GetAtt": format!("{queue}.Arn")}));
        assert!(source.get("MaximumBatchingWindowInSeconds").is_none());
        assert_eq!(
            source["ScalingConfig"],
            json!({"MaximumConcurrency": {"!Ref": concurrency}}),
            "each lane has its own limit"
        );
        assert!(template["Parameters"][concurrency]["MinValue"].as_u64().unwrap() >= 2, "AWS requires at least 2");
        let visibility = properties(&template, queue)["VisibilityTimeout"].as_u64().unwrap();
        let timeout = function["Timeout"].as_u64().unwrap();
        assert!(visibility >= 6 * timeout && visibility == u64::from(VISIBILITY_SECONDS));
    }
    assert!(
        function.get("ReservedConcurrentExecutions").is_none(),
        "it could move messages to the dead-letter queue without an attempt"
    );

    assert_eq!(function["Timeout"], json!(CONSUMER_TIMEOUT_SECONDS));
}

/// A delayed copy and a forwarded message are sent to the function's own queues. Lambda stops such a loop by default.
#[test]
fn only_functions_that_send_copies_of_messages_may_send_messages_to_themselves() {
    let template = template();
    let functions = template["Resources"].as_object().unwrap().iter();
    let functions = functions.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    for (name, function) in functions {
        let sends_to_itself = ["DeliverFunction", "IngestFunction"].contains(&name.as_str());
        let expected = sends_to_itself.then(|| json!("Allow"));
        assert_eq!(function["Properties"].get("RecursiveLoop").cloned(), expected, "{name}");
    }
}

/// An alarm for one queue does not detect problems of the other.
#[test]
fn both_queues_have_the_same_alarms() {
    let template = template();
    let alarms_of = |queue: &str| {
        let of_queue = json!([{"Name": "QueueName", "Value": {"!GetAtt": format!("{queue}.QueueName")}}]);
        let resources = template["Resources"].as_object().unwrap().values();
        let alarms = resources.map(|resource| &resource["Properties"]).filter(|it| it["Dimensions"] == of_queue);
        let rules = ["MetricName", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator", "Threshold"];
        alarms.map(|alarm| rules.map(|rule| alarm[rule].to_string())).collect::<BTreeSet<_>>()
    };
    assert_eq!(alarms_of("Queue").len(), 2);
    assert_eq!(alarms_of("Queue"), alarms_of("SlowQueue"));
}

/// The conditions of resources that depend on a parameter.
fn condition<'a>(template: &'a Value, resource: &str) -> &'a Value {
    &template["Resources"][resource]["Condition"]
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

#[test]
fn the_event_bus_is_optional_sends_to_the_ingest_queue_and_has_an_archive() {
    let template = template();
    let is_on = |parameter: &str| json!({"!Equals": [{"!Ref": parameter}, "true"]});
    assert_eq!(template["Conditions"]["HasEventBus"], is_on("EventBus"));
    let has_queue = json!({"!Or": [is_on("IngestQueue"), is_on("EventBus")]});
    assert_eq!(template["Conditions"]["HasIngestQueue"], has_queue, "the bus needs the queue");
    assert_eq!(template["Parameters"]["EventBus"]["Default"], "false");
    let resources = template["Resources"].as_object().unwrap().keys().filter(|name| name.starts_with("Bus"));
    let resources: Vec<_> = resources.collect();
    assert_eq!(resources.len(), 5, "{resources:?}");
    for resource in resources {
        assert_eq!(condition(&template, resource), "HasEventBus", "{resource}");
    }
    let [queue, dead_letter] = ["IngestMessages", "IngestDeadLetterQueue"];
    let arn = |name: &str| json!({"!GetAtt": format!("{name}.Arn")});
    let target = json!([{"Id": "ingest", "Arn": arn(queue), "DeadLetterConfig": {"Arn": arn(dead_letter)}}]);
    let rule = properties(&template, "BusRule");
    assert_eq!((&rule["Targets"], &rule["EventBusName"]), (&target, &json!({"!Ref": "Bus"})));
    assert_eq!(rule["EventPattern"], json!({"source": [{"prefix": ""}]}), "every event");
    assert!(rule.get("State").is_none());
    // Only the rule may send, and only to these queues.
    for (policy, queue) in [("BusQueuePolicy", queue), ("BusDeadLetterPolicy", dead_letter)] {
        let policy = properties(&template, policy);
        let statement = json!([{
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": arn("BusRule")}},
        }]);
        assert_eq!(
            (&policy["Queues"], &policy["PolicyDocument"]["Statement"]),
            (&json!([{"!Ref": queue}]), &statement)
        );
    }
    let archive = properties(&template, "BusArchive");
    assert_eq!((&archive["SourceArn"], &archive["RetentionDays"]), (&arn("Bus"), &json!({"!Ref": "EventArchiveDays"})));
}

#[test]
fn the_sweep_runs_every_minute_and_not_concurrently() {
    let template = template();
    let function = properties(&template, "SweepFunction");
    let schedule = &function["Events"]["EveryMinute"];
    assert_eq!((text(&schedule["Type"]), text(&schedule["Properties"]["Schedule"])), ("Schedule", "rate(1 minute)"));
    assert!(function["Timeout"].as_u64().unwrap() < 60);
}

/// Without the consumer, sweeps would repeatedly send messages that no consumer receives.
#[test]
fn delivery_enabled_switches_only_the_consumer_and_the_sweep() {
    let template = template();
    assert_eq!(template["Conditions"]["Delivers"], json!({"!Equals": [{"!Ref": "DeliveryEnabled"}, "true"]}));
    assert_eq!(template["Parameters"]["DeliveryEnabled"]["Default"], "true");
    let event = |function: &str, event: &str| properties(&template, function)["Events"][event]["Properties"].clone();
    for lane in ["Deliveries", "SlowDeliveries"] {
        assert_eq!(event("DeliverFunction", lane)["Enabled"], json!({"!If": ["Delivers", true, false]}));
    }
    let state = &event("SweepFunction", "EveryMinute")["State"];
    assert_eq!(*state, json!({"!If": ["Delivers", "ENABLED", "DISABLED"]}));
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
    assert_eq!(text.matches("[Delivers,").count(), 3);
}

/// Every alarm on a custom metric uses a metric that the functions write, and docs/operations.md explains it.
#[test]
fn every_alarm_uses_an_existing_metric_and_is_documented() {
    const METRICS: [&str; 5] = ["Delivered", "SweepOverdueSeconds", "Undecryptable", "Unreadable", "Unrecorded"];
    let template = template();
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (handbook, source) = (read("docs/operations.md"), read("shared/src/telemetry/metrics.rs"));
    let mut watched = BTreeSet::new();
    for (name, alarm) in template["Resources"].as_object().unwrap() {
        if alarm["Type"] != "AWS::CloudWatch::Alarm" {
            continue;
        }
        let alarm = &alarm["Properties"];
        assert!(handbook.lines().any(|line| line.starts_with("### ") && line.contains(name.as_str())), "{name}");
        if alarm["Namespace"] == "Pigeonpost" {
            let dimensions = json!([{"Name": "Stack", "Value": {"!Ref": "AWS::StackName"}}]);
            assert_eq!(alarm["Dimensions"], dimensions, "{name}");
            watched.insert(text(&alarm["MetricName"]).to_owned());
        }
    }
    assert_eq!(watched, METRICS.map(str::to_owned).into());
    assert!(METRICS.iter().all(|metric| source.contains(&format!("= \"{metric}\";"))));
}

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

#[test]
fn the_template_has_one_function_for_each_folder() {
    let template = template();
    let resources = template["Resources"].as_object().unwrap();
    let functions = resources.values().filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    let folders: BTreeSet<_> = functions.map(|function| text(&function["Properties"]["CodeUri"]).to_owned()).collect();
    let expected = ["api", "deliver", "ingest", "portal", "publish", "sweep"];
    assert_eq!(folders, expected.map(|name| format!("functions/{name}")).into());
}

/// The actions that a role allows on the table and on both queues. Each has the partitions in its condition, or none if
/// it has no condition.
fn allowed(template: &Value, role: &str) -> Done {
    let mut allowed = Done::new();
    for statement in statements(template, role) {
        assert_eq!(statement["Effect"], "Allow");
        for (action, index) in actions(statement) {
            // The ingest function sends to the queues of deliveries, and to its own ones.
            let is_own = action == "sqs:SendMessage" && statement["Sid"] == "RefuseAndDelayRequests";
            let known = allowed.insert((action, index), conditions(statement));
            assert_eq!(known.is_some(), is_own, "{role} has two statements for an action in {statement}");
        }
    }
    allowed
}

/// The statements of a role, with those that depend on a parameter.
fn statements<'a>(template: &'a Value, role: &str) -> impl Iterator<Item = &'a Value> {
    let policies = properties(template, role)["Policies"].as_array().unwrap();
    let statements = policies.iter().flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
    statements.map(|statement| match statement.get("!If") {
        Some(conditional) => {
            assert_eq!(conditional[2], json!({"!Ref": "AWS::NoValue"}));
            &conditional[1]
        }
        None => statement,
    })
}

/// The actions of a statement and the index to which they apply. Statements for logs and parameters have no actions here.
fn actions(statement: &Value) -> Vec<(String, Option<String>)> {
    let names: Vec<_> = match &statement["Action"] {
        Value::Array(names) => names.iter().map(text).collect(),
        name => vec![text(name)],
    };
    let (resource, index) = match &statement["Resource"] {
        it if *it == json!({"!GetAtt": "Table.Arn"}) => ("dynamodb:", None),
        it if *it == json!({"!Sub": "${Table.Arn}/index/waiting"}) => ("dynamodb:", Some("waiting".to_owned())),
        it if *it == json!([{"!GetAtt": "Queue.Arn"}, {"!GetAtt": "SlowQueue.Arn"}]) => ("sqs:", None),
        it if *it == json!({"!GetAtt": "IngestMessages.Arn"}) => ("sqs:", None),
        it if *it == json!([{"!GetAtt": "IngestDeadLetterQueue.Arn"}, {"!GetAtt": "IngestMessages.Arn"}]) => {
            ("sqs:", None)
        }
        // `deliveries_may_go_to_exactly_the_listed_resources` tests this statement.
        it if it.get("!Split").is_some() => return Vec::new(),
        it if it.get("!Sub").is_some_and(|it| text(it).contains(":ssm:")) => return Vec::new(),
        it => {
            assert!(text(&it["!GetAtt"]).ends_with("LogGroup.Arn"), "{it}");
            assert_eq!(names, ["logs:CreateLogStream", "logs:PutLogEvents"]);
            return Vec::new();
        }
    };
    assert!(names.iter().all(|name| name.starts_with(resource) && !name.contains('*')), "{statement}");
    names.into_iter().map(|name| (name.to_owned(), index.clone())).collect()
}

fn conditions(statement: &Value) -> BTreeSet<String> {
    let Some(condition) = statement.get("Condition") else { return BTreeSet::new() };
    let patterns = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"].as_array().unwrap();
    assert_eq!(
        *condition,
        json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns}}),
        "no other condition"
    );
    let partition = |pattern: &Value| match text(pattern) {
        "catalogue" | "reencryption" => text(pattern).to_owned(),
        pattern => pattern.strip_suffix("#*").unwrap().to_owned(),
    };
    patterns.iter().map(partition).collect()
}

const ROLES: [(&str, &str); 6] = [
    ("api", "ApiRole"),
    ("publish", "PublishRole"),
    ("ingest", "IngestRole"),
    ("portal", "PortalRole"),
    ("deliver", "DeliverRole"),
    ("sweep", "SweepRole"),
];
/// The functions that manage everything, so that their roles name no partitions.
const MANAGERS: [&str; 2] = ["api", "portal"];

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

/// Tests of `failures` and `access` compare the list with the functions' actual calls.
#[test]
fn each_role_allows_exactly_the_actions_of_its_function() {
    let template = template();
    for (function, role) in ROLES {
        let (mut allowed, done) = (allowed(&template, role), listed(function));
        if ["deliver", "ingest"].contains(&function) {
            // AWS requires this action for a function with a queue. Only Lambda uses it.
            let own = allowed.remove(&("sqs:GetQueueAttributes".to_owned(), None));
            assert!(own.is_some());
        }
        assert_eq!(allowed.keys().collect::<Vec<_>>(), done.keys().collect::<Vec<_>>(), "{role}");
        for (action, partitions) in &allowed {
            let is_limited = !MANAGERS.contains(&function) && action.0.starts_with("dynamodb:") && action.1.is_none();
            assert_eq!(!partitions.is_empty(), is_limited, "{role}: {action:?}");
            let missing: Vec<_> = done[action].difference(partitions).filter(|_| is_limited).collect();
            assert_eq!(missing, [""; 0], "{role} lacks these for {action:?}");
        }
        // All actions of a statement share its condition, so each partition must be used by at least one of them.
        for partitions in allowed.values() {
            let shares = allowed.iter().filter(|(_, others)| *others == partitions).map(|(action, _)| action);
            let used: BTreeSet<_> = shares.flat_map(|action| done[action].clone()).collect();
            assert!(partitions.is_subset(&used), "{role} allows {partitions:?} for {used:?}");
        }
    }
}

#[test]
fn deliveries_may_go_to_exactly_the_listed_resources() {
    let template = template();
    for (_, role) in ROLES {
        let named = statements(&template, role).filter(|it| it["Resource"].to_string().contains("InternalTargets"));
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), usize::from(role == "DeliverRole"), "{role}");
        for statement in named {
            let actions = ["events:PutEvents", "lambda:InvokeFunction", "sqs:SendMessage"];
            assert_eq!(statement["Action"], json!(actions));
            assert_eq!(statement["Resource"], json!({"!Split": [",", {"!Ref": "InternalTargets"}]}));
        }
    }
    let is_empty = json!({"!Equals": [{"!Ref": "InternalTargets"}, ""]});
    assert_eq!(template["Conditions"]["HasInternalTargets"], json!({"!Not": [is_empty]}));
    let statement = properties(&template, "DeliverRole")["Policies"][0]["PolicyDocument"]["Statement"].as_array();
    let conditions: Vec<_> = statement.unwrap().iter().filter_map(|it| it["!If"].get(0)).collect();
    assert!(conditions.contains(&&json!("HasInternalTargets")), "an empty list is no resource");
}

/// Deliveries to the deployment's own queues, bus and functions would be endless loops.
#[test]
fn the_deployments_own_queues_bus_and_functions_are_no_internal_targets() {
    let template = template();
    let url = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/123456789012/stack-{name}-A1");
    let urls = ByLane { fast: url("Queue"), slow: url("SlowQueue") };
    let mut checked = 0;
    for (resource, definition) in template["Resources"].as_object().unwrap() {
        let service = match text(&definition["Type"]) {
            "AWS::SQS::Queue" => "sqs:us-east-1:123456789012:",
            "AWS::Serverless::Function" => "lambda:us-east-1:123456789012:function:",
            // The name of a bus is that of the stack.
            "AWS::Events::EventBus" => {
                assert_eq!(definition["Properties"]["Name"], json!({"!Ref": "AWS::StackName"}));
                "events"
            }
            _ => continue,
        };
        let of = |name: &str| match service {
            "events" if name == resource => "arn:aws:events:us-east-1:123456789012:event-bus/stack".to_owned(),
            "events" => format!("arn:aws:events:us-east-1:123456789012:event-bus/{name}"),
            _ => format!("arn:aws:{service}stack-{name}-B2"),
        };
        for (arn, is_allowed) in [(of(resource), false), (of("Other"), true)] {
            let targets = InternalTargets::parse(&arn, &urls).unwrap();
            assert_eq!(targets.check(&ResourceArn::parse(&arn).unwrap()).is_ok(), is_allowed, "{arn}");
        }
        checked += 1;
    }
    assert_eq!(checked, 12);
}

/// The role's own statement allows the queues of deliveries, which the settings name exactly.
#[test]
fn the_deliver_role_denies_the_deployments_own_queues_bus_and_functions() {
    let template = template();
    let policy = &template["Resources"]["NoDeliveryToItself"];
    assert_eq!((&policy["Type"], &policy["Condition"]), (&json!("AWS::IAM::Policy"), &json!("HasInternalTargets")));
    assert_eq!(policy["Properties"]["Roles"], json!([{"!Ref": "DeliverRole"}]));
    let mut denied = BTreeSet::new();
    for statement in policy["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap() {
        let statement = unconditional(statement);
        assert_eq!(statement["Effect"], "Deny");
        let resources = match &statement["Resource"] {
            Value::Array(resources) => resources.iter().map(unconditional).collect(),
            resource => vec![resource],
        };
        denied.extend(resources.into_iter().map(|it| (text(&statement["Action"]).to_owned(), it.to_string())));
    }
    let resources = template["Resources"].as_object().unwrap();
    let expected = resources.iter().filter_map(|(name, definition)| {
        let (action, resource) = match text(&definition["Type"]) {
            "AWS::SQS::Queue" if ["Queue", "SlowQueue"].contains(&name.as_str()) => return None,
            "AWS::SQS::Queue" => ("sqs:SendMessage", json!({"!GetAtt": format!("{name}.Arn")})),
            "AWS::Events::EventBus" => ("events:PutEvents", json!({"!GetAtt": format!("{name}.Arn")})),
            "AWS::Serverless::Function" => ("lambda:InvokeFunction", json!({"!Sub": format!("${{{name}.Arn}}*")})),
            _ => return None,
        };
        Some((action.to_owned(), resource.to_string()))
    });
    assert_eq!(denied, expected.collect());
}

/// A value, or that of a condition which holds.
fn unconditional(value: &Value) -> &Value {
    value.get("!If").map_or(value, |conditional| &conditional[1])
}

#[test]
fn the_dashboard_shows_every_queue_and_function_with_and_without_the_ingest_queue() {
    let template = template();
    let dashboard = &properties(&template, "CloudWatchDashboard")["DashboardBody"]["!Sub"];
    let ingest = &dashboard[1]["Ingest"]["!If"];
    assert_eq!((&ingest[0], &ingest[2]), (&json!("HasIngestQueue"), &json!("")));
    let body = |ingest: &str| {
        let body = text(&dashboard[0]).replace("${Ingest}", ingest);
        serde_json::from_str::<Value>(&body).unwrap()["widgets"].as_array().unwrap().len()
    };
    assert_eq!(body(text(&ingest[1]["!Sub"])), body("") + 2);
    for (name, definition) in template["Resources"].as_object().unwrap() {
        let shown = match text(&definition["Type"]) {
            "AWS::SQS::Queue" => format!("${{{name}.QueueName}}"),
            "AWS::Serverless::Function" => format!("${{{name}}}"),
            _ => continue,
        };
        let part = if definition.get("Condition").is_some() { &ingest[1]["!Sub"] } else { &dashboard[0] };
        assert!(text(part).contains(&shown), "{name}");
    }
}

#[test]
fn no_role_allows_forbidden_actions() {
    let template = template();
    let may = |role: &str, name: &str| allowed(&template, role).keys().any(|(action, _)| action == name);
    for (_, role) in ROLES {
        for action in ["ChangeMessageVisibility", "ReceiveMessage", "DeleteMessage"] {
            let consumes = ["DeliverRole", "IngestRole"].contains(&role);
            assert_eq!(may(role, &format!("sqs:{action}")), consumes, "{role} {action}");
        }
        assert!(may(role, "sqs:SendMessage"), "{role}");
    }
    let consumed = statements(&template, "IngestRole").filter(|it| it["Action"].to_string().contains("ReceiveMessage"));
    assert_eq!(consumed.map(|it| &it["Resource"]).collect::<Vec<_>>(), [&json!({"!GetAtt": "IngestMessages.Arn"})]);
    for ((action, _), partitions) in ["PublishRole", "IngestRole"].iter().flat_map(|role| allowed(&template, role)) {
        let changes = ["Put", "Insert", "Update", "Delete", "Write"].iter().any(|word| action.contains(word));
        let managed = ["key", "org", "slug", "state", "endpoint", "fanout"];
        let is_managed = managed.iter().any(|managed| partitions.contains(*managed));
        assert!(!(changes && is_managed && action.starts_with("dynamodb:")), "{action}: {partitions:?}");
        let sees_secrets = ["endpoint", "org"].iter().any(|hidden| partitions.contains(*hidden));
        assert!(!sees_secrets, "{action}: {partitions:?}");
    }
    for ((action, _), partitions) in allowed(&template, "DeliverRole") {
        assert!(!["key", "org", "slug"].iter().any(|hidden| partitions.contains(*hidden)), "{action}: {partitions:?}");
    }
}
