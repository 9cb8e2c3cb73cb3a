//! The two signatures of a request: Standard Webhooks, and a hex digest of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::{SigningSecret, StandardKey};
use crate::domain::time::Timestamp;

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The value of the `webhook-signature` header (Standard Webhooks, `v1` and `v1a`): one signature for each secret, in
/// their order, separated by spaces. `id` is the one that the request has. `None` if a secret is encrypted.
pub fn standard<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    id: &str,
    sent_at: Timestamp,
    body: &[u8],
) -> Option<String> {
    let seconds = sent_at.unix_seconds().to_string();
    let sign = |secret: &SigningSecret| standard_one(secret, id.as_bytes(), seconds.as_bytes(), body);
    Some(secrets.into_iter().map(sign).collect::<Option<Vec<_>>>()?.join(" "))
}

fn standard_one(secret: &SigningSecret, id: &[u8], seconds: &[u8], body: &[u8]) -> Option<String> {
    let content: [&[u8]; 5] = [id, b".", seconds, b".", body];
    Some(match secret.standard_key()? {
        StandardKey::Hmac(key) => format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &content))),
        StandardKey::Ed25519(key) => format!("v1a,{}", STANDARD.encode(key.sign(&content.concat()))),
    })
}

/// The value of the `X-Webhook-Signature` header: lower-case hex of HMAC-SHA256 over the body. The key is the bytes
/// of the whole text of the first HMAC secret. `None` if there is none.
pub fn body_digest<'a>(secrets: impl IntoIterator<Item = &'a SigningSecret>, body: &[u8]) -> Option<String> {
    let newest = secrets.into_iter().find_map(SigningSecret::hmac_text)?;
    Some(hex::encode(hmac_sha256(newest.as_bytes(), &[body])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signing::secret::Algorithm;

    const EVENT: &str = "wevt_0190a1b2c3d47e5f8a9b0c1d2e3f0000";
    const MEMBER_ADDED: &str = r#"{"id":"wevt_0190a1b2c3d47e5f8a9b0c1d2e3f0000","object":"webhook_event","type":"member.added","created":"2026-03-24T20:00:00.000Z","data":{"member":"mbr_1"}}"#;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::stored(Algorithm::HmacSha256, text).unwrap()
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
            assert_eq!(signature.unwrap(), expected, "{key}");
        }
    }

    #[test]
    fn ed25519_signatures_match_the_vectors() {
        // The first vector is from the test of another implementation, the others were computed with another library.
        let vectors = [
            (
                "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
                "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
                "1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                r#"{"test": 2432232314}"#,
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            ),
            (
                "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==",
                "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
                "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
                EVENT,
                "1774382400",
                r#"{"name":"Zoë ☕"}"#,
                "v1a,RurjPA6l0VqQEVvn537/J3CIJxgOY6yEY4xn4chxwC9xvPFZ1uusNSSSseUg5OGAILYbX+cEJWBDomR6ms9QBA==",
            ),
            (
                "whsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA7aie8zrakLWKjqNAqbw1zZTIVdx3iQ6Y6wEihi1naKQ==",
                "whpk_O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=",
                "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik",
                EVENT,
                "1774382400",
                "",
                "v1a,nY43p1XJnw4pymvuR1ZSdMrGmPf0k8v3jDA/BjviOIyEMIIdmChfd80xMKKs9Go1pZItehu/ug+DITkU59qBBQ==",
            ),
        ];
        for (text, public, x, id, seconds, body, expected) in vectors {
            let key = SigningSecret::parse_verifiable(text).unwrap();
            let public_key = key.public_key().unwrap();
            assert_eq!(
                (key.reveal().unwrap(), public_key.to_string().as_str(), public_key.jwk_x().as_str()),
                (text, public, x)
            );
            let signature = standard_one(&key, id.as_bytes(), seconds.as_bytes(), body.as_bytes());
            assert_eq!(signature.unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn the_body_digest_is_that_of_the_newest_hmac_secret() {
        let (new, old) = (secret("a-new-secret-of-some-length"), secret("an-old-secret-of-some-length"));
        let ed25519 = SigningSecret::generate_ed25519([1; 32]);
        assert_eq!(body_digest([&ed25519, &new, &old], b"{}"), body_digest([&new], b"{}"));
        assert_eq!(body_digest([&ed25519], b"{}"), None);
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
            assert_eq!(body_digest([&secret(key)], body.as_bytes()).unwrap(), expected, "{key}");
        }
    }

    #[test]
    fn during_a_rotation_the_newest_signature_comes_first() {
        let id = EVENT;
        let (new, old) = (secret("a-new-secret-of-some-length"), secret("an-old-secret-of-some-length"));
        let at = Timestamp::from_unix_seconds(1_774_382_400);
        let both = standard([&new, &old], id, at, b"{}");
        let [new, old] = [&new, &old].map(|secret| standard([secret], id, at, b"{}").unwrap());
        assert_eq!(both.unwrap(), format!("{new} {old}"));
    }

    #[test]
    fn standard_libraries_decode_a_generated_secret_to_24_bytes() {
        let generated = SigningSecret::generate([0xab; 16]);
        assert!(matches!(generated.standard_key(), Some(StandardKey::Hmac(key)) if key.len() == 24));
        assert_eq!(generated.reveal().unwrap().len(), 38);
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
