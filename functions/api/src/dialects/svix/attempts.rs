//! Attempts, by endpoint and by message, and the status of messages at endpoints.

use std::collections::HashMap;

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, post};
use shared::domain::Invalid;
use shared::domain::delivery::recorded::RecordedAttempt;
use shared::domain::delivery::selection::DeliveryFilter;
use shared::domain::endpoint::Endpoint;
use shared::domain::event::Event;
use shared::domain::ids::{AttemptId, DeliveryId, EndpointId, EventId, OrganizationId};
use shared::domain::walk::Walked;
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite, OrganizationWrite};
use shared::edge::{
    ApiError, Bare, BoundTenant, Empty, Listed, OfApplication, PathId, SvixAttemptId, SvixEndpointId, SvixMessageId,
    SvixSearch, Tenant,
};
use shared::service::Administrator;
use shared::wire::svix::{
    AttemptOut, EndpointMessageOut, ListOut, MessageEndpointOut, PagingParameters, Parameters, Reference, Status,
    parse_attempt, parse_endpoint, parse_message, print_attempt, print_endpoint, print_message, reference,
};
use utoipa::OpenApi;

use crate::{Api, Routes};

type Attempts = Result<Bare<ListOut<AttemptOut>>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(by_endpoint, by_message, messages, destinations, read, expunge, resend))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/attempt/endpoint/{endpoint_id}", get(by_endpoint))
        .route("/app/{app_id}/attempt/msg/{msg_id}", get(by_message))
        .route("/app/{app_id}/endpoint/{endpoint_id}/msg", get(messages))
        .route("/app/{app_id}/msg/{msg_id}/endpoint", get(destinations))
        .route("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", get(read))
        .route("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content", delete(expunge))
        .route("/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend", post(resend))
}

/// What a list of attempts shows.
#[derive(Clone, Copy)]
struct Shown {
    content: bool,
    message: bool,
}

impl Shown {
    fn read(query: &mut Parameters) -> Self {
        Self { content: query.flag("with_content", true), message: query.flag("with_msg", false) }
    }
}

