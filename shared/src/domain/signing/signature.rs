//! The two signatures of a request: Standard Webhooks, and a hex digest of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::SigningSecret;
use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The value of the `webhook-signature` header (Standard Webhooks, `v1`): one signature for each secret, the newest
/// first, separated by spaces.
pub fn standard(secrets: &[&SigningSecret], id: &EventId, sent_at: Timestamp, body: &[u8]) -> String {
    let id = id.to_string();
    let seconds = sent_at.unix_seconds().to_string();
    let sign = |secret: &&SigningSecret| standard_one(secret, id.as_bytes(), seconds.as_bytes(), body);
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

fn standard_one(secret: &SigningSecret, id: &[u8], seconds: &[u8], body: &[u8]) -> String {
    let mac = hmac_sha256(&secret.standard_key(), &[id, b".", seconds, b".", body]);
    format!("v1,{}", STANDARD.encode(mac))
}

/// The value of the `X-Webhook-Signature` header: lower-case hex of HMAC-SHA256 over the body. The key is the bytes
/// of the whole secret.
pub fn body_digest(secret: &SigningSecret, body: &[u8]) -> String {
    hex::encode(hmac_sha256(secret.reveal().as_bytes(), &[body]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "wevt_0190a1b2c3d47e5f8a9b0c1d2e3f0000";
    const MEMBER_ADDED: &str = r#"{"id":"wevt_0190a1b2c3d47e5f8a9b0c1d2e3f0000","object":"webhook_event","type":"member.added","created":"2026-03-24T20:00:00.000Z","data":{"member":"mbr_1"}}"#;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::stored(text)
    }

    #[test]
    fn standard_signatures_match_the_vectors() {
        // The first two vectors are from the tests of the Standard Webhooks libraries. The last two secrets are not
        // the base64 of 24 to 64 bytes, so the bytes of their text are the key.
        let vectors = [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                "1649367553",
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "whsec_0123456789abcdef0123456789abcdef",
                EVENT,
                "1774382400",
                MEMBER_ADDED,
                "v1,a6LvuSsla/hq5FBezNAQ3XkZEUItIetBDbqM0HpHl0A=",
            ),
            (
                "whsec_your_signing_secret",
                EVENT,
                "1774382400",
                r#"{"name":"Zoë ☕"}"#,
                "v1,95zJCrJ/rbqDSONut6z009qGU90XcC5W5GLy/dSDItQ=",
            ),
            (
                "a-plain-secret-without-prefix",
                EVENT,
                "1774382400",
                "",
                "v1,3FjpYt78A6RuAdC+PLiz0C84z5kVkAPDD50sAWlyuv0=",
            ),
        ];
        for (key, id, seconds, body, expected) in vectors {
            let signature = standard_one(&secret(key), id.as_bytes(), seconds.as_bytes(), body.as_bytes());
            assert_eq!(signature, expected, "{key}");
        }
    }

    #[test]
    fn body_digests_match_the_vectors() {
        let vectors = [
            (
                "whsec_0123456789abcdef0123456789abcdef",
                MEMBER_ADDED,
                "40c7e0da261b859058fbbeffcc73c5c6faac5543dc0f8bebdc7de7a5ba151a32",
            ),
            (
                "whsec_your_signing_secret",
                r#"{"name":"Zoë ☕"}"#,
                "839fd2c8de2ebb631bdcbe91974f9de89165d1e93aed514d99708dc5e87483c6",
            ),
            ("a-plain-secret-without-prefix", "", "fd29945a5ac9fabe131969656facf31eb97a7023e20fd16536d4e6dc9b93569b"),
        ];
        for (key, body, expected) in vectors {
            assert_eq!(body_digest(&secret(key), body.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn during_a_rotation_the_newest_signature_comes_first() {
        let id = EventId::parse(EVENT).unwrap();
        let (new, old) = (secret("a-new-secret-of-some-length"), secret("an-old-secret-of-some-length"));
        let at = Timestamp::from_unix_seconds(1_774_382_400);
        let both = standard(&[&new, &old], &id, at, b"{}");
        assert_eq!(both, format!("{} {}", standard(&[&new], &id, at, b"{}"), standard(&[&old], &id, at, b"{}")));
    }

    #[test]
    fn standard_libraries_decode_a_generated_secret_to_24_bytes() {
        let generated = SigningSecret::generate([0xab; 16]);
        assert_eq!(generated.standard_key().len(), 24);
        assert_eq!(generated.reveal().len(), 38);
        assert!(!format!("{generated:?}").contains("abab"));
    }

    #[test]
    fn supplied_secrets_are_16_to_256_printable_characters() {
        for (text, allowed) in [
            ("0123456789abcdef", true),
            ("0123456789abcde", false),
            (&"x".repeat(256), true),
            (&"x".repeat(257), false),
            ("0123456789abcdef\n", false),
            ("0123456789abcdé", false),
        ] {
            assert_eq!(SigningSecret::parse(text).is_ok(), allowed, "{text}");
        }
    }
}
