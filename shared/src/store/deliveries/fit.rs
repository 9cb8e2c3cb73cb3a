//! The size of a delivery's record: the response to the first attempt is stored as far as the record stays within a write
//! unit.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{FIRST, LOG};
use super::log;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::store::item::Item;
use crate::store::size::{UNIT, item_bytes};
use crate::store::{StoreError, response};

/// What later attempts may add to the record of a failure: 19 entries of the log, a mark, a ticket, and a longer cause.
const GROWTH: usize = 460;

/// Adds the response to the first attempt to the record of that attempt. Of a success, the beginning of the response is
/// stored as far as there is space. The response to a failure is taken out of `delivery` if it does not fit; the attempt
/// has an item then.
pub(super) fn add_new_response(item: &mut Item, delivery: &mut Delivery) -> Result<(), StoreError> {
    let is_new = delivery.log.len() == 1;
    let Some(first) = delivery.first_response.as_ref().filter(|_| is_new) else { return add_response(item, delivery) };
    if delivery.status == DeliveryStatus::Success {
        if let Some(encoded) = response::encode_beginning(first, space(item))? {
            insert(item, FIRST, encoded);
        }
        return Ok(());
    }
    let space = space(item).saturating_sub(GROWTH);
    let encoded = response::encode(first, space)?;
    if encoded.len() <= space {
        insert(item, FIRST, encoded);
    } else {
        delivery.first_response = None;
        delivery.log.iter_mut().for_each(|first| first.has_item = true);
        insert(item, LOG, log::encode(&delivery.log));
    }
    Ok(())
}

/// Adds the response to the first attempt to a later record. It is plain if there is space, and compressed otherwise, as it
/// was before.
pub(super) fn add_response(item: &mut Item, delivery: &Delivery) -> Result<(), StoreError> {
    if let Some(first) = &delivery.first_response {
        insert(item, FIRST, response::encode(first, space(item))?);
    }
    Ok(())
}

/// How many bytes of the response the record has space for.
fn space(item: &Item) -> usize {
    UNIT.saturating_sub(item_bytes(item) + FIRST.len())
}

fn insert(item: &mut Item, name: &str, bytes: Vec<u8>) {
    item.insert(name.to_owned(), AttributeValue::B(Blob::new(bytes)));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::delivery::Mark;
    use crate::domain::delivery::attempt::{Answer, Failure, Outcome};
    use crate::domain::delivery::outcome::OnFailure;
    use crate::domain::delivery::response::Response;
    use crate::domain::delivery::schedule::RetrySchedule;
    use crate::domain::delivery::tests::{NOW, delivery, in_seconds};
    use crate::domain::delivery::ticket::Ticket;
    use crate::store::deliveries::item::DeliveryItem;
    use crate::store::item::{read, to_item};
    use crate::store::write::put::{new_write_token, with_write_token};

    fn item(delivery: &Delivery) -> Item {
        let item = to_item(&DeliveryItem::new(delivery, NOW.plus(Duration::from_secs(86_400 * 365)))).unwrap();
        with_write_token(item, &new_write_token())
    }

    fn random(length: usize) -> String {
        let mut random = fastrand::Rng::with_seed(length as u64);
        std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
    }

    fn after(delivery: Delivery, status: u16, body: &str) -> Delivery {
        let kept = Response::new([("content-type", &b"text/plain"[..]), ("server", b"test")], body);
        let failure = Failure::of_status(status);
        let answer = Answer::Response { status, kept, body_cut: false, retry_after: None, failure };
        let (started_at, duration) = (NOW, Duration::from_secs(10));
        let outcome = Outcome { started_at, duration, signature: Some("ab".repeat(32)), answer };
        delivery.after_attempt(&outcome, OnFailure::Follow(&RetrySchedule::default(), 0.0), NOW).0
    }

    /// The record of a first attempt, and the delivery as it is read back.
    fn recorded(mut first: Delivery) -> (usize, Delivery) {
        let mut item = item(&first);
        add_new_response(&mut item, &mut first).unwrap();
        let bytes = item_bytes(&item);
        let found: Delivery = read::<DeliveryItem, _>(item).unwrap();
        (bytes, found)
    }

    #[test]
    fn the_record_of_a_success_takes_one_write_unit_and_has_as_much_of_the_response_as_fits() {
        for (length, is_whole) in [(0, true), (300, true), (700, true), (1_024, false)] {
            let body = random(length);
            let (bytes, found) = recorded(after(delivery(), 200, &body));
            assert!(bytes <= UNIT, "{length}: {bytes}");
            let kept = found.first_response.unwrap();
            assert!(body.starts_with(kept.body()) && kept.headers().count() == 2, "{length}");
            assert_eq!(kept.body() == body, is_whole, "{length}");
            assert!(is_whole || kept.body().len() > 500, "{}", kept.body().len());
            assert!(!found.log[0].has_item);
        }
        let compressible = "x".repeat(1_024);
        assert_eq!(recorded(after(delivery(), 200, &compressible)).1.first_response.unwrap().body(), compressible);
    }

    #[test]
    fn a_short_response_to_a_failure_is_in_the_record_and_a_long_one_in_an_item() {
        for (body, has_item) in
            [(String::new(), false), (random(80), false), (random(400), true), (random(4_096), true)]
        {
            let (_, found) = recorded(after(delivery(), 500, &body));
            assert_eq!((found.log[0].has_item, found.first_response.is_none()), (has_item, has_item), "{}", body.len());
        }
        assert!(!recorded(after(delivery(), 500, &"x".repeat(4_096))).1.log[0].has_item, "compressed");
    }

    #[test]
    fn a_record_takes_one_write_unit_until_it_has_more_than_twenty_attempts() {
        for length in (0..400).step_by(7) {
            let mut current = recorded(after(delivery(), 503, &random(length))).1;
            for attempt in 2..=20 {
                current = Delivery { retries_used: 1, ..after(current, 503, &random(4_096)) };
                let mut largest = Delivery {
                    ticket: Some(Ticket::new([1; 8])),
                    mark: Some(Mark::Due(in_seconds(900))),
                    leases: 17,
                    ..current.clone()
                };
                for _ in 0..2 {
                    let mut item = item(&largest);
                    add_response(&mut item, &largest).unwrap();
                    assert!(item_bytes(&item) <= UNIT, "{length}, attempt {attempt}: {}", item_bytes(&item));
                    let read: Delivery = read::<DeliveryItem, _>(item).unwrap();
                    assert_eq!(read, largest);
                    largest = Delivery { mark: Some(Mark::Failed), ..read };
                }
            }
        }
    }
}
