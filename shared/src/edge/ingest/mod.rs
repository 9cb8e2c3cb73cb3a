//! Batches of the ingest queue: reads the publish requests in its messages, and decides what becomes of each message.

mod message;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::{join, join_all};
use sha2::{Digest, Sha256};
use tracing::info;

use message::{Message, Outcome, key_of};

use super::publishing::{Refused, read_events, refusals};
use super::{ApiError, api_error::Repeat};
use crate::domain::event::ingest::{Size, Wait, groups, may_begin};
use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;
use crate::service::{CurrentState, Idempotency, Ingestor, PublishRequest, ServiceError, run_each};
use crate::telemetry::metrics;
use crate::wire::organizations::{Entries, IngestRequest, NotARequest, OrganizationName};

/// Publishes the requests in one batch, which must end before `deadline`. Each message is read and published in tasks of its
/// own, so a panic concerns one message. The event source mapping deletes the messages that are not reported as failed. A
/// reported message is visible again after the queue's visibility timeout, after the pause of its organization's rate, or at
/// once if there was no time to begin it.
pub async fn handle(ingestor: &Ingestor, batch: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let messages: Vec<_> = batch.records.into_iter().map(Message::from).collect();
    let prepared = prepare(ingestor, &messages).await;
    let outcomes = publish(ingestor, &messages, prepared, deadline).await;
    let response = dispose(ingestor, messages, outcomes).await;
    metrics::emit(ingestor.clock().now());
    response
}

/// Reads the requests in the messages, and the states of their organizations.
async fn prepare(ingestor: &Ingestor, messages: &[Message]) -> Vec<Result<Prepared, ApiError>> {
    let read = run_each(messages.iter().map(|message| {
        let body = Arc::clone(&message.body);
        async move { IngestRequest::read(body.as_bytes()).map_err(ApiError::from) }
    }));
    let read: Vec<_> = read.await.into_iter().map(|read| read.unwrap_or_else(panicked)).collect();
    let states = states(ingestor, read.iter().filter_map(|request| request.as_ref().ok())).await;
    let prepared = run_each(messages.iter().zip(read).map(|(message, request)| {
        let request = request.map(|request| {
            let state = states.get(&request.organization).cloned();
            (request, state.unwrap_or_else(|| Err(ApiError::not_found("organization"))))
        });
        let message_id = message.id.clone();
        async move {
            let (request, state) = request?;
            Prepared::new(&message_id, request, state?)
        }
    }));
    prepared.await.into_iter().map(|prepared| prepared.unwrap_or_else(panicked)).collect()
}

/// The result of a task that panicked.
fn panicked<T>() -> Result<T, ApiError> {
    Err(ServiceError::Internal("the message's task panicked".to_owned()).into())
}

/// The organizations that the messages of a batch are for, each once, without those that do not exist.
pub async fn organizations(ingestor: &Ingestor, batch: &SqsEvent) -> HashSet<OrganizationId> {
    let bodies = batch.records.iter().filter_map(|record| record.body.as_deref());
    let names: HashSet<_> =
        bodies.filter_map(|body| Some(IngestRequest::read(body.as_bytes()).ok()?.organization)).collect();
    let found = names.iter().map(|name| organization(ingestor, name));
    join_all(found).await.into_iter().filter_map(Result::ok).collect()
}

async fn organization(ingestor: &Ingestor, name: &OrganizationName) -> Result<OrganizationId, ApiError> {
    match name {
        OrganizationName::Id(id) => Ok(id.clone()),
        OrganizationName::External(external_id) => {
            let found = ingestor.access().organization_named(external_id).await?;
            found.ok_or_else(|| ApiError::not_found("organization"))
        }
    }
}

/// The states of the organizations, each read once.
async fn states<'a>(
    ingestor: &Ingestor,
    requests: impl Iterator<Item = &'a IngestRequest>,
) -> HashMap<OrganizationName, Result<CurrentState, ApiError>> {
    let names: HashSet<_> = requests.map(|request| &request.organization).collect();
    let reads = names.into_iter().map(async |name| {
        let state = async {
            let id = organization(ingestor, name).await?;
            Ok::<_, ApiError>(ingestor.access().state(&id).await?)
        };
        (name.clone(), state.await)
    });
    join_all(reads).await.into_iter().collect()
}

/// A request that is ready to be published.
struct Prepared {
    request: IngestRequest,
    publish: PublishRequest,
    /// The events that are invalid.
    refused: Vec<Refused>,
}

impl Prepared {
    fn new(message_id: &str, request: IngestRequest, organization: CurrentState) -> Result<Self, ApiError> {
        let (new, refused) = read_events(&organization, request.entries.all(), request.trace.as_ref());
        let key = request.key.clone().map_or_else(|| key_of(message_id), Ok)?;
        let events = u32::try_from(request.entries.all().len()).unwrap_or(u32::MAX);
        let idempotency = Idempotency { key, request_hash: request_hash(&request.entries), events };
        let publish = PublishRequest { organization, new, idempotency };
        Ok(Self { request, publish, refused })
    }

