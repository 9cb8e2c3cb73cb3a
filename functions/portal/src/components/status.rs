//! The status of a delivery.

use maud::Markup;
use shared::domain::delivery::{Delivery, DeliveryStatus, Mark};

use super::{Tone, badge};
use crate::text::deliveries as text;

/// Shows the status of a delivery.
pub(crate) fn delivery_status(delivery: &Delivery) -> Markup {
    match (delivery.status, delivery.mark) {
        (DeliveryStatus::Pending | DeliveryStatus::Retrying, Some(Mark::Held)) => badge(Tone::Warning, text::HELD),
        (status, _) => badge(tone(status), status_name(status)),
    }
}

/// The name of a status.
pub(crate) const fn status_name(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => text::PENDING,
        DeliveryStatus::Retrying => text::RETRYING,
        DeliveryStatus::Success => text::SUCCESS,
        DeliveryStatus::Exhausted => text::EXHAUSTED,
        DeliveryStatus::Failed => text::FAILED,
    }
}

const fn tone(status: DeliveryStatus) -> Tone {
    match status {
        DeliveryStatus::Pending => Tone::Neutral,
        DeliveryStatus::Retrying => Tone::Warning,
        DeliveryStatus::Success => Tone::Good,
        DeliveryStatus::Exhausted | DeliveryStatus::Failed => Tone::Bad,
    }
}
