//! Why an exchange failed, as one of the closed set of causes.

use std::error::Error;
use std::io;

use super::resolver::{RefusedAddress, Unresolved};
use crate::domain::attempt::Cause;

/// The cause of a client error, told from the errors it wraps.
pub(super) fn cause(error: &reqwest::Error) -> Cause {
    let mut current: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = current {
        if let Some(cause) = cause_of_one(error) {
            return cause;
        }
        current = inner(error);
    }
    if error.is_connect() { Cause::Connect } else { Cause::InvalidResponse }
}

fn cause_of_one(error: &(dyn Error + 'static)) -> Option<Cause> {
    if error.is::<RefusedAddress>() {
        Some(Cause::RefusedAddress)
    } else if error.is::<Unresolved>() {
        Some(Cause::Dns)
    } else if error.is::<rustls::Error>() {
        Some(Cause::Tls)
    } else {
        None
    }
}

/// What an error wraps. An `io::Error` names as its source what its content wraps, not the content.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(content) => Some(content),
        None => error.source(),
    }
}
