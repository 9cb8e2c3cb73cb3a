//! The values of fields that endpoints have in several dialects.

use super::each;
use crate::domain::Invalid;
use crate::domain::endpoint::WantedStatus;
use crate::domain::endpoint::subscription::{MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::event::event_type::Catalogue;

/// Most characters of an event type in the dialects other than `organizations`.
pub(crate) const MAX_NARROW_CHARS: usize = 128;

/// A body that names event types, which the catalogue must allow.
pub trait NamesTypes {
    /// The types or subscriptions as the request has them; none if it does not name any.
    fn types(&self) -> &[String];
}

/// Parses the requested status of an endpoint.
///
/// # Errors
/// [`Invalid`] naming the possible values.
pub fn wanted_status(status: String) -> Result<WantedStatus, Invalid> {
    match status.as_str() {
        "active" => Ok(WantedStatus::Active),
        "paused" => Ok(WantedStatus::Paused),
        "disabled" => Ok(WantedStatus::Disabled),
        _ => Err(Invalid::new("must be active, paused or disabled")),
    }
}

/// Parses 1 to 64 subscriptions, and removes duplicates.
///
/// # Errors
/// [`Invalid`] if there are none or too many, or for the first one that is malformed or not in the catalogue.
pub fn subscriptions(types: &[String], catalogue: &Catalogue) -> Result<Vec<Subscription>, Invalid> {
    if types.is_empty() || types.len() > MAX_SUBSCRIPTIONS {
        return Err(Invalid::new(format!("must name 1 to {MAX_SUBSCRIPTIONS} event types")));
    }
    let mut wanted = each(types, |text| {
        let subscription = Subscription::parse(text)?;
        catalogue.check_subscribed(&subscription)?;
        Ok(subscription)
    })?;
    let mut seen = Vec::new();
    wanted.retain(|subscription| {
        let new = !seen.contains(subscription);
        seen.push(subscription.clone());
        new
    });
    Ok(wanted)
}

/// As [`subscriptions`], for the dialects whose event types have at most 128 characters and no hyphens.
///
/// # Errors
/// As [`subscriptions`], and for the first one that is longer or has a hyphen.
pub fn narrow_subscriptions(types: &[String], catalogue: &Catalogue) -> Result<Vec<Subscription>, Invalid> {
    each(types, |text| match text {
        _ if text.len() > MAX_NARROW_CHARS => {
            Err(Invalid::new(format!("must be at most {MAX_NARROW_CHARS} characters")))
        }
        _ if text.contains('-') => Err(Invalid::new(
            "must be segments of letters, digits and _ joined by dots, such as member.added, with * for any segment",
        )),
        _ => Ok(()),
    })?;
    subscriptions(types, catalogue)
}
