//! The encryption keys of a deployment, and AES-256-GCM under them.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Confidential;
use crate::domain::Invalid;
use crate::domain::ids::{EndpointId, OrganizationId};

/// The length of a key in bytes.
pub const KEY_BYTES: usize = 32;
/// Most keys of a ring. Two are needed while the key is changed.
const MOST_KEYS: usize = 10;
/// The first byte of an encrypted text. Another algorithm or layout gets another number.
const AES_256_GCM_1: u8 = 1;
const ID_BYTES: usize = 4;
/// Format, id of the key, nonce.
const HEAD_BYTES: usize = 1 + ID_BYTES + NONCE_LEN;
/// How many bytes an encrypted text is longer than the text.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + MAX_TAG_LEN;

/// Random bytes that are used for one encryption only.
pub type NonceBytes = [u8; NONCE_LEN];

/// What a text belongs to. It can be decrypted only with the same place, so it is of no use in another item or field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The organization of the endpoint.
    pub organization: &'a OrganizationId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The field of the endpoint.
    pub field: Field<'a>,
}

/// A confidential field of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// The signing secret with this id.
    Secret(&'a str),
    /// The header with this name.
    Header(&'a str),
}

impl Place<'_> {
    /// The associated data. No part contains a NUL, so two places never have the same.
    fn associated_data(self, key: KeyId) -> Vec<u8> {
        let (kind, name) = match self.field {
            Field::Secret(id) => ("secret", id),
            Field::Header(name) => ("header", name),
        };
        let text = format!("{}\0{}\0{kind}\0{name}\0", self.organization, self.endpoint);
        [&[AES_256_GCM_1][..], &key.0, text.as_bytes()].concat()
    }
}

/// Identifies a key without revealing it: the first four bytes of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; ID_BYTES]);

