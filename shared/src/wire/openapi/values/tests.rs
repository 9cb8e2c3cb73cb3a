use utoipa::openapi::schema::Object;

use super::*;
use crate::domain::Invalid;
use crate::domain::catalogue::TypeText;
use crate::domain::delivery::recorded::ResponseStatusFilter;
use crate::domain::endpoint::url::UrlPolicy;
use crate::domain::event::channel;
use crate::wire::field::wanted_status;

fn object<T: PartialSchema>() -> Object {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => panic!("not a single value"),
    }
}

#[test]
fn schemas_of_texts_have_the_lengths_that_the_domain_allows() {
    fn check<T: ToSchema, U>(parse: impl Fn(&str) -> Result<U, Invalid>) {
        let (name, schema) = (T::name(), object::<T>());
        let max = schema.max_length.unwrap();
        let min = schema.min_length.unwrap_or(1);
        for (length, allowed) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
            assert_eq!(parse(&"a".repeat(length)).is_ok(), allowed, "{name} of {length} characters");
        }
    }
    check::<Name, _>(Name::parse);
    check::<Description, _>(Description::parse);
    check::<ExternalId, _>(ExternalId::parse);
    check::<Slug, _>(Slug::parse);
    check::<EditionId, _>(EditionId::parse);
    check::<Channel, _>(channel::check_name);
    check::<SubjectPart, _>(SubjectPart::parse);
    check::<IdempotencyKey, _>(IdempotencyKey::parse);
    check::<EventType, _>(EventType::parse);
    check::<TypeDescription, _>(TypeText::description);
    check::<TypeGroup, _>(TypeText::group);
    check::<SigningSecret, _>(SigningSecret::parse);
    check::<VerifiableSecret, _>(SigningSecret::parse_verifiable);
    let longest = |text: &str| "a".repeat(object::<Subscription>().max_length.unwrap() - text.len()) + text;
    assert!(Subscription::parse(&longest(".*")).is_ok() && Subscription::parse(&longest("a.*")).is_ok());
    assert!(Subscription::parse(&("a".to_owned() + &longest(".*"))).is_err());
    let url = "https://a.test/";
    let rest = object::<EndpointUrl>().max_length.unwrap() - url.len();
    for (length, allowed) in [(rest, true), (rest + 1, false)] {
        let url = format!("{url}{}", "x".repeat(length));
        assert_eq!(EndpointUrl::parse(&url, &UrlPolicy::default()).is_ok(), allowed);
    }
}

#[test]
fn schemas_of_numbers_and_lists_have_the_ranges_that_the_domain_allows() {
    let timeout = serde_json::to_value(object::<TimeoutSeconds>()).unwrap();
    let (min, max) = (timeout["minimum"].as_i64().unwrap(), timeout["maximum"].as_i64().unwrap());
    for (seconds, allowed) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
        assert_eq!(TimeoutSeconds::new(seconds).is_ok(), allowed, "{seconds}");
    }
    let headers = object::<Headers>();
    let most = headers.max_properties.unwrap();
    for (count, allowed) in [(most, true), (most + 1, false)] {
        let headers = (0..count).map(|index| (format!("x-{index}"), String::new()));
        assert_eq!(Headers::new(headers).is_ok(), allowed, "{count}");
    }
}

#[test]
fn the_domain_accepts_all_examples_and_enum_values_of_schemas() {
    fn check<T: ToSchema, U>(parse: impl Fn(&str) -> Option<U>) {
        let schema = object::<T>();
        let shown: Vec<_> = schema.examples.into_iter().chain(schema.enum_values.into_iter().flatten()).collect();
        assert!(!shown.is_empty(), "{} shows nothing", T::name());
        for text in &shown {
            assert!(parse(text.as_str().unwrap()).is_some(), "{}: {text}", T::name());
        }
    }
    check::<EndpointId, _>(|text| EndpointId::parse(text).ok());
    check::<HyphenatedEndpointId, _>(crate::wire::endpoints::parse_id);
    check::<EventId, _>(|text| EventId::parse(text).ok());
    check::<DeliveryId, _>(|text| DeliveryId::parse(text).ok());
    check::<AttemptId, _>(|text| AttemptId::parse(text).ok());
    check::<Trigger, _>(Trigger::parse);
    check::<Channel, _>(|text| channel::check_name(text).ok());
    check::<ResponseStatus, _>(|text| ResponseStatusFilter::parse(text).ok());
    check::<KeyId, _>(|text| KeyId::parse(text).ok());
    check::<JobId, _>(|text| JobId::parse(text).ok());
    check::<OrganizationId, _>(|text| OrganizationId::parse(text).ok());
    check::<SuppliedOrganizationId, _>(|text| OrganizationId::parse_supplied(text).ok());
    check::<Name, _>(|text| Name::parse(text).ok());
    check::<ExternalId, _>(|text| ExternalId::parse(text).ok());
    check::<Description, _>(|text| Description::parse(text).ok());
    check::<Slug, _>(|text| Slug::parse(text).ok());
    check::<EditionId, _>(|text| EditionId::parse(text).ok());
    check::<EndpointUrl, _>(|text| EndpointUrl::parse(text, &UrlPolicy::default()).ok());
    check::<EventType, _>(|text| EventType::parse(text).ok());
    check::<Subscription, _>(|text| Subscription::parse(text).ok());
    check::<SigningSecret, _>(|text| SigningSecret::parse(text).ok());
    check::<VerifiableSecret, _>(|text| SigningSecret::parse_verifiable(text).ok());
    check::<Algorithm, _>(Algorithm::parse);
    check::<SigningKeyId, _>(SigningKeyId::parse);
    check::<Format, _>(|text| Format::parse(text).ok());
    check::<ContentType, _>(|text| ContentType::parse(text).ok());
    check::<Day, _>(|text| Day::parse(text).ok());
    check::<Timestamp, _>(|text| Timestamp::parse(text).ok());
    check::<Interval, _>(|text| Interval::parse(text).ok());
    check::<Visibility, _>(|text| Visibility::parse(text).ok());
    check::<Role, _>(Role::parse);
    check::<Scope, _>(Scope::parse);
    check::<EndpointStatus, _>(|text| wanted_status(text.to_owned()).ok());
    check::<RecoverableStatus, _>(|text| DeliveryStatus::parse(text).filter(|status| status.is_recoverable()));
}
