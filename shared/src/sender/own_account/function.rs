//! A delivery to a Lambda function: an invocation whose result is awaited.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::json;

use super::{Message, Unsigned};
use crate::domain::endpoint::destination::arn::ResourceArn;

/// The call of `Invoke`. The function gets the headers, and the body as a string.
pub(super) fn call(arn: &ResourceArn, message: &Message<'_>) -> Unsigned {
    let headers: BTreeMap<_, _> = message.headers().collect();
    let invocation = HeaderName::from_static("x-amz-invocation-type");
    Unsigned {
        service: "lambda",
        path: format!("/2015-03-31/functions/{}/invocations", encoded(arn.as_str())),
        headers: vec![
            (invocation, HeaderValue::from_static("RequestResponse")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ],
        body: json!({"headers": headers, "body": message.body}).to_string(),
    }
}

/// An ARN as one segment of a path.
fn encoded(arn: &str) -> String {
    let mut text = String::with_capacity(arn.len() + 16);
    for character in arn.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => text.push(character),
            other => {
                let _ = write!(text, "%{:02X}", u32::from(other));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn an_arn_is_one_segment_of_a_path() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:a_b:$LATEST";
        assert_eq!(encoded(arn), "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aa_b%3A%24LATEST");
    }
}
