//! The resources of the deployment's own account that endpoints may name.

use super::arn::{ResourceArn, ResourceKind};
use crate::domain::Invalid;
use crate::domain::endpoint::lane::ByLane;

/// Most ARNs of a deployment. They are in the environment of each function, which has 4 KB, and in a role's policy.
const MOST_TARGETS: usize = 10;

/// The deployment's own queues in `template.yaml`.
const OWN_QUEUES: [&str; 5] = ["Queue", "SlowQueue", "DeadLetterQueue", "IngestMessages", "IngestDeadLetterQueue"];
/// The deployment's own functions in `template.yaml`.
const OWN_FUNCTIONS: [&str; 6] =
    ["ApiFunction", "PortalFunction", "PublishFunction", "IngestFunction", "DeliverFunction", "SweepFunction"];
/// The local host's other queues: dead letters, publish requests, and their dead letters.
const LOCAL_QUEUES: [&str; 3] = ["deliveries-dead", "ingest", "ingest-dead"];
/// The local host's event bus.
const LOCAL_BUS: &str = "pigeonpost";
/// Most characters of a queue's name.
const MAX_QUEUE_CHARS: usize = 80;
/// Most characters of a function's name.
const MAX_FUNCTION_CHARS: usize = 64;
/// By how many characters a name that CloudFormation has shortened may be shorter than the longest one.
const SHORTENING: usize = 4;

/// The resources that endpoints may name, and the deployment's own ones, which they may not: these would send deliveries
/// in an endless loop. By default no resource is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InternalTargets {
    listed: Vec<ResourceArn>,
    /// The account of the deployment's queues.
    account: String,
    /// The region of the deployment's queues; `None` if their URLs contain none, as on the local host.
    region: Option<String>,
    /// The names of the deployment's queues of deliveries.
    queues: ByLane<String>,
}

impl InternalTargets {
    /// Parses ARNs, separated by commas. The URLs of the deployment's queues tell its account, region and stack. A listed
    /// ARN of another place is refused only where it is used: otherwise a wrong parameter would stop every function.
    ///
    /// # Errors
    /// [`Invalid`] if there are more than ten, or one is no ARN of a queue, bus or function.
    pub fn parse(list: &str, queue_urls: &ByLane<String>) -> Result<Self, Invalid> {
        let parse = |text: &str| {
            ResourceArn::parse(text)
                .map_err(|Invalid(reason)| Invalid(format!("has {text:?}, but each entry {reason}")))
        };
        let listed =
            list.split(',').map(str::trim).filter(|it| !it.is_empty()).map(parse).collect::<Result<Vec<_>, _>>()?;
        if listed.len() > MOST_TARGETS {
            return Err(Invalid::new(format!("must have at most {MOST_TARGETS} ARNs")));
        }
        let name = |url: &String| url.rsplit('/').next().unwrap_or_default().to_owned();
        let queues = ByLane { fast: name(&queue_urls.fast), slow: name(&queue_urls.slow) };
        // https://sqs.<region>.amazonaws.com/<account>/<name>
        let account = queue_urls.fast.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let host = queue_urls.fast.split('/').nth(2).unwrap_or_default();
        let region = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next()).map(str::to_owned);
        Ok(Self { listed, account, region, queues })
    }

    /// Checks that endpoints may name this resource.
    ///
    /// # Errors
    /// [`Invalid`] if it is not listed, is in another account or region, or is one of the deployment itself.
    pub fn check(&self, arn: &ResourceArn) -> Result<(), Invalid> {
        if !self.listed.contains(arn) {
            return Err(Invalid::new("must be a URL, or an ARN in the deployment's parameter InternalTargets"));
        }
        if arn.account() != self.account || self.region.as_ref().is_some_and(|region| arn.region() != region) {
            return Err(Invalid::new(
                "must be in the deployment's own account and region, although InternalTargets has it",
            ));
        }
        if self.is_own(arn) {
            return Err(Invalid::new(
                "must not be a queue, bus or function of the deployment itself, although InternalTargets has it",
            ));
        }
        Ok(())
    }

    fn is_own(&self, arn: &ResourceArn) -> bool {
        let name = arn.name();
        match arn.kind() {
            ResourceKind::Queue => {
                name == self.queues.fast
                    || name == self.queues.slow
                    || (self.region.is_none() && LOCAL_QUEUES.contains(&name))
                    || self.is_of_stack(name, &OWN_QUEUES, MAX_QUEUE_CHARS)
            }
            ResourceKind::Function => self.is_of_stack(name, &OWN_FUNCTIONS, MAX_FUNCTION_CHARS),
            // Its name is that of the stack, which may be shortened in the name of the queue.
            ResourceKind::EventBus => match self.stack() {
                Some(stack) => {
                    name == stack || (is_shortened(&self.queues.fast, MAX_QUEUE_CHARS) && name.starts_with(stack))
                }
                None => self.region.is_none() && name == LOCAL_BUS,
            },
        }
    }

    /// Whether the stack created the resource with this name, from one of these in the template. CloudFormation shortens the
    /// names of the stack and of the resource within a name that would be longer than `most` characters.
    fn is_of_stack(&self, name: &str, resources: &[&str], most: usize) -> bool {
        let (Some(stack), Some((prefix, resource))) = (self.stack(), physical_name(name)) else { return false };
        if is_shortened(name, most) {
            return stack.starts_with(prefix) && resources.iter().any(|own| own.starts_with(resource));
        }
        stack == prefix && resources.contains(&resource)
    }

    /// The name of the stack; `None` if CloudFormation did not name the queue.
    fn stack(&self) -> Option<&str> {
        physical_name(&self.queues.fast).filter(|(_, resource)| *resource == "Queue").map(|(stack, _)| stack)
    }
}

