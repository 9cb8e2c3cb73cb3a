//! The events of a publish request: reading them, and the errors of those that are refused.

use super::{ApiError, check_size};
use crate::domain::event::NewEvent;
use crate::domain::event::trace_context::TraceContext;
use crate::service::{Accepted, CurrentState, Numbered};
use crate::wire::body;
use crate::wire::error::{ErrorCode, Problem};
use crate::wire::organizations::EventIn;

/// The error of an event of a request, with the event's position.
pub type Refused = (u32, ApiError);

/// Reads an event.
///
/// # Errors
/// 400 with all invalid and unknown fields, 413 if the data is larger than the organization's limit.
pub fn read_event(
    organization: &CurrentState,
    entry: &[u8],
    trace: Option<TraceContext>,
) -> Result<NewEvent, ApiError> {
    let event = body::parse::<EventIn>(entry)?.read(|event| event.parse(organization.default_format()))?;
    check_size(&event.data, organization.limits())?;
    Ok(NewEvent { trace, ..event })
}

/// Reads the events of a request, each independently of the others.
pub fn read_events(
    organization: &CurrentState,
    entries: &[String],
    trace: Option<&TraceContext>,
) -> (Vec<Numbered>, Vec<Refused>) {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for (index, entry) in (0..).zip(entries) {
        match read_event(organization, entry.as_bytes(), trace.cloned()) {
            Ok(event) => accepted.push((index, event)),
            Err(error) => refused.push((index, error)),
        }
    }
    (accepted, refused)
}

/// The errors of the events that publishing did not accept.
pub fn refusals(accepted: &Accepted) -> impl Iterator<Item = Refused> {
    let taken = accepted.duplicates.iter().map(|it| (it.index, ApiError::new(ErrorCode::Conflict, it.message())));
    let of_refusal = |refusal| ApiError::invalid(Problem::of_refusal(refusal));
    taken.chain(accepted.refused.iter().map(move |(index, refusal)| (*index, of_refusal(refusal))))
}
