//! The log of a delivery's attempts as bytes: 16 for each attempt, oldest first.

use crate::domain::delivery::attempt::{AttemptEntry, Cause, Detail};
use crate::domain::delivery::trigger::Trigger;
use crate::domain::time::Timestamp;
use crate::store::item::Unreadable;

/// Bytes of an entry: microseconds since 1970 (7), milliseconds (3), response status (2, 0 for none), cause, detail and
/// trigger (1 each, 0 for none), flags (1). All numbers are big-endian.
const ENTRY_BYTES: usize = 16;
const HAS_ITEM: u8 = 1;
const BODY_CUT: u8 = 2;
/// The longest duration that an entry holds, over four hours.
const MAX_DURATION_MS: u32 = (1 << 24) - 1;

/// Encodes the entries. Their numbers are not stored: the last that has one is the delivery's number of attempts.
pub(super) fn encode(log: &[AttemptEntry]) -> Vec<u8> {
    log.iter().flat_map(entry_bytes).collect()
}

/// Decodes the entries of a delivery with this number of attempts. A cause, detail or trigger of a later version is left out.
pub(super) fn decode(bytes: &[u8], attempts: u32) -> Result<Vec<AttemptEntry>, Unreadable> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(Unreadable("a log with a partial entry".to_owned()));
    }
    let mut log: Vec<_> = entries.iter().map(read_entry).collect();
    let mut number = attempts;
    for entry in log.iter_mut().rev().filter(|entry| entry.trigger != Trigger::Resend) {
        entry.number = Some(number);
        number = number.saturating_sub(1);
    }
    Ok(log)
}

fn entry_bytes(entry: &AttemptEntry) -> [u8; ENTRY_BYTES] {
    let start = u64::try_from(entry.started_at.unix_micros()).unwrap_or_default().to_be_bytes();
    let duration = entry.duration_ms.min(MAX_DURATION_MS).to_be_bytes();
    let status = entry.response_status.unwrap_or_default().to_be_bytes();
    let flags = if entry.has_item { HAS_ITEM } else { 0 } | if entry.body_cut { BODY_CUT } else { 0 };
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..7].copy_from_slice(&start[1..]);
    bytes[7..10].copy_from_slice(&duration[1..]);
    bytes[10..12].copy_from_slice(&status);
    bytes[12..].copy_from_slice(&[
        entry.error.map_or(0, cause_code),
        entry.detail.map_or(0, detail_code),
        trigger_code(entry.trigger),
        flags,
    ]);
    bytes
}

fn read_entry(bytes: &[u8; ENTRY_BYTES]) -> AttemptEntry {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let started_at = Timestamp::from_unix_micros(i64::try_from(number(&bytes[..7])).unwrap_or_default());
    let status = u16::from_be_bytes([bytes[10], bytes[11]]);
    let [cause, detail, trigger, flags] = [bytes[12], bytes[13], bytes[14], bytes[15]];
    AttemptEntry {
        number: None,
        trigger: Trigger::ALL.into_iter().find(|it| trigger_code(*it) == trigger).unwrap_or_default(),
        started_at,
        duration_ms: u32::try_from(number(&bytes[7..10])).unwrap_or(u32::MAX),
        response_status: (status > 0).then_some(status),
        error: Cause::ALL.into_iter().find(|it| cause_code(*it) == cause),
        detail: Detail::ALL.into_iter().find(|it| detail_code(*it) == detail),
        body_cut: flags & BODY_CUT > 0,
        has_item: flags & HAS_ITEM > 0,
    }
}

/// The stored code of a cause. A code is never used for another cause.
const fn cause_code(cause: Cause) -> u8 {
    match cause {
        Cause::Timeout => 1,
        Cause::Dns => 2,
        Cause::Connect => 3,
        Cause::Tls => 4,
        Cause::RefusedAddress => 5,
        Cause::HttpStatus => 6,
        Cause::InvalidResponse => 7,
        Cause::EndpointDisabled => 8,
        Cause::EndpointDeleted => 9,
        Cause::OrganizationSuspended => 10,
        Cause::Expunged => 11,
        Cause::Undecryptable => 12,
        Cause::AwsService => 13,
    }
}

/// The stored code of a detail. A code is never used for another detail.
const fn detail_code(detail: Detail) -> u8 {
    match detail {
        Detail::NameNotFound => 1,
        Detail::NoAddress => 2,
        Detail::ConnectionRefused => 3,
        Detail::ConnectionReset => 4,
        Detail::ClosedBeforeAnswer => 5,
        Detail::Unreachable => 6,
        Detail::CertificateExpired => 7,
        Detail::CertificateNotYetValid => 8,
        Detail::CertificateWrongName => 9,
        Detail::CertificateUnknownIssuer => 10,
        Detail::CertificateInvalid => 11,
        Detail::ClientCertificateWanted => 12,
        Detail::HandshakeRefused => 13,
        Detail::BadStatusLine => 14,
        Detail::BadHeader => 15,
        Detail::TooLarge => 16,
        Detail::CertificateSelfSigned => 17,
        Detail::AccessDenied => 18,
        Detail::ResourceNotFound => 19,
        Detail::Throttled => 20,
        Detail::MessageTooLarge => 21,
        Detail::FunctionError => 22,
        Detail::InvalidCharacters => 23,
    }
}

/// The stored code of a trigger. A code is never used for another trigger.
const fn trigger_code(trigger: Trigger) -> u8 {
    match trigger {
        Trigger::Schedule => 1,
        Trigger::Manual => 2,
        Trigger::Resend => 3,
        Trigger::HalfOpen => 4,
        Trigger::Test => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_774_382_400_123_456);

    #[test]
    fn every_entry_is_read_back_with_its_number() {
        let mut log = Vec::new();
        for error in Cause::ALL.into_iter().map(Some).chain([None]) {
            for detail in Detail::ALL.into_iter().map(Some).chain([None]) {
                for trigger in Trigger::ALL {
                    let (body_cut, has_item) = (error.is_some(), detail.is_none());
                    let entry = AttemptEntry { error, detail, trigger, body_cut, has_item, ..AttemptEntry::at(NOW) };
                    let response_status = error.is_none().then_some(599);
                    log.push(AttemptEntry { response_status, duration_ms: 16_777_215, ..entry });
                }
            }
        }
        let mut number = 7;
        for entry in &mut log {
            let is_resend = entry.trigger == Trigger::Resend;
            entry.number = (!is_resend).then_some(number);
            number += u32::from(!is_resend);
        }
        let bytes = encode(&log);
        assert_eq!(bytes.len(), ENTRY_BYTES * log.len());
        assert_eq!(decode(&bytes, number - 1).unwrap(), log);
        assert!(decode(&bytes[1..], 1).is_err());
        assert_eq!(decode(&[], 0).unwrap(), []);
    }

    #[test]
    fn codes_of_a_later_version_are_left_out() {
        let entry = AttemptEntry { error: Some(Cause::Dns), trigger: Trigger::Manual, ..AttemptEntry::at(NOW) };
        let mut bytes = encode(&[entry]);
        bytes[12..15].fill(255);
        assert_eq!(decode(&bytes, 1).unwrap(), [AttemptEntry::at(NOW)]);
    }

    #[test]
    fn a_duration_that_an_entry_cannot_hold_is_the_longest() {
        let bytes = encode(&[AttemptEntry { duration_ms: u32::MAX, ..AttemptEntry::at(NOW) }]);
        assert_eq!(decode(&bytes, 1).unwrap()[0].duration_ms, MAX_DURATION_MS);
    }
}
