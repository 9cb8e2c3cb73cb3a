//! The ARN of a resource that deliveries can go to.

use crate::domain::Invalid;

/// The kind of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// An SQS queue. It is a standard queue, since deliveries have no order.
    Queue,
    /// An EventBridge bus.
    EventBus,
    /// A Lambda function, or one of its versions or aliases.
    Function,
}

/// The ARN of an SQS queue, an EventBridge bus or a Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceArn {
    text: String,
    kind: ResourceKind,
}

const WRONG_KIND: &str = "must be the ARN of an SQS queue, an EventBridge bus or a Lambda function";

impl ResourceArn {
    /// Whether the text is meant to be an ARN and not a URL.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("arn:")
    }

    /// Parses an ARN.
    ///
    /// # Errors
    /// [`Invalid`] if the text is no ARN of one of the kinds, or that of a FIFO queue.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let &["arn", partition, service, region, account, resource] = &parts[..] else {
            return Err(Invalid::new(WRONG_KIND));
        };
        let is_located = ["aws", "aws-cn", "aws-us-gov"].contains(&partition)
            && is_name(region, 32, "-")
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit());
        let kind = match service {
            "sqs" if resource.strip_suffix(".fifo").is_some_and(|name| is_name(name, 75, "-_")) => {
                return Err(Invalid::new("must not be the ARN of a FIFO queue, since deliveries have no order"));
            }
            "sqs" if is_name(resource, 80, "-_") => ResourceKind::Queue,
            "events" if resource.strip_prefix("event-bus/").is_some_and(|name| is_name(name, 256, "-_./")) => {
                ResourceKind::EventBus
            }
            "lambda" if resource.strip_prefix("function:").is_some_and(is_function) => ResourceKind::Function,
            _ => return Err(Invalid::new(WRONG_KIND)),
        };
        if is_located { Ok(Self { text: text.to_owned(), kind }) } else { Err(Invalid::new(WRONG_KIND)) }
    }

    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of the resource.
    pub const fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// The AWS partition: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// The region, such as `us-east-1`.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The twelve digits of the account.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// The name of the queue, the bus, or the function without a version or alias.
    pub fn name(&self) -> &str {
        match self.kind {
            ResourceKind::Queue => self.part(5),
            ResourceKind::EventBus => self.part(5).strip_prefix("event-bus/").unwrap_or_default(),
            ResourceKind::Function => self.part(6),
        }
    }

    fn part(&self, index: usize) -> &str {
        self.text.split(':').nth(index).unwrap_or_default()
    }
}

/// A function's name, with or without a version or alias.
fn is_function(text: &str) -> bool {
    let (name, qualifier) = text.split_once(':').map_or((text, None), |(name, qualifier)| (name, Some(qualifier)));
    is_name(name, 64, "-_") && qualifier.is_none_or(|it| is_name(it, 128, "-_$"))
}

/// Whether the text has 1 to `most` letters, digits and characters of `others`.
fn is_name(text: &str, most: usize, others: &str) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_a_kind_a_place_and_a_name() {
        use ResourceKind::{EventBus, Function, Queue};
        for (text, kind, name) in [
            ("arn:aws:sqs:eu-west-1:123456789012:audit-log_1", Queue, "audit-log_1"),
            ("arn:aws:events:eu-west-1:123456789012:event-bus/default", EventBus, "default"),
            ("arn:aws:events:eu-west-1:123456789012:event-bus/a/b.c", EventBus, "a/b.c"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:audit", Function, "audit"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:audit:live", Function, "audit"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:audit:$LATEST", Function, "audit"),
        ] {
            let arn = ResourceArn::parse(text).unwrap();
            assert_eq!((arn.as_str(), arn.kind(), arn.name()), (text, kind, name));
            assert_eq!((arn.partition(), arn.region(), arn.account()), ("aws", "eu-west-1", "123456789012"));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("arn:aws:sqs:eu-west-1:123456789012:{}", "q".repeat(81));
        for text in [
            "arn:",
            "arn:aws:sqs:eu-west-1:123456789012:",
            "arn:aws:sqs:eu-west-1:12345678901:q",
            "arn:aws:sqs::123456789012:q",
            "arn:aws:sqs:*:123456789012:q",
            "arn:aws:sqs:eu-west-1:123456789012:*",
            "arn:aws:sqs:eu-west-1:123456789012:q:r",
            "arn:aws-iso:sqs:eu-west-1:123456789012:q",
            "arn:aws:sns:eu-west-1:123456789012:topic",
            "arn:aws:s3:::bucket",
            "arn:aws:events:eu-west-1:123456789012:rule/x",
            "arn:aws:events:eu-west-1:123456789012:event-bus/",
            "arn:aws:lambda:eu-west-1:123456789012:layer:x",
            "arn:aws:lambda:eu-west-1:123456789012:function:a:b:c",
            "arn:aws:lambda:eu-west-1:123456789012:function:a/b",
            "arn:aws:sqs:eu-west-1.evil.example:123456789012:q",
            long.as_str(),
        ] {
            assert_eq!(ResourceArn::parse(text), Err(Invalid::new(WRONG_KIND)), "{text}");
        }
        let fifo = ResourceArn::parse("arn:aws:sqs:eu-west-1:123456789012:q.fifo").unwrap_err();
        assert!(fifo.0.contains("FIFO"), "{fifo:?}");
    }
}
