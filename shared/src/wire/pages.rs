//! The `pages` dialect: lists have numbered pages and a count, and resources have `created`, `modified` and
//! `is_active`.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::field::{Field, Reader, subscriptions};
use super::openapi::{BodyDigest, Millisecond, StoredUrl, Subscriptions, deliveries_ordering, endpoints_ordering};
use super::query::{Query, delivery_status};
use super::redacted::Redacted;
use crate::domain::Invalid;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::endpoint::url::EndpointUrl;
use crate::domain::endpoint::{Endpoint, EndpointSettings, NewEndpoint, WantedStatus};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::{EditionId, Name};
use crate::domain::time::Timestamp;

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1_000;

/// The body of `POST` and `PUT` of endpoints.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = pages::NewEndpoint)]
pub struct EndpointIn {
    /// The key's own organization; with a platform key, any organization.
    #[schema(value_type = Option<OrganizationId>)]
    organization_id: Field<String>,
    #[schema(value_type = Name, required)]
    name: Field<String>,
    #[schema(value_type = EndpointUrl, required)]
    url: Field<String>,
    #[schema(value_type = Subscriptions, required)]
    events: Field<Vec<String>>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    /// False disables the endpoint.
    #[schema(value_type = Option<bool>, default = true)]
    is_active: Field<bool>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
}

/// The body of `PATCH` of endpoints.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = pages::EndpointPatch)]
pub struct EndpointPatchIn {
    /// The endpoint's own organization. It cannot be changed.
    #[schema(value_type = OrganizationId)]
    organization_id: Field<String>,
    #[schema(value_type = Name)]
    name: Field<String>,
    #[schema(value_type = EndpointUrl)]
    url: Field<String>,
    #[schema(value_type = Subscriptions)]
    events: Field<Vec<String>>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    /// False disables the endpoint. True enables it if it is disabled.
    #[schema(value_type = bool)]
    is_active: Field<bool>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
}

/// A new endpoint, and the organization that the body names.
#[derive(Debug)]
pub struct Created {
    /// The organization that the body names; `None` for the key's own.
    pub organization: Option<OrganizationId>,
    /// The new endpoint.
    pub endpoint: NewEndpoint,
}

/// A change of an endpoint, and the organization that the body names, which must be the endpoint's own.
#[derive(Debug)]
pub struct Changed {
    /// The organization that the body names; `None` if it names none.
    pub organization: Option<OrganizationId>,
    /// The change.
    pub patch: EndpointPatch,
}

impl EndpointIn {
    /// Validates the fields of a new endpoint.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<Created, Vec<Problem>> {
        let mut read = Reader::default();
        let organization = read.optional("organization_id", self.organization_id, |id| OrganizationId::parse(&id));
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let url = read.required("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls));
        let subscriptions =
            read.required("events", self.events, |events| subscriptions(&events, &deployment.catalogue));
        let edition = read.optional("edition_id", self.edition_id, |edition| EditionId::parse(&edition));
        let timeout = read.optional("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new).unwrap_or_default();
        let status = read.optional("is_active", self.is_active, wanted_status).unwrap_or(WantedStatus::Active);
        let complete = name.zip(url).zip(subscriptions).map(|((name, url), subscriptions)| Created {
            organization,
            endpoint: NewEndpoint {
                settings: EndpointSettings { timeout, edition, ..EndpointSettings::new(name, url, subscriptions) },
                secret: None,
                status,
            },
        });
        read.finish(complete)
    }

    /// Validates the fields of `PUT`, which replaces all settings that this dialect shows.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse_replacement(self, deployment: &Deployment) -> Result<Changed, Vec<Problem>> {
        let Created { organization, endpoint: NewEndpoint { settings, status, .. } } = self.parse(deployment)?;
        let patch = EndpointPatch {
            name: Some(settings.name),
            url: Some(settings.url),
            subscriptions: Some(settings.subscriptions),
            timeout: Some(settings.timeout),
            edition: Some(settings.edition),
            // A paused endpoint counts as active, so a replacement does not resume it.
            status: Some(if status == WantedStatus::Active { WantedStatus::Enabled } else { status }),
            ..EndpointPatch::default()
        };
        Ok(Changed { organization, patch })
    }
}