    fn size(&self, message: &Message) -> Size {
        let PublishRequest { organization, new, .. } = &self.publish;
        Size { events: new.len(), endpoints: organization.endpoints(), receives: message.receives }
    }
}

/// A hash of the events. It does not depend on what EventBridge adds to an event that it replays.
fn request_hash(entries: &Entries) -> String {
    let kind = match entries {
        Entries::One(_) => "ingested event",
        Entries::Batch(_) => "ingested batch",
    };
    let lengths_and_texts = entries.all().iter().map(|entry| (entry.len().to_be_bytes(), entry));
    let hash = lengths_and_texts
        .fold(Sha256::new_with_prefix(kind), |hash, (length, text)| hash.chain_update(length).chain_update(text));
    hex::encode(hash.finalize())
}

/// Publishes the requests in groups, and decides about each message.
async fn publish(
    ingestor: &Ingestor,
    messages: &[Message],
    prepared: Vec<Result<Prepared, ApiError>>,
    deadline: Timestamp,
) -> Vec<Outcome> {
    let (mut outcomes, mut waiting) = (Vec::new(), Vec::new());
    for (at, (message, prepared)) in messages.iter().zip(prepared).enumerate() {
        outcomes.push(match prepared {
            Err(error) => message.failed(&error),
            // A request without a valid event needs no idempotency key.
            Ok(prepared) if prepared.publish.new.is_empty() => message.published(&prepared.request, prepared.refused),
            Ok(prepared) => {
                waiting.push((at, message, prepared));
                Outcome::Postponed
            }
        });
    }
    let sizes: Vec<_> = waiting.iter().map(|(_, message, prepared)| prepared.size(message)).collect();
    let mut waiting: Vec<_> = waiting.into_iter().map(Some).collect();
    for (number, group) in groups(&sizes).into_iter().enumerate() {
        if !may_begin(number == 0, deadline.since(ingestor.clock().now())) {
            break;
        }
        let begun = group.into_iter().filter_map(|place| waiting.get_mut(place)?.take());
        let begun =
            begun.map(|(at, message, prepared)| ((at, message, prepared.request, prepared.refused), prepared.publish));
        let (begun, requests): (Vec<_>, Vec<_>) = begun.unzip();
        let published = ingestor.publish(requests).await;
        for ((at, message, request, mut refused), published) in begun.into_iter().zip(published) {
            let outcome = match published {
                Err(error) => message.failed(&error.into()),
                Ok(accepted) => {
                    refused.extend(refusals(&accepted));
                    message.published(&request, refused)
                }
            };
            outcomes.splice(at..=at, [outcome]);
        }
    }
    outcomes
}

/// Sends dead letters and copies, and hides messages. Returns the messages that stay in the queue.
async fn dispose(ingestor: &Ingestor, messages: Vec<Message>, outcomes: Vec<Outcome>) -> SqsBatchResponse {
    let (mut stay, mut letters, mut hidden, mut done, mut postponed) =
        (Vec::new(), Vec::new(), Vec::new(), 0_u64, 0_u64);
    let (mut copied, mut copies) = (Vec::new(), Vec::new());
    for (message, outcome) in messages.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Done => done += 1,
            Outcome::Refused(letter) => letters.push(letter),
            Outcome::Postponed => {
                postponed += 1;
                hidden.push(message.hide(Duration::ZERO));
                stay.push(message.id);
            }
            Outcome::Repeated(Repeat::After(after)) => match Wait::new(after, message.receives) {
                Wait::AsCopy(pause) if let Some(copy) = message.copy(pause) => {
                    copies.push(copy);
                    copied.push((message, pause));
                }
                Wait::Hidden(pause) | Wait::AsCopy(pause) => {
                    hidden.push(message.hide(pause));
                    stay.push(message.id);
                }
            },
            Outcome::Repeated(_) => stay.push(message.id),
        }
    }
    let (sent, are_copied) = join(ingestor.refuse(&letters), ingestor.send_copies(&copies)).await;
    stay.extend(letters.iter().zip(&sent).filter(|(_, sent)| !**sent).map(|(letter, _)| letter.message_id.clone()));
    let delayed = copied.len() + hidden.len() - usize::try_from(postponed).unwrap_or_default();
    for ((message, pause), _) in copied.into_iter().zip(are_copied).filter(|(_, is_copied)| !is_copied) {
        hidden.push(message.hide(pause));
        stay.push(message.id);
    }
    ingestor.hide(&hidden).await;
    info!(done, refused = letters.len(), delayed, postponed, stay = stay.len(), "ingested");
    let mut response = SqsBatchResponse::default();
    response.set_failures(stay);
    response
}

impl From<NotARequest> for ApiError {
    fn from(invalid: NotARequest) -> Self {
        match invalid {
            NotARequest::Json(invalid) => invalid.into(),
            NotARequest::Fields(problems) => problems.into(),
        }
    }
}