impl KeyId {
    /// The identifier with these bytes.
    pub const fn new(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses the printed form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; ID_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecryptable {
    /// The ring has no such key.
    #[error("the deployment has no encryption key with the id {0}")]
    UnknownKey(KeyId),
    /// The text was altered, or moved here from another item or field.
    #[error("the encrypted text was altered or belongs to another item")]
    Altered,
}

/// The encryption keys of a deployment. Its `Debug` output has the keys' ids alone.
pub struct KeyRing(Vec<Key>);

struct Key {
    id: KeyId,
    cipher: LessSafeKey,
}

impl KeyRing {
    /// Parses keys of 32 bytes in base64, separated by white space or commas. The first one encrypts, and all decrypt.
    ///
    /// # Errors
    /// [`Invalid`] for anything else. The message does not contain a key.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let words = text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let keys = words.map(Key::parse).collect::<Result<Vec<_>, _>>()?;
        if !(1..=MOST_KEYS).contains(&keys.len()) {
            return Err(Invalid::new(format!("must be 1 to {MOST_KEYS} keys")));
        }
        if (1..keys.len()).any(|i| keys[..i].iter().any(|key| key.id == keys[i].id)) {
            return Err(Invalid::new("must not contain a key twice"));
        }
        Ok(Self(keys))
    }

    /// The id of the key that encrypts.
    pub fn current(&self) -> KeyId {
        self.0[0].id
    }

    /// Whether a text is encrypted under the key that encrypts now.
    pub fn is_current(&self, text: &Confidential) -> bool {
        text.as_encrypted().and_then(key_of) == Some(self.current())
    }

    /// Encrypts a readable text. A text that is encrypted already stays as it is.
    pub fn encrypt(&self, text: &Confidential, place: Place<'_>, nonce: NonceBytes) -> Confidential {
        let Some(text) = text.as_text() else { return text.clone() };
        let Key { id, cipher } = &self.0[0];
        let mut bytes = [&[AES_256_GCM_1][..], &id.0, &nonce, text.as_bytes()].concat();
        let aad = Aad::from(place.associated_data(*id));
        let nonce = Nonce::assume_unique_for_key(nonce);
        #[expect(clippy::expect_used, reason = "AES-GCM encrypts up to 64 GiB")]
        let tag = cipher.seal_in_place_separate_tag(nonce, aad, &mut bytes[HEAD_BYTES..]).expect("a short text");
        bytes.extend(tag.as_ref());
        Confidential::encrypted(bytes)
    }

    /// Encrypts a text under the current key, whatever its form.
    ///
    /// # Errors
    /// As [`KeyRing::decrypt`].
    pub fn encrypt_again(
        &self,
        text: &Confidential,
        place: Place<'_>,
        nonce: NonceBytes,
    ) -> Result<Confidential, Undecryptable> {
        if self.is_current(text) {
            return Ok(text.clone());
        }
        Ok(self.encrypt(&self.decrypt(text, place)?, place, nonce))
    }

    /// The readable form of a text. A readable text stays as it is.
    ///
    /// # Errors
    /// [`Undecryptable`] if the ring does not have its key, or if it was not encrypted for this place.
    pub fn decrypt(&self, text: &Confidential, place: Place<'_>) -> Result<Confidential, Undecryptable> {
        let Some(bytes) = text.as_encrypted() else { return Ok(text.clone()) };
        let id = key_of(bytes).ok_or(Undecryptable::Altered)?;
        let key = self.0.iter().find(|key| key.id == id).ok_or(Undecryptable::UnknownKey(id))?;
        let nonce = Nonce::try_assume_unique_for_key(&bytes[1 + ID_BYTES..HEAD_BYTES]);
        let nonce = nonce.map_err(|_| Undecryptable::Altered)?;
        let mut opened = Zeroizing::new(bytes[HEAD_BYTES..].to_vec());
        let opened = key.cipher.open_in_place(nonce, Aad::from(place.associated_data(id)), &mut opened);
        let opened = opened.map_err(|_| Undecryptable::Altered)?;
        let text = std::str::from_utf8(opened).map_err(|_| Undecryptable::Altered)?;
        Ok(Confidential::readable(text))
    }
}

/// The key of an encrypted text; `None` if its format is unknown.
fn key_of(bytes: &[u8]) -> Option<KeyId> {
    let id = bytes.get(1..1 + ID_BYTES)?.try_into().ok()?;
    (bytes[0] == AES_256_GCM_1 && bytes.len() >= HEAD_BYTES).then_some(KeyId(id))
}

impl Key {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new(format!("must be base64 of {KEY_BYTES} random bytes"));
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| invalid())?);
        let cipher = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| invalid())?;
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(&*bytes));
        Ok(Self { id: KeyId([a, b, c, d]), cipher: LessSafeKey::new(cipher) })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; KEY_BYTES])
    }

    fn ring(bytes: &[u8]) -> KeyRing {
        KeyRing::parse(&bytes.iter().map(|byte| key(*byte)).collect::<Vec<_>>().join(" ")).unwrap()
    }

    fn organization(byte: u8) -> OrganizationId {
        OrganizationId::new(NOW, [byte; 8])
    }

    fn endpoint(byte: u8) -> EndpointId {
        EndpointId::new(NOW, [byte; 8])
    }

    #[test]
    fn a_text_is_decrypted_only_at_its_place() {
        let (ring, [one, two]) = (ring(&[1]), [organization(1), organization(2)]);
        let place = |organization, byte, field| Place { organization, endpoint: endpoint(byte), field };
        let own = place(&one, 1, Field::Header("Authorization"));
        let encrypted = ring.encrypt(&Confidential::readable("Bearer abc"), own, [7; 12]);
        assert_eq!(ring.decrypt(&encrypted, own).unwrap().as_text(), Some("Bearer abc"));
        for other in [
            place(&two, 1, Field::Header("Authorization")),
            place(&one, 2, Field::Header("Authorization")),
            place(&one, 1, Field::Header("authorization")),
            place(&one, 1, Field::Header("Authorization2")),
            place(&one, 1, Field::Secret("Authorization")),
        ] {
            assert_eq!(ring.decrypt(&encrypted, other), Err(Undecryptable::Altered), "{other:?}");
        }
    }

    #[test]
    fn an_altered_text_is_not_decrypted() {
        let (ring, organization) = (ring(&[1, 2]), organization(1));
        let place = Place { organization: &organization, endpoint: endpoint(1), field: Field::Secret("k") };
        let encrypted = ring.encrypt(&Confidential::readable("secret"), place, [7; 12]);
        let bytes = encrypted.as_encrypted().unwrap();
        for position in 0..bytes.len() {
            let mut altered = bytes.to_vec();
            altered[position] ^= 1;
            assert!(ring.decrypt(&Confidential::encrypted(altered), place).is_err(), "byte {position}");
        }
        for length in 0..bytes.len() {
            assert!(ring.decrypt(&Confidential::encrypted(bytes[..length].to_vec()), place).is_err(), "{length} bytes");
        }
        // The id of another key of the ring in the place of its own.
        let mut other = bytes.to_vec();
        other[1..5].copy_from_slice(&ring.0[1].id.0);
        assert_eq!(ring.decrypt(&Confidential::encrypted(other), place), Err(Undecryptable::Altered));
    }

    #[test]
    fn the_first_key_encrypts_and_every_key_decrypts() {
        let organization = organization(1);
        let place = Place { organization: &organization, endpoint: endpoint(1), field: Field::Secret("k") };
        let text = Confidential::readable("secret");
        let old = ring(&[1]).encrypt(&text, place, [7; 12]);
        let both = ring(&[2, 1]);
        assert!(!both.is_current(&old) && !both.is_current(&text));
        assert_eq!(both.decrypt(&old, place), Ok(text.clone()));
        let new = both.encrypt_again(&old, place, [8; 12]).unwrap();
        assert!(both.is_current(&new));
        assert_eq!(both.encrypt_again(&new, place, [9; 12]), Ok(new.clone()));
        assert_eq!(both.encrypt(&old, place, [9; 12]), old);
        assert_eq!(ring(&[2]).decrypt(&new, place), Ok(text));
        assert_eq!(ring(&[2]).decrypt(&old, place), Err(Undecryptable::UnknownKey(ring(&[1]).current())));
    }

    #[test]
    fn a_ring_has_1_to_10_different_keys_of_32_bytes() {
        let many = |count: u8| (0..count).map(key).collect::<Vec<_>>().join(",");
        for (text, valid) in [
            (key(1), true),
            (format!(" {}\n", key(1)), true),
            (many(2), true),
            (many(10), true),
            (many(11), false),
            (String::new(), false),
            (format!("{} {}", key(1), key(1)), false),
            (STANDARD.encode([1; 31]), false),
            (STANDARD.encode([1; 33]), false),
            ("x".repeat(44), false),
        ] {
            assert_eq!(KeyRing::parse(&text).is_ok(), valid, "{text}");
        }
        let refusal = KeyRing::parse(&STANDARD.encode([0xab; 31])).unwrap_err();
        assert!(!refusal.0.contains("q6ur"), "{refusal:?}");
    }

    #[test]
    fn debug_output_contains_neither_keys_nor_texts() {
        assert_eq!(format!("{:?}", ring(&[1])), format!("[{}]", ring(&[1]).current()));
        assert_eq!(format!("{:?}", Confidential::readable("secret")), "Confidential(readable)");
    }
}