impl EndpointPatchIn {
    /// Validates the fields. `null` resets the edition and the timeout.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<Changed, Vec<Problem>> {
        let mut read = Reader::default();
        let organization = read.changed("organization_id", self.organization_id, |id| OrganizationId::parse(&id));
        let patch = EndpointPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            url: read.changed("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls)),
            subscriptions: read.changed("events", self.events, |events| subscriptions(&events, &deployment.catalogue)),
            timeout: read
                .cleared("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new)
                .map(Option::unwrap_or_default),
            edition: read.cleared("edition_id", self.edition_id, |edition| EditionId::parse(&edition)),
            status: read.changed("is_active", self.is_active, wanted_status),
            ..EndpointPatch::default()
        };
        read.finish(Some(Changed { organization, patch }))
    }
}

fn wanted_status(is_active: bool) -> Result<WantedStatus, Invalid> {
    Ok(if is_active { WantedStatus::Enabled } else { WantedStatus::Disabled })
}

/// An endpoint. Its secret is null except in the response that generated it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = pages::Endpoint)]
pub struct EndpointOut {
    #[schema(value_type = EndpointId)]
    id: String,
    #[schema(value_type = OrganizationId)]
    organization_id: String,
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    #[schema(value_type = Option<EditionId>, required)]
    edition_id: Option<String>,
    #[schema(value_type = Subscriptions)]
    events: Vec<String>,
    #[schema(value_type = Millisecond)]
    created: String,
    #[schema(value_type = Millisecond)]
    modified: String,
    /// False if the endpoint is disabled. A paused endpoint is active.
    is_active: bool,
    #[schema(value_type = TimeoutSeconds)]
    timeout_seconds: u8,
    /// Null, except in the response that generated it.
    #[schema(value_type = Option<SigningSecret>, required)]
    secret: Option<Redacted<String>>,
}

impl EndpointOut {
    /// Adds the secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, endpoint: &Endpoint) -> Self {
        Self { secret: Some(endpoint.secrets.current.reveal().into()), ..self }
    }
}

impl From<&Endpoint> for EndpointOut {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        Self {
            id: endpoint.id.to_string(),
            organization_id: endpoint.organization.to_string(),
            name: settings.name.to_string(),
            url: settings.url.as_str().into(),
            edition_id: settings.edition.as_ref().map(EditionId::to_string),
            events: settings.subscriptions.iter().map(Subscription::to_string).collect(),
            created: endpoint.created_at.rfc3339(),
            modified: endpoint.updated_at.rfc3339(),
            is_active: is_active(endpoint),
            timeout_seconds: settings.timeout.get(),
            secret: None,
        }
    }
}

const fn is_active(endpoint: &Endpoint) -> bool {
    !endpoint.is_disabled()
}

/// A delivery with its payload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = pages::Delivery)]
pub struct DeliveryOut {
    #[schema(value_type = DeliveryId)]
    id: String,
    /// The event's type.
    #[schema(value_type = EventType)]
    event: String,
    #[schema(value_type = Millisecond)]
    created: String,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    /// The exact body of the request.
    payload: String,
    #[schema(value_type = DeliveryStatus)]
    status: &'static str,
    /// The number of attempts.
    attempts: u32,
    /// The status of the last attempt's response; null without a response.
    #[schema(required)]
    response_status_code: Option<u16>,
    #[schema(value_type = Option<Millisecond>, required)]
    last_attempt_at: Option<String>,
    /// When the next attempt is due, always in the future. Null if none is scheduled, while the endpoint is paused
    /// or suspended, and while an attempt is due.
    #[schema(value_type = Option<Millisecond>, required)]
    next_retry_at: Option<String>,
    /// The `X-Webhook-Signature` of the last attempt; null before the first attempt.
    #[schema(value_type = Option<BodyDigest>, required)]
    signature: Option<String>,
}

