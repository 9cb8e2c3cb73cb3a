//! Values and comparison operators.

use super::*;

#[test]
fn values_and_nesting() {
    check(&[
        (
            r#"{"detail-type": ["EC2 Instance State-change Notification"],
                "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
                "detail": {"state": ["initializing", "running"]}}"#,
            &[INSTANCE],
            &[AUTO_SCALING],
        ),
        (r#"{"source": ["aws.ec2", "aws.fargate"]}"#, &[INSTANCE, r#"{"source": "aws.fargate"}"#], &[AUTO_SCALING]),
        (
            r#"{"Location": ["New York"], "Day": ["Monday"]}"#,
            &[r#"{"Location": "New York", "Day": "Monday", "x": 1}"#],
            &[r#"{"Location": "New York", "Day": "Friday"}"#, r#"{"Location": "New York"}"#],
        ),
        (r#"{"Name": ["Alice"]}"#, &[r#"{"Name": "Alice"}"#], &[r#"{"Name": "alice"}"#, r#"{"name": "Alice"}"#]),
        (r#"{"PaymentType": ["Credit", "Debit"]}"#, &[r#"{"PaymentType": "Debit"}"#], &[r#"{"PaymentType": "Cash"}"#]),
        (r#"{"LastName": [""]}"#, &[r#"{"LastName": ""}"#], &[r#"{"LastName": null}"#, r#"{"LastName": "x"}"#, "{}"]),
        (r#"{"UserID": [null]}"#, &[r#"{"UserID": null}"#], &[r#"{"UserID": ""}"#, r#"{"UserID": "null"}"#, "{}"]),
        (r#"{"detail": {"eventVersion": [""]}}"#, &[AUTO_SCALING], &[INSTANCE]),
        (
            r#"{"source": ["aws.autoscaling"], "detail-type": ["EC2 Instance Launch Successful"],
                "detail": {"responseElements": [null]}}"#,
            &[AUTO_SCALING],
            &[INSTANCE],
        ),
        (
            r#"{"source": ["aws.macie"], "detail-type": ["Macie Alert"],
                "detail": {"risk-score": [80], "trigger": {"risk": [8]}}}"#,
            &[ALERT],
            &[INSTANCE],
        ),
        (r#"{"Price": [100]}"#, &[r#"{"Price": 100}"#, r#"{"Price": 1e2}"#], &[r#"{"Price": "100"}"#]),
        (r#"{"a": [true]}"#, &[r#"{"a": true}"#], &[r#"{"a": false}"#, r#"{"a": "true"}"#, r#"{"a": 1}"#]),
    ]);
}

#[test]
fn strings() {
    let time: &[&str] = &[INSTANCE, r#"{"time": "2017-10-02"}"#];
    check(&[
        (r#"{"time": [{"prefix": "2017-10-02"}]}"#, time, &[AUTO_SCALING, r#"{"time": 20171002}"#]),
        (r#"{"Region": [{"prefix": "us-"}]}"#, &[r#"{"Region": "us-west-1"}"#], &[r#"{"Region": "eu-us-1"}"#]),
        (
            r#"{"service": [{"prefix": {"equals-ignore-case": "EventB"}}]}"#,
            &[r#"{"service": "eventBridge"}"#],
            &[r#"{"service": "even"}"#, r#"{"service": "AEventB"}"#],
        ),
        (r#"{"source": [{"prefix": {"equals-ignore-case": "EC2"}}]}"#, &[r#"{"source": "ec2.x"}"#], &[INSTANCE]),
        (
            r#"{"FileName": [{"suffix": ".png"}]}"#,
            &[r#"{"FileName": "a.png"}"#, r#"{"FileName": ".png"}"#],
            &[r#"{"FileName": "a.PNG"}"#, r#"{"FileName": "png"}"#],
        ),
        (r#"{"source": [{"suffix": "ec2"}]}"#, &[INSTANCE], &[AUTO_SCALING]),
        (
            r#"{"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]}"#,
            &[r#"{"FileName": "a.PNG"}"#],
            &[r#"{"FileName": "a.png "}"#],
        ),
        (
            r#"{"service": [{"suffix": {"equals-ignore-case": "tBridge"}}]}"#,
            &[r#"{"service": "EVENTBRIDGE"}"#],
            &[r#"{"service": "bridge"}"#],
        ),
        (r#"{"Name": [{"equals-ignore-case": "alice"}]}"#, &[r#"{"Name": "ALICE"}"#], &[r#"{"Name": "alice "}"#]),
        (
            r#"{"detail-type": [{"equals-ignore-case": "ec2 instance state-change notification"}]}"#,
            &[INSTANCE],
            &[ALERT],
        ),
        (
            r#"{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:*:event-bus/*"}]}"#,
            &[r#"{"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/x"}"#],
            &[r#"{"EventBusArn": "arn:aws:events:us-east-2:123456789012:event-bus/x"}"#],
        ),
        (
            r#"{"FileName": [{"wildcard": "dir/*.png"}]}"#,
            &[r#"{"FileName": "dir/a/b.png"}"#],
            &[r#"{"FileName": "a.png"}"#],
        ),
        (r#"{"source": [{"wildcard": "Simple*Service"}]}"#, &[r#"{"source": "SimpleQueueService"}"#], &[INSTANCE]),
        (r#"{"a": [{"wildcard": "5\\*\\\\*"}]}"#, &[r#"{"a": "5*\\x"}"#], &[r#"{"a": "5x\\x"}"#]),
    ]);
}

#[test]
fn anything_but() {
    let state = |state: &str| format!(r#"{{"detail": {{"state": {state}}}}}"#);
    let (initializing, stopped, number, null) =
        (state(r#""initializing""#), state(r#""stopped""#), state("1"), state("null"));
    check(&[
        (
            r#"{"detail": {"state": [{"anything-but": "initializing"}]}}"#,
            &[INSTANCE, &number, &null],
            &[&initializing, ALERT],
        ),
        (
            r#"{"detail": {"x-limit": [{"anything-but": 123}]}}"#,
            &[INSTANCE, r#"{"detail": {"x-limit": "123"}}"#],
            &[r#"{"detail": {"x-limit": 123.0}}"#, AUTO_SCALING],
        ),
        (r#"{"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}}"#, &[INSTANCE], &[&stopped]),
        (
            r#"{"detail": {"x-limit": [{"anything-but": [100, 200, 300]}]}}"#,
            &[INSTANCE],
            &[r#"{"detail": {"x-limit": 2e2}}"#],
        ),
        (r#"{"detail": {"state": [{"anything-but": {"prefix": "init"}}]}}"#, &[INSTANCE, &number], &[&initializing]),
        (
            r#"{"detail": {"state": [{"anything-but": {"prefix": ["init", "error"]}}]}}"#,
            &[INSTANCE],
            &[&initializing, r#"{"detail": {"state": "errors"}}"#],
        ),
        (
            r#"{"Region": [{"anything-but": {"prefix": "us-"}}]}"#,
            &[r#"{"Region": "eu-1"}"#],
            &[r#"{"Region": "us-1"}"#],
        ),
        (
            r#"{"detail": {"instance-id": [{"anything-but": {"suffix": "1234"}}]}}"#,
            &[INSTANCE],
            &[r#"{"detail": {"instance-id": "i-1234"}}"#],
        ),
        (
            r#"{"detail": {"instance-id": [{"anything-but": {"suffix": ["1234", "6789"]}}]}}"#,
            &[INSTANCE],
            &[r#"{"detail": {"instance-id": "i-6789"}}"#],
        ),
        (
            r#"{"FileName": [{"anything-but": {"suffix": ".png"}}]}"#,
            &[r#"{"FileName": "a.PNG"}"#],
            &[r#"{"FileName": "a.png"}"#],
        ),
        (r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": "Stopped"}}]}}"#, &[INSTANCE], &[&stopped]),
        (
            r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": ["Stopped", "Initializing"]}}]}}"#,
            &[INSTANCE],
            &[&stopped, &initializing, r#"{"detail": {"state": "INITIALIZING"}}"#],
        ),
        (
            r#"{"FilePath": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#,
            &[r#"{"FilePath": "/bin/x"}"#],
            &[r#"{"FilePath": "/lib/x"}"#],
        ),
        (
            r#"{"FilePath": [{"anything-but": {"wildcard": ["*/bin/*.jar", "*/bin/*.class"]}}]}"#,
            &[r#"{"FilePath": "/bin/x.rs"}"#],
            &[r#"{"FilePath": "/bin/x.jar"}"#, r#"{"FilePath": "/bin/x.class"}"#],
        ),
    ]);
}

#[test]
fn numbers_addresses_and_existence() {
    let nested = r#"{"detail": {"state": ["initializing", "running"], "c-count": {"c1": 100}}}"#;
    let absent = r#"{"resources": ["x"], "detail": {"state": ["initializing", "running"]}}"#;
    check(&[
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}],
                "x-limit": [{"numeric": ["=", 3.018e2]}]}}"#,
            &[INSTANCE],
            &[
                r#"{"detail": {"c-count": 6, "d-count": 3, "x-limit": 301.8}}"#,
                r#"{"detail": {"c-count": 5, "d-count": 10, "x-limit": 301.8}}"#,
                r#"{"detail": {"c-count": 0, "d-count": 9, "x-limit": 301.8}}"#,
                r#"{"detail": {"c-count": "5", "d-count": 9, "x-limit": 301.8}}"#,
            ],
        ),
        (
            r#"{"Price": [{"numeric": [">", 10, "<=", 20]}]}"#,
            &[r#"{"Price": 10.000001}"#, r#"{"Price": 20}"#],
            &[r#"{"Price": 10}"#, r#"{"Price": 20.000001}"#],
        ),
        (
            r#"{"Price": [{"numeric": [">=", -5.0e9, "<", 5.0e9]}]}"#,
            &[r#"{"Price": -5000000000}"#],
            &[r#"{"Price": 5e9}"#],
        ),
        (
            r#"{"detail": {"source-ip": [{"cidr": "10.0.0.0/24"}]}}"#,
            &[INSTANCE, r#"{"detail": {"source-ip": "10.0.0.255"}}"#],
            &[r#"{"detail": {"source-ip": "10.0.1.0"}}"#, r#"{"detail": {"source-ip": "10.0.0.0/24"}}"#],
        ),
        (r#"{"ip": [{"cidr": "2001:db8::/32"}]}"#, &[r#"{"ip": "2001:DB8:0:0:1::"}"#], &[r#"{"ip": "2001:db9::"}"#]),
        (
            r#"{"detail": {"c-count": [{"exists": true}]}}"#,
            &[INSTANCE, r#"{"detail": {"c-count": null}}"#],
            &[absent, nested],
        ),
        (
            r#"{"detail": {"c-count": [{"exists": false}]}}"#,
            &[absent, nested, "{}"],
            &[INSTANCE, r#"{"detail": {"c-count": ""}}"#],
        ),
        (
            r#"{"time": [{"prefix": "2017-10-02"}], "detail": {"state": [{"anything-but": "initializing"}],
                "c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}],
                "x-limit": [{"anything-but": [100, 200, 300]}], "source-ip": [{"cidr": "10.0.0.0/8"}]}}"#,
            &[INSTANCE],
            &[ALERT],
        ),
    ]);
}

#[test]
fn strings_are_compared_as_characters() {
    check(&[
        (r#"{"a": ["\u00e9"]}"#, &[r#"{"a": "é"}"#], &[r#"{"a": "e\u0301"}"#]),
        (r#"{"a": [{"equals-ignore-case": "STRASSE"}]}"#, &[r#"{"a": "strasse"}"#], &[r#"{"a": "straße"}"#]),
        (r#"{"a": [{"equals-ignore-case": "ÄÖ"}]}"#, &[r#"{"a": "äö"}"#], &[r#"{"a": "ao"}"#]),
        (r#"{"a": [{"suffix": {"equals-ignore-case": "İ"}}]}"#, &[r#"{"a": "xi\u0307"}"#], &[r#"{"a": "xi"}"#]),
        (r#"{"a": ["\ufffd"]}"#, &[r#"{"a": "\ud800"}"#], &[r#"{"a": ""}"#]),
        (r#"{"a": [{"wildcard": "*"}]}"#, &[r#"{"a": "\ud800x"}"#, r#"{"a": ""}"#], &[r#"{"a": 1}"#]),
        (r#"{"a/~\"": ["\n"]}"#, &[r#"{"a/~\"": "\u000a"}"#], &[r#"{"a/~\"": "n"}"#]),
        (r#"{"a": [{"prefix": ""}]}"#, &[r#"{"a": ""}"#, r#"{"a": "x"}"#], &[r#"{"a": 1}"#, r#"{"a": null}"#]),
        // The last one of several members with the same name counts.
        (r#"{"a": [2]}"#, &[r#"{"a": 1, "b": 0, "a": 2}"#], &[r#"{"a": 2, "a": 1}"#]),
    ]);
}

#[test]
fn type_subject_and_channels() {
    let event = EventView::new("invoice.paid", ("customer", "cus_7"), &["eu", "vip"], r#"{"amount": 5}"#).unwrap();
    for (filter, expected) in [
        (r#"{"type": [{"prefix": "invoice."}]}"#, true),
        (r#"{"type": [{"suffix": ".failed"}]}"#, false),
        (r#"{"subject": {"type": ["customer"], "id": ["cus_7"]}}"#, true),
        (r#"{"subject": {"type": ["customer"], "id": ["cus_8"]}}"#, false),
        (r#"{"channels": ["vip"], "data": {"amount": [5]}}"#, true),
        (r#"{"channels": [{"exists": false}]}"#, false),
        (r#"{"$or": [{"channels": ["us"]}, {"data": {"amount": [{"numeric": [">=", 5]}]}}]}"#, true),
    ] {
        let filter = Filter::parse(filter).unwrap();
        assert_eq!(filter.matches(&event, &Steps::new(100)), Some(expected), "{filter}");
    }
    let event = EventView::new("invoice.paid", ("customer", "cus_7"), &[""; 0], "{}").unwrap();
    assert!(Filter::parse(r#"{"channels": [{"exists": false}]}"#).unwrap().matches(&event, &Steps::new(10)).unwrap());
}
