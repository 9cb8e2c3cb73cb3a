//! Identifiers in the form of this dialect. A uid stands wherever an identifier may, and cannot begin like one.

use crate::domain::external_id::ExternalId;
use crate::domain::ids::{AttemptId, EndpointId, EventId, OrganizationId};

const APPLICATION: &str = "app_";
const ENDPOINT: &str = "ep_";
const MESSAGE: &str = "msg_";
const ATTEMPT: &str = "atmpt_";
const GENERATED_ORGANIZATION: &str = "org_";

/// How a request names a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<Id> {
    /// By its identifier.
    Id(Id),
    /// By its uid, which is the external id.
    Uid(ExternalId),
}

/// Parses an identifier or a uid. `None` for a text that can be neither.
pub fn reference<Id>(text: &str, parse: impl FnOnce(&str) -> Option<Id>) -> Option<Reference<Id>> {
    parse(text).map(Reference::Id).or_else(|| ExternalId::parse(text).ok().map(Reference::Uid))
}

/// Prints an application's identifier. That of an organization whose identifier was supplied contains a UUID.
pub fn print_application(id: &OrganizationId) -> String {
    id.as_svix()
}

/// Parses an application's identifier.
pub fn parse_application(text: &str) -> Option<OrganizationId> {
    let rest = text.strip_prefix(APPLICATION)?;
    let generated = OrganizationId::parse(&format!("{GENERATED_ORGANIZATION}{rest}"));
    generated.or_else(|_| OrganizationId::parse_supplied(rest)).ok()
}

/// Prints an endpoint's identifier.
pub fn print_endpoint(id: EndpointId) -> String {
    id.as_svix()
}

/// Parses an endpoint's identifier.
pub fn parse_endpoint(text: &str) -> Option<EndpointId> {
    parse(text, ENDPOINT, EndpointId::PREFIX, |own| EndpointId::parse(own).ok())
}

/// Prints a message's identifier.
pub fn print_message(id: EventId) -> String {
    id.as_svix()
}

/// Parses a message's identifier.
pub fn parse_message(text: &str) -> Option<EventId> {
    parse(text, MESSAGE, EventId::PREFIX, |own| EventId::parse(own).ok())
}

/// Prints an attempt's identifier.
pub fn print_attempt(id: AttemptId) -> String {
    id.as_svix()
}

/// Parses an attempt's identifier.
pub fn parse_attempt(text: &str) -> Option<AttemptId> {
    parse(text, ATTEMPT, AttemptId::PREFIX, |own| AttemptId::parse(own).ok())
}

fn parse<Id>(text: &str, prefix: &str, own_prefix: &str, parse: impl FnOnce(&str) -> Option<Id>) -> Option<Id> {
    parse(&format!("{own_prefix}{}", text.strip_prefix(prefix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_identifier_denotes_the_same_resource() {
        let hex = "0198f0c26c3b7a9e8d4b1f2a3c4d0000";
        let endpoint = EndpointId::parse(&format!("we_{hex}")).unwrap();
        assert_eq!(print_endpoint(endpoint), format!("ep_{hex}"));
        assert_eq!(parse_endpoint(&print_endpoint(endpoint)), Some(endpoint));
        let message = EventId::parse(&format!("wevt_{hex}")).unwrap();
        assert_eq!(parse_message(&print_message(message)), Some(message));
        let attempt = AttemptId::parse(&format!("watt_{hex}")).unwrap();
        assert_eq!(parse_attempt(&print_attempt(attempt)), Some(attempt));
        for text in ["org_01h2xcejqtf2nbrexx3vqjhp41", "550e8400-e29b-41d4-a716-446655440000"] {
            let organization = OrganizationId::parse(text).unwrap();
            assert_eq!(parse_application(&print_application(&organization)), Some(organization));
        }
        for text in ["", "app_", "app_x", "org_01h2xcejqtf2nbrexx3vqjhp41", "app_org_01h2xcejqtf2nbrexx3vqjhp41"] {
            assert_eq!(parse_application(text), None, "{text}");
        }
        for text in
            ["ep_", "we_", hex, "ep_550e8400-e29b-41d4-a716-446655440000", "EP_0198f0c26c3b7a9e8d4b1f2a3c4d0000"]
        {
            assert_eq!(parse_endpoint(text), None, "{text}");
        }
    }

    #[test]
    fn a_uid_stands_where_an_identifier_may() {
        let read = |text: &str| reference(text, parse_application);
        assert!(matches!(read("app_01h2xcejqtf2nbrexx3vqjhp41"), Some(Reference::Id(_))));
        assert!(matches!(read("customer-1"), Some(Reference::Uid(_))));
        for text in ["app_customer", "a b", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