impl DeliveryOut {
    /// A delivery with the exact body of its request.
    pub fn new(delivery: &Delivery, payload: String) -> Self {
        Self {
            id: delivery.id.to_string(),
            event: delivery.event_type.to_string(),
            created: delivery.id.created_at().rfc3339(),
            endpoint_id: delivery.endpoint.to_string(),
            payload,
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            response_status_code: delivery.response_status,
            last_attempt_at: delivery.log.last().map(|attempt| attempt.started_at.rfc3339()),
            next_retry_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            signature: delivery.signature.clone(),
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordering {
    by: By,
    /// Whether the order is descending.
    pub descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Created,
    Modified,
    Name,
}

/// The query of the list of endpoints.
#[derive(Debug)]
pub struct EndpointsQuery {
    edition: Option<EditionId>,
    is_active: Option<bool>,
    ordering: Ordering,
    /// The requested page.
    pub page: PageNumber,
}

impl EndpointsQuery {
    /// Parses the query. `organization_id` is ignored, because it was parsed earlier.
    ///
    /// # Errors
    /// All invalid or unknown parameters.
    pub fn parse(mut query: Query) -> Result<Self, Vec<Problem>> {
        let _ = query.organization();
        let wanted = Self {
            edition: query.take("edition_id", EditionId::parse),
            is_active: query.take("is_active", |text| match text {
                "true" | "True" | "1" => Ok(true),
                "false" | "False" | "0" => Ok(false),
                _ => Err(Invalid::new("must be true or false")),
            }),
            ordering: query
                .take("ordering", |text| ordering(text, &[By::Created, By::Modified, By::Name]))
                .unwrap_or(Ordering { by: By::Created, descending: false }),
            page: PageNumber::take(&mut query),
        };
        query.finish(wanted)
    }

    /// Filters and sorts an organization's endpoints, which must be sorted by creation time.
    pub fn select<'a>(&self, endpoints: &'a [Endpoint]) -> Vec<&'a Endpoint> {
        let is_wanted = |endpoint: &&Endpoint| {
            self.edition.as_ref().is_none_or(|wanted| endpoint.settings.edition.as_ref() == Some(wanted))
                && self.is_active.is_none_or(|wanted| is_active(endpoint) == wanted)
        };
        let mut endpoints: Vec<_> = endpoints.iter().filter(is_wanted).collect();
        // The sort is stable, so endpoints with equal values stay in the order of their creation.
        match self.ordering.by {
            By::Created => {}
            By::Modified => endpoints.sort_by_key(|endpoint| endpoint.updated_at),
            By::Name => endpoints.sort_by(|a, b| a.settings.name.cmp(&b.settings.name)),
        }
        if self.ordering.descending {
            endpoints.reverse();
        }
        endpoints
    }
}

/// The query of the list of an endpoint's deliveries.
#[derive(Debug)]
pub struct DeliveriesQuery {
    /// Only deliveries with this status.
    pub status: Option<DeliveryStatus>,
    /// The order, by default newest first.
    pub ordering: Ordering,
    /// The requested page.
    pub page: PageNumber,
}

impl DeliveriesQuery {
    /// Parses the query. `organization_id` is ignored, because it was parsed earlier.
    ///
    /// # Errors
    /// All invalid or unknown parameters.
    pub fn parse(mut query: Query) -> Result<Self, Vec<Problem>> {
        let _ = query.organization();
        let wanted = Self {
            status: query.take("status", delivery_status),
            ordering: query
                .take("ordering", |text| ordering(text, &[By::Created]))
                .unwrap_or(Ordering { by: By::Created, descending: true }),
            page: PageNumber::take(&mut query),
        };
        query.finish(wanted)
    }
}

/// The parameters of [`EndpointsQuery::parse`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EndpointsParameters {
    /// Only endpoints of this edition.
    #[param(value_type = Option<EditionId>)]
    pub edition_id: Option<String>,
    /// Only enabled endpoints, or only disabled ones.
    pub is_active: Option<bool>,
    /// The order of the list; `-` stands for descending.
    #[param(schema_with = endpoints_ordering)]
    pub ordering: Option<String>,
}

/// The parameters of [`DeliveriesQuery::parse`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesParameters {
    /// Only deliveries with this status.
    #[param(value_type = Option<DeliveryStatus>)]
    pub status: Option<String>,
    /// The order of the list; `-created` stands for newest first.
    #[param(schema_with = deliveries_ordering)]
    pub ordering: Option<String>,
}

/// The parameters of [`PageNumber`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// The number of the page. A page after the last one results in 404.
    #[param(minimum = 1, default = 1)]
    pub page: Option<u32>,
    /// The number of items per page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub page_size: Option<u32>,
}

fn ordering(text: &str, allowed: &[By]) -> Result<Ordering, Invalid> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let spelt = |by: &By| match by {
        By::Created => "created",
        By::Modified => "modified",
        By::Name => "name",
    };
    let found = allowed.iter().find(|by| spelt(by) == name);
    found.map(|by| Ordering { by: *by, descending }).ok_or_else(|| {
        let names: Vec<_> = allowed.iter().flat_map(|by| [spelt(by).to_owned(), format!("-{}", spelt(by))]).collect();
        Invalid::new(format!("must be one of {}", names.join(", ")))
    })
}