/// Whether a name is so long that CloudFormation may have shortened it.
const fn is_shortened(name: &str, most: usize) -> bool {
    name.len() + SHORTENING >= most
}

/// The stack and the resource in a name of CloudFormation, such as `stack-Queue-1A2B3C`.
fn physical_name(name: &str) -> Option<(&str, &str)> {
    let (rest, _random) = name.rsplit_once('-')?;
    rest.rsplit_once('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_aws(list: &str) -> InternalTargets {
        let url = |name: &str| format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}");
        let urls = ByLane { fast: url("my-stack-Queue-A1B2"), slow: url("my-stack-SlowQueue-C3D4") };
        InternalTargets::parse(list, &urls).unwrap()
    }

    #[test]
    fn only_listed_resources_of_the_own_account_and_region_that_are_not_the_deployments_own_are_allowed() {
        let (listed, place, own) = ("parameter InternalTargets", "own account and region", "the deployment itself");
        for (arn, reason) in [
            ("arn:aws:sqs:eu-west-1:123456789012:audit", None),
            ("arn:aws:sqs:eu-west-1:123456789012:my-stack-Audit-A1B2", None),
            ("arn:aws:sqs:eu-west-1:123456789012:other-Queue-A1B2", None),
            ("arn:aws:sqs:eu-west-1:123456789012:my-Queue-A1B2", None),
            ("arn:aws:lambda:eu-west-1:123456789012:function:my-DeliverFunction-A1B2", None),
            ("arn:aws:events:eu-west-1:123456789012:event-bus/default", None),
            ("arn:aws:lambda:eu-west-1:123456789012:function:audit:live", None),
            ("arn:aws:sqs:us-east-1:123456789012:audit", Some(place)),
            ("arn:aws:sqs:eu-west-1:999999999999:audit", Some(place)),
            ("arn:aws:sqs:eu-west-1:123456789012:my-stack-Queue-A1B2", Some(own)),
            ("arn:aws:sqs:eu-west-1:123456789012:my-stack-SlowQueue-C3D4", Some(own)),
            ("arn:aws:sqs:eu-west-1:123456789012:my-stack-DeadLetterQueue-E5F6", Some(own)),
            ("arn:aws:sqs:eu-west-1:123456789012:my-stack-IngestMessages-E5F6", Some(own)),
            ("arn:aws:lambda:eu-west-1:123456789012:function:my-stack-DeliverFunction-E5F6", Some(own)),
            ("arn:aws:lambda:eu-west-1:123456789012:function:my-stack-IngestFunction-E5F6:live", Some(own)),
            ("arn:aws:lambda:eu-west-1:123456789012:function:my-stack-ApiFunction-E5F6:$LATEST", Some(own)),
            ("arn:aws:lambda:eu-west-1:123456789012:function:my-stack-SweepFunction-E5F6:7", Some(own)),
            ("arn:aws:events:eu-west-1:123456789012:event-bus/my-stack", Some(own)),
            ("arn:aws:events:eu-west-1:123456789012:event-bus/my-stack-2", None),
        ] {
            let parsed = ResourceArn::parse(arn).unwrap();
            let found = on_aws(arn).check(&parsed).err();
            assert_eq!(found.is_some(), reason.is_some(), "{arn}: {found:?}");
            assert!(found.is_none_or(|it| it.0.contains(reason.unwrap())), "{arn}");
            for unlisted in [on_aws(""), InternalTargets::default()] {
                assert!(unlisted.check(&parsed).unwrap_err().0.contains(listed), "{arn}");
            }
        }
    }

    #[test]
    fn names_that_cloudformation_has_shortened_are_recognized() {
        let stack = "s".repeat(100);
        let queue = |resource: &str| format!("{}-{resource}-A1B2C3D4E5F6", &stack[..66 - resource.len()]);
        let url = |name: String| format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}");
        let urls = ByLane { fast: url(queue("Queue")), slow: url(queue("SlowQueue")) };
        let (stack_of_function, other) = ("s".repeat(40), "t".repeat(40));
        for (resource, is_own) in [
            (format!("sqs:eu-west-1:123456789012:{}", queue("DeadLetterQueue")), true),
            (format!("lambda:eu-west-1:123456789012:function:{stack_of_function}-DeliverFun-A1B2C3D4E5F6"), true),
            (format!("lambda:eu-west-1:123456789012:function:{stack_of_function}-OtherFunct-A1B2C3D4E5F6"), false),
            (format!("lambda:eu-west-1:123456789012:function:{other}-DeliverFun-A1B2C3D4E5F6"), false),
            (format!("events:eu-west-1:123456789012:event-bus/{stack}"), true),
            (format!("events:eu-west-1:123456789012:event-bus/{other}"), false),
        ] {
            let arn = format!("arn:aws:{resource}");
            let targets = InternalTargets::parse(&arn, &urls).unwrap();
            assert_eq!(targets.check(&ResourceArn::parse(&arn).unwrap()).is_err(), is_own, "{arn}");
        }
    }

    #[test]
    fn the_local_hosts_queues_and_bus_are_refused_and_its_region_is_not_checked() {
        let url = |name: &str| format!("http://127.0.0.1:8001/000000000000/{name}");
        let urls = ByLane { fast: url("deliveries"), slow: url("deliveries-slow") };
        let allowed = |name: &str| {
            let service = if name.starts_with("event-bus/") { "events" } else { "sqs" };
            let arn = format!("arn:aws:{service}:us-east-1:000000000000:{name}");
            InternalTargets::parse(&arn, &urls).unwrap().check(&ResourceArn::parse(&arn).unwrap()).is_ok()
        };
        assert!(allowed("audit") && allowed("event-bus/audit"));
        for own in ["deliveries", "deliveries-slow", "deliveries-dead", "ingest", "ingest-dead", "event-bus/pigeonpost"]
        {
            assert!(!allowed(own), "{own}");
        }
    }

    #[test]
    fn a_list_has_at_most_ten_valid_arns() {
        let list = |count| vec!["arn:aws:sqs:eu-west-1:123456789012:q"; count].join(",");
        let parse = |list: &str| InternalTargets::parse(list, &ByLane::default());
        assert_eq!(parse("").unwrap(), InternalTargets::default());
        assert_eq!(parse(&list(10)).unwrap().listed.len(), 10);
        assert!(parse(&list(11)).unwrap_err().0.contains("at most 10"));
        let invalid = parse("arn:aws:sns:eu-west-1:123456789012:t").unwrap_err();
        assert!(invalid.0.starts_with("has \"arn:aws:sns:"), "{invalid:?}");
    }
}
