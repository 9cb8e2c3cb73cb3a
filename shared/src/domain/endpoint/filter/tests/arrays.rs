//! `$or` and arrays.

use super::*;

#[test]
fn alternatives() {
    let both = r#"{"source": ["aws.cloudwatch"], "$or": [{"metricName": ["CPUUtilization", "ReadLatency"]},
        {"metricType": ["MetricType"], "namespace": ["AWS/EC2", "AWS/ES"], "$or": [{"metricId": [1234]}, {"spaceId": [1000]}]},
        {"scope": ["Service"]}]}"#;
    check(&[
        (
            r#"{"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}"#,
            &[r#"{"Location": "New York"}"#, r#"{"Day": "Monday"}"#],
            &[r#"{"Location": "Paris", "Day": "Friday"}"#, "{}"],
        ),
        (
            r#"{"detail": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]},
                {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}"#,
            &[INSTANCE, r#"{"detail": {"x-limit": 301.80}}"#, r#"{"detail": {"c-count": 9, "d-count": 9}}"#],
            &[r#"{"detail": {"c-count": 0, "d-count": 10, "x-limit": 1}}"#],
        ),
        (
            both,
            &[
                r#"{"source": "aws.cloudwatch", "metricName": "ReadLatency"}"#,
                r#"{"source": "aws.cloudwatch", "scope": "Service"}"#,
                r#"{"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1000}"#,
            ],
            &[
                r#"{"source": "aws.ec2", "scope": "Service"}"#,
                r#"{"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1}"#,
                r#"{"source": "aws.cloudwatch", "metricType": "MetricType", "metricId": 1234}"#,
            ],
        ),
        (
            r#"{"$or": [{"metricName": ["CPUUtilization"]}, {"namespace": ["AWS/EC2"]}],
                "detail": {"$or": [{"source": ["aws.cloudwatch"]}, {"detail-type": ["CloudWatch Alarm State Change"]}]}}"#,
            &[r#"{"namespace": "AWS/EC2", "detail": {"source": "aws.cloudwatch"}}"#],
            &[r#"{"namespace": "AWS/EC2", "detail": {"source": "x"}}"#, r#"{"detail": {"source": "aws.cloudwatch"}}"#],
        ),
        (
            r#"{"detail-type": ["AWS API Call via CloudTrail"], "$or": [
                {"source": ["aws.sqs"], "detail": {"eventName": ["CreateQueue", "SetQueueAttributes"]}},
                {"source": ["aws.kms"], "detail": {"eventName": ["CreateKey", "DisableKeyRotation"]}}]}"#,
            &[
                r#"{"detail-type": "AWS API Call via CloudTrail", "source": "aws.kms", "detail": {"eventName": "CreateKey"}}"#,
            ],
            &[
                r#"{"detail-type": "AWS API Call via CloudTrail", "source": "aws.sqs", "detail": {"eventName": "CreateKey"}}"#,
            ],
        ),
    ]);
}

#[test]
fn arrays() {
    let people = r#"{"employees": [{"firstName": "John", "lastName": "Doe"}, {"firstName": "Anna", "lastName": "Smith"},
        {"firstName": "Peter", "lastName": "Jones"}]}"#;
    let nested = r#"{"employees": [[{"firstName": "John", "lastName": "Doe"}, {"firstName": "Anna", "lastName": "Smith"}],
        [{"firstName": "Peter", "lastName": "Jones"}]]}"#;
    let items = r#"{"items": [{"sku": "a", "gift": null}, {"sku": "b"}, 7, [{"sku": ["c", "d"]}]], "none": [], "tags": ["x", [1, [null]]]}"#;
    check(&[
        (
            r#"{"resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f",
                "arn:aws:ec2:us-east-1:111122223333:instance/i-b188560f"]}"#,
            &[
                r#"{"resources": ["arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:eb56d16b:autoScalingGroupName/ASG",
                "arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f"]}"#,
            ],
            &[r#"{"resources": ["arn:aws:ec2:us-east-1:444455556666:instance/i-b188560f"]}"#, AUTO_SCALING],
        ),
        (r#"{"employees": {"firstName": ["Anna"]}}"#, &[people, nested], &[INSTANCE]),
        (r#"{"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}}"#, &[people, nested], &[]),
        (r#"{"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}"#, &[], &[people, nested]),
        (r#"{"tags": ["x"]}"#, &[items], &[]),
        (r#"{"tags": [1]}"#, &[items], &[]),
        (r#"{"tags": [null]}"#, &[items], &[]),
        // Some value of the array is not listed.
        (r#"{"tags": [{"anything-but": "x"}]}"#, &[items], &[r#"{"tags": ["x", "x"]}"#, r#"{"tags": []}"#]),
        (r#"{"tags": [{"exists": true}]}"#, &[items], &[people]),
        (r#"{"none": [{"exists": false}]}"#, &[items, people], &[]),
        (r#"{"none": {"a": [{"exists": false}]}}"#, &[items, people], &[]),
        (r#"{"items": [7]}"#, &[items], &[]),
        (r#"{"items": {"sku": ["d"]}}"#, &[items], &[]),
        // Without another condition the field must be absent from all objects of the array.
        (r#"{"items": {"gift": [{"exists": false}]}}"#, &[people], &[items]),
        (r#"{"items": {"colour": [{"exists": false}]}}"#, &[items, people], &[]),
        // With another condition it must be absent from the object that satisfies it.
        (r#"{"items": {"gift": [{"exists": false}], "sku": ["b"]}}"#, &[items], &[people]),
        (r#"{"items": {"gift": [{"exists": false}], "sku": ["a"]}}"#, &[], &[items]),
    ]);
}