/// Lists the attempts at an endpoint, newest first.
#[utoipa::path(
    get, path = "/app/{app_id}/attempt/endpoint/{endpoint_id}", operation_id = "message_attempt_list_by_endpoint",
    params(
        PagingParameters, ("status" = Option<u8>, Query), ("status_code_class" = Option<u16>, Query),
        ("event_types" = Option<Vec<String>>, Query), ("channel" = Option<String>, Query), ("before" = Option<String>, Query),
        ("after" = Option<String>, Query), ("with_content" = Option<bool>, Query), ("with_msg" = Option<bool>, Query)
    ),
    responses((status = 200, body = ListOut<AttemptOut>)),
)]
async fn by_endpoint(
    tenant: Tenant<DeliveriesRead, OfApplication>,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Attempts {
    let (filter, shown) = (query.attempt_filter(), Shown::read(&mut query));
    let can_match = !query.has_tag();
    let paging = query.paging(parse_attempt);
    let paging = query.finish(paging)?;
    let organization = &tenant.organization.id;
    let endpoint = administrator.endpoint(organization, endpoint).await?;
    let is_backward = paging.walk.is_backward();
    let Some(filter) = filter.filter(|_| can_match) else { return Ok(Listed::new(is_backward).finish(None)) };
    let found =
        administrator.walk_endpoint_attempts(organization, endpoint.id, &filter, paging.walk, paging.limit).await?;
    page(&administrator, organization, HashMap::from([(endpoint.id, endpoint)]), found, is_backward, shown).await
}

/// Lists the attempts of a message, newest first. Those at deleted endpoints are left out.
#[utoipa::path(
    get, path = "/app/{app_id}/attempt/msg/{msg_id}", operation_id = "message_attempt_list_by_msg",
    params(
        PagingParameters, ("status" = Option<u8>, Query), ("status_code_class" = Option<u16>, Query),
        ("endpoint_id" = Option<String>, Query), ("before" = Option<String>, Query),
        ("after" = Option<String>, Query), ("with_content" = Option<bool>, Query)
    ),
    responses((status = 200, body = ListOut<AttemptOut>)),
)]
async fn by_message(
    tenant: BoundTenant<DeliveriesRead, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Attempts {
    let (filter, shown) = (query.attempt_filter(), Shown::read(&mut query));
    let can_match = !query.has_tag();
    let named = query.take("endpoint_id", |text| {
        let invalid = || Invalid::new("must be the identifier or the uid of an endpoint");
        reference(text, parse_endpoint).ok_or_else(invalid)
    });
    let paging = query.paging(parse_attempt);
    let paging = query.finish(paging)?;
    let organization = &tenant.organization.id;
    let missing = || ApiError::not_found("endpoint");
    let endpoint = match named {
        None => None,
        Some(Reference::Id(id)) => Some(id),
        Some(Reference::Uid(uid)) => {
            Some(administrator.access().endpoint_named(organization, &uid).await?.ok_or_else(missing)?)
        }
    };
    let is_backward = paging.walk.is_backward();
    let Some(filter) = filter.filter(|_| can_match) else { return Ok(Listed::new(is_backward).finish(None)) };
    let (binding, limit) = (&tenant.binding, paging.limit);
    let found = administrator
        .walk_event_attempts(organization, binding, message, endpoint, &filter, paging.walk, limit)
        .await?;
    let ids: Vec<_> = found.items.iter().map(|attempt| attempt.endpoint).collect();
    let endpoints = administrator.endpoints_by_id(organization, &ids).await?;
    page(&administrator, organization, endpoints, found, is_backward, shown).await
}

async fn page(
    administrator: &Administrator,
    organization: &OrganizationId,
    endpoints: HashMap<EndpointId, Endpoint>,
    found: Walked<RecordedAttempt, AttemptId>,
    is_backward: bool,
    shown: Shown,
) -> Attempts {
    let events = match shown.message {
        true => {
            let ids: Vec<_> = found.items.iter().map(|attempt| attempt.delivery.event()).collect();
            administrator.events_by_id(organization, &ids).await?
        }
        false => HashMap::new(),
    };
    let show = |attempt: &RecordedAttempt| {
        let event: Option<&Event> = events.get(&attempt.delivery.event());
        AttemptOut::new(attempt, endpoints.get(&attempt.endpoint), shown.content).with_message(event, shown.content)
    };
    Listed::of_all(is_backward, found.items, found.further.map(print_attempt), show, |it| print_attempt(it.id))
}

/// Lists the messages of an endpoint with their status, newest first.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/msg", operation_id = "message_attempt_list_attempted_messages",
    params(
        PagingParameters, ("status" = Option<u8>, Query), ("event_types" = Option<Vec<String>>, Query),
        ("channel" = Option<String>, Query), ("before" = Option<String>, Query), ("after" = Option<String>, Query),
        ("with_content" = Option<bool>, Query)
    ),
    responses((status = 200, body = ListOut<EndpointMessageOut>)),
)]
async fn messages(
    tenant: Tenant<DeliveriesRead, OfApplication>,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<ListOut<EndpointMessageOut>>, ApiError> {
    let (event, status) = (query.event_filter(), query.status());
    let (has_content, has_tag) = (query.flag("with_content", true), query.has_tag());
    let paging = query.paging(parse_message);
    let paging = query.finish(paging)?;
    let mut listed = Listed::new(paging.walk.is_backward());
    let organization = &tenant.organization.id;
    let statuses = status.map(Status::statuses);
    if has_tag || statuses.is_some_and(<[_]>::is_empty) {
        administrator.endpoint(organization, endpoint).await?;
        return Ok(listed.finish(None));
    }
    let filter = DeliveryFilter { event, statuses: statuses.unwrap_or_default().to_vec(), ..DeliveryFilter::default() };
    let page = administrator.walk_deliveries(organization, endpoint, &filter, paging.walk, paging.limit).await?;
    let mut messages = administrator.read_deliveries(organization, endpoint, &page.items).await?;
    while let Some((delivery, event)) = messages.next_with_event().await? {
        let shown = EndpointMessageOut::new(&event, &delivery, has_content);
        if !listed.push(&shown, print_message(event.id))? {
            return Ok(listed.cut());
        }
    }
    Ok(listed.finish(page.further.map(print_message)))
}

/// Lists the endpoints that a message goes to, with its status there. Deleted endpoints are included.
#[utoipa::path(
    get, path = "/app/{app_id}/msg/{msg_id}/endpoint", operation_id = "message_attempt_list_attempted_destinations",
    params(PagingParameters),
    responses((status = 200, body = ListOut<MessageEndpointOut>)),
)]
async fn destinations(
    tenant: BoundTenant<DeliveriesRead, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<ListOut<MessageEndpointOut>>, ApiError> {
    let paging = query.paging(parse_endpoint);
    let paging = query.finish(paging)?;
    let is_backward = paging.walk.is_backward();
    let page = administrator
        .walk_destinations(&tenant.organization.id, &tenant.binding, message, &paging.walk, paging.limit)
        .await?;
    let further = page.further.map(print_endpoint);
    let show = |(delivery, endpoint): &(_, Option<Endpoint>)| MessageEndpointOut::new(delivery, endpoint.as_ref());
    Listed::of_all(is_backward, page.items, further, show, |(delivery, _)| print_endpoint(delivery.endpoint))
}

/// Reads an attempt.
#[utoipa::path(
    get, path = "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", operation_id = "message_attempt_get",
    responses((status = 200, body = AttemptOut)),
)]
async fn read(
    tenant: BoundTenant<DeliveriesRead, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    PathId(SvixAttemptId(attempt)): PathId<SvixAttemptId>,
    State(administrator): Api,
) -> Result<Bare<AttemptOut>, ApiError> {
    let organization = &tenant.organization.id;
    let delivery = delivery_of(message, attempt)?;
    let found = administrator.delivery_attempt(organization, &tenant.binding, delivery, attempt).await?;
    let endpoint = administrator.endpoint(organization, found.endpoint).await?;
    Ok(Bare::ok(AttemptOut::new(&found, Some(&endpoint), true)))
}