/// The parameters `page` and `page_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageNumber {
    page: usize,
    size: usize,
}

impl PageNumber {
    fn take(query: &mut Query) -> Self {
        let page = query.take("page", |text| {
            text.parse().ok().filter(|page| *page >= 1).ok_or_else(|| Invalid::new("must be a whole number from 1"))
        });
        let size = query.take("page_size", |text| {
            let size = text.parse().ok().filter(|size| (1..=MAX_PAGE_SIZE).contains(size));
            size.ok_or_else(|| Invalid::new(format!("must be 1 to {MAX_PAGE_SIZE}")))
        });
        Self { page: page.unwrap_or(1), size: size.unwrap_or(DEFAULT_PAGE_SIZE) }
    }

    /// Whether the page starts after the first `count` items of a list.
    pub fn starts_behind(self, count: usize) -> bool {
        (self.page - 1).checked_mul(self.size).is_none_or(|start| start >= count)
    }

    /// The range of a list of `count` items that the page contains; `None` if the page is after the last one. The
    /// first page of an empty list exists and is empty.
    pub fn range(self, count: usize) -> Option<std::ops::Range<usize>> {
        let there = !self.starts_behind(count) || self.page == 1;
        there.then(|| {
            let start = (self.page - 1) * self.size;
            start..count.min(start.saturating_add(self.size))
        })
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = pages::Page)]
pub struct PageOut<T> {
    /// The number of items on all pages.
    count: usize,
    /// The URL of the next page.
    #[schema(required, format = "uri")]
    next: Option<String>,
    /// The URL of the previous page.
    #[schema(required, format = "uri")]
    previous: Option<String>,
    #[schema(value_type = Vec<T>)]
    results: Box<RawValue>,
    #[serde(skip)]
    #[schema(ignore)]
    result: PhantomData<T>,
}

impl<T> PageOut<T> {
    /// A page of a list of `count` items. `url` is the URL of the request, and `results` the array of the page's
    /// items.
    pub fn new(url: &Url, page: PageNumber, count: usize, results: Box<RawValue>) -> Self {
        let more = page.page.checked_mul(page.size).is_some_and(|end| end < count);
        Self {
            count,
            next: more.then(|| with_page(url, page.page + 1)),
            previous: (page.page > 1).then(|| with_page(url, page.page - 1)),
            results,
            result: PhantomData,
        }
    }
}

/// The same URL with another page number.
fn with_page(url: &Url, page: usize) -> String {
    let others: Vec<_> = url.query_pairs().filter(|(name, _)| name != "page").collect();
    let mut other = url.clone();
    other.query_pairs_mut().clear().extend_pairs(others).append_pair("page", &page.to_string());
    other.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_link_to_their_neighbours_and_keep_the_other_parameters() {
        let url = Url::parse("https://api.test/v1/webhook-endpoints?page=2&ordering=-name&page_size=10").unwrap();
        let page = PageNumber { page: 2, size: 10 };
        let none = || RawValue::from_string("[]".to_owned()).unwrap();
        let out = PageOut::<()>::new(&url, page, 25, none());
        let expected = "https://api.test/v1/webhook-endpoints?ordering=-name&page_size=10&page=";
        assert_eq!(out.next.as_deref(), Some(format!("{expected}3").as_str()));
        assert_eq!(out.previous.as_deref(), Some(format!("{expected}1").as_str()));
        let only = PageOut::<()>::new(&url, PageNumber { page: 1, size: 10 }, 10, none());
        assert_eq!((only.next, only.previous), (None, None));
    }

    #[test]
    fn a_page_after_the_last_one_does_not_exist() {
        let range = |page, count| PageNumber { page, size: 10 }.range(count);
        let table = [
            (1, 0, Some(0..0)),
            (1, 5, Some(0..5)),
            (1, 10, Some(0..10)),
            (2, 10, None),
            (2, 11, Some(10..11)),
            (3, 11, None),
            (usize::MAX, 11, None),
        ];
        for (page, count, expected) in table {
            assert_eq!(range(page, count), expected, "page {page} of {count}");
        }
    }

    #[test]
    fn unknown_orderings_are_rejected() {
        assert_eq!(ordering("-name", &[By::Name]), Ok(Ordering { by: By::Name, descending: true }));
        assert!(ordering("name", &[By::Created]).unwrap_err().0.ends_with("created, -created"));
        assert!(ordering("", &[By::Created]).is_err());
    }
}
