//! Batches of the ingest queue: reads the publish requests in its messages, and decides what becomes of each message.

use std::collections::{HashMap, HashSet};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::publishing::{Refused, read_events, refusals};
use super::sqs::receives;
use super::{ApiError, api_error::Repeat};
use crate::domain::ids::OrganizationId;
use crate::domain::text::IdempotencyKey;
use crate::service::{Accepted, CurrentState, DeadLetter, Delayed, Idempotency, Ingestor, PublishRequest};
use crate::telemetry::metrics;
use crate::wire::error::Problem;
use crate::wire::organizations::{Entries, IngestRequest, NotARequest, OrganizationName};

/// A received message.
struct Message {
    id: String,
    receipt_handle: String,
    receives: u32,
    body: String,
}

/// What becomes of a message.
enum Outcome {
    /// All of its events are published.
    Done,
    /// Some of its events can never be published. The others are.
    Refused(DeadLetter),
    /// It is received again, after a pause if the error states one.
    Repeated(Repeat),
}

/// Publishes the requests in one batch. The event source mapping deletes the messages that are not reported as failed. A
/// reported message is visible again after the queue's visibility timeout, or after the pause of its organization's rate.
pub async fn handle(ingestor: &Ingestor, batch: SqsEvent) -> SqsBatchResponse {
    let messages: Vec<_> = batch.records.into_iter().map(Message::from).collect();
    let read: Vec<_> = messages.iter().map(|message| IngestRequest::read(message.body.as_bytes())).collect();
    let states = states(ingestor, read.iter().filter_map(|request| request.as_ref().ok())).await;
    let prepared: Vec<_> = messages
        .iter()
        .zip(read)
        .map(|(message, request)| {
            let request = request?;
            let state = states.get(&request.organization).cloned();
            Prepared::new(message, request, state.unwrap_or_else(|| Err(ApiError::not_found("organization")))?)
        })
        .collect();
    let outcomes = publish(ingestor, &messages, prepared).await;
    let response = dispose(ingestor, messages, outcomes).await;
    metrics::emit(ingestor.clock().now());
    response
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
    fn new(message: &Message, request: IngestRequest, organization: CurrentState) -> Result<Self, ApiError> {
        let (new, refused) = read_events(&organization, request.entries.all(), request.trace.as_ref());
        let of_message = || IdempotencyKey::parse(&format!("sqs:{}", message.id));
        let key = request.key.clone().map_or_else(of_message, Ok);
        let key = key.map_err(|invalid| ApiError::invalid(vec![Problem::new("messageId", invalid)]))?;
        let events = u32::try_from(request.entries.all().len()).unwrap_or(u32::MAX);
        let idempotency = Idempotency { key, request_hash: request_hash(&request.entries), events };
        let publish = PublishRequest { organization, new, idempotency };
        Ok(Self { request, publish, refused })
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

/// Publishes the requests together, and decides about each message.
async fn publish(ingestor: &Ingestor, messages: &[Message], prepared: Vec<Result<Prepared, ApiError>>) -> Vec<Outcome> {
    let (mut requests, mut waiting) = (Vec::new(), Vec::new());
    for prepared in prepared {
        waiting.push(prepared.map(|Prepared { request, publish, refused }| {
            // A request without a valid event needs no idempotency key.
            let is_published = !publish.new.is_empty();
            requests.extend(is_published.then_some(publish));
            (request, refused, is_published)
        }));
    }
    let mut published = ingestor.publish(requests).await.into_iter();
    let outcomes = messages.iter().zip(waiting).map(|(message, waiting)| {
        let (request, mut refused, is_published) = match waiting {
            Ok(waiting) => waiting,
            Err(error) => return message.failed(&error),
        };
        let accepted = if is_published { published.next() } else { None };
        match accepted.unwrap_or_else(|| Ok(Accepted::default())) {
            Ok(accepted) => refused.extend(refusals(&accepted)),
            Err(error) => return message.failed(&error.into()),
        }
        message.published(&request, refused)
    });
    outcomes.collect()
}

/// Sends dead letters and hides messages. Returns the messages that stay in the queue.
async fn dispose(ingestor: &Ingestor, messages: Vec<Message>, outcomes: Vec<Outcome>) -> SqsBatchResponse {
    let (mut stay, mut letters, mut delayed, mut done) = (Vec::new(), Vec::new(), Vec::new(), 0_u64);
    for (message, outcome) in messages.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Done => done += 1,
            Outcome::Refused(letter) => letters.push(letter),
            Outcome::Repeated(repeat) => {
                let Message { id, receipt_handle, receives, .. } = message;
                stay.push(id);
                if let Repeat::After(after) = repeat {
                    delayed.push(Delayed { receipt_handle, receives, after });
                }
            }
        }
    }
    let pauses = delayed.len();
    let (sent, ()) = futures_util::future::join(ingestor.refuse(&letters), ingestor.delay(delayed)).await;
    stay.extend(letters.iter().zip(&sent).filter(|(_, sent)| !**sent).map(|(letter, _)| letter.message_id.clone()));
    info!(done, refused = letters.len(), delayed = pauses, stay = stay.len(), "ingested");
    let mut response = SqsBatchResponse::default();
    response.set_failures(stay);
    response
}

impl Message {
    /// The outcome of a message whose request failed as a whole.
    fn failed(&self, error: &ApiError) -> Outcome {
        let (message_id, code) = (&self.id, error.code().as_str());
        match error.repeat() {
            Repeat::Never => Outcome::Refused(self.refused(error.clone(), self.body.clone())),
            repeat => {
                warn!(%message_id, code, cause = error.cause(), "a message is not published yet");
                Outcome::Repeated(repeat)
            }
        }
    }

    /// The outcome of a message whose request was published, except for the refused events.
    fn published(&self, request: &IngestRequest, mut refused: Vec<Refused>) -> Outcome {
        refused.sort_by_key(|(index, _)| *index);
        let Some((index, first)) = refused.first() else { return Outcome::Done };
        let entries = request.entries.all();
        let (error, body) = match &request.entries {
            Entries::One(_) => (first.clone(), self.body.clone()),
            Entries::Batch(_) => (
                first.at(*index),
                match refused.len() {
                    all if all == entries.len() => self.body.clone(),
                    _ => request.with_events(
                        refused.iter().filter_map(|(at, _)| entries.get(*at as usize)).map(String::as_str),
                    ),
                },
            ),
        };
        Outcome::Refused(self.refused(error, body))
    }

    fn refused(&self, error: ApiError, body: String) -> DeadLetter {
        let (message_id, reason) = (self.id.clone(), error.code().as_str());
        warn!(%message_id, reason, "a message was refused");
        DeadLetter { body, message_id, reason, detail: error.message().to_owned() }
    }
}

impl From<SqsMessage> for Message {
    fn from(record: SqsMessage) -> Self {
        Self {
            receives: receives(&record.attributes),
            id: record.message_id.unwrap_or_default(),
            receipt_handle: record.receipt_handle.unwrap_or_default(),
            body: record.body.unwrap_or_default(),
        }
    }
}

impl From<NotARequest> for ApiError {
    fn from(invalid: NotARequest) -> Self {
        match invalid {
            NotARequest::Json(invalid) => invalid.into(),
            NotARequest::Fields(problems) => problems.into(),
        }
    }
}