/// The delivery of a message that an attempt was for.
fn delivery_of(message: EventId, attempt: AttemptId) -> Result<DeliveryId, ApiError> {
    let delivery = attempt.index().and_then(|index| message.delivery(index));
    delivery.ok_or_else(|| ApiError::not_found("attempt"))
}

/// Removes the response to an attempt. The message and its other attempts stay.
#[utoipa::path(
    delete, path = "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content",
    operation_id = "message_attempt_expunge_content",
    responses((status = 204)),
)]
async fn expunge(
    tenant: Tenant<OrganizationWrite, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    PathId(SvixAttemptId(attempt)): PathId<SvixAttemptId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    let delivery = delivery_of(message, attempt)?;
    administrator.expunge_attempt(&tenant.organization.id, &tenant.caller, delivery, attempt).await?;
    Ok(Empty)
}

/// Sends a message to an endpoint once more, at once. A failure is not retried.
#[utoipa::path(
    post, path = "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend", operation_id = "message_attempt_resend",
    responses((status = 202, body = Object)),
)]
async fn resend(
    tenant: Tenant<DeliveriesWrite, OfApplication>,
    PathId(SvixMessageId(message)): PathId<SvixMessageId>,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Bare<HashMap<String, String>>, ApiError> {
    let delivery = administrator.delivery_to(&tenant.organization.id, message, endpoint).await?;
    administrator.resend_delivery(&tenant.organization, &tenant.binding, delivery).await?;
    Ok(Bare::accepted(HashMap::new()))
}
