//! Every example of the comparison operators in the user guide of Amazon EventBridge and in the README of Event Ruler.
//! The guide's events are the `data` here, and what its top level names is in `data`, too.

mod arrays;
mod json;
mod limits;
mod refused;
mod values;

use super::{EventView, Filter, Steps};

/// Whether a filter of `data` matches this data.
fn matches(filter: &str, data: &str) -> bool {
    let filter = Filter::parse(&format!(r#"{{"data": {filter}}}"#)).unwrap();
    let event = EventView::new("a.b", ("organization", "org_1"), &[""; 0], data).unwrap();
    let steps = Steps::new(u64::MAX);
    let matches = filter.matches(&event, &steps).unwrap();
    assert_eq!(filter.explain(&event, &steps).is_empty(), matches, "{filter}");
    assert_eq!(Filter::parse(filter.as_str()).as_ref(), Ok(&filter));
    matches
}

fn check(table: &[(&str, &[&str], &[&str])]) {
    for (filter, matching, others) in table {
        for data in *matching {
            assert!(matches(filter, data), "{filter} must match {data}");
        }
        for data in *others {
            assert!(!matches(filter, data), "{filter} must not match {data}");
        }
    }
}

const INSTANCE: &str = r#"{
  "version": "0", "id": "ddddd4-aaaa-7777-4444-345dd43cc333", "detail-type": "EC2 Instance State-change Notification",
  "source": "aws.ec2", "account": "012345679012", "time": "2017-10-02T16:24:49Z", "region": "us-east-1",
  "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
  "detail": {"c-count": 5, "d-count": 3, "x-limit": 301.8, "source-ip": "10.0.0.33", "instance-id": "i-000000aaaaaa00000",
    "state": "running"}
}"#;
const AUTO_SCALING: &str = r#"{
  "version": "0", "id": "3e3c153a-8339-4e30-8c35-687ebef853fe", "detail-type": "EC2 Instance Launch Successful",
  "source": "aws.autoscaling", "account": "123456789012", "time": "2015-11-11T21:31:47Z", "region": "us-east-1",
  "resources": [], "detail": {"eventVersion": "", "responseElements": null}
}"#;
const ALERT: &str = r#"{
  "detail-type": "Macie Alert", "source": "aws.macie",
  "resources": ["arn:aws:macie:us-east-1:123456789012:trigger/trigger_id/alert/alert_id",
    "arn:aws:macie:us-east-1:123456789012:trigger/trigger_id"],
  "detail": {"notification-type": "ALERT_CREATED", "tags": ["Custom_Alert", "Insider"], "risk-score": 80,
    "trigger": {"alert-type": "basic", "risk": 8}}
}"#;
