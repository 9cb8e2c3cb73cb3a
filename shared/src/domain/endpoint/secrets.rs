//! The secrets that sign an endpoint's deliveries.

use std::time::Duration;

use crate::domain::signing::key::{NewSecret, PublishedKey, SigningKey};
use crate::domain::time::Timestamp;

/// Most older secrets that sign beside the newest.
pub const MAX_OLDER_SECRETS: usize = 10;

/// The signing secrets of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The newest secret.
    pub newest: SigningKey,
    /// The secrets before the newest, the newest of them first. Some may have ended.
    pub older: Vec<OlderSecret>,
}

/// A secret that a rotation replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OlderSecret {
    /// The secret.
    pub key: SigningKey,
    /// Until when it signs.
    pub until: Timestamp,
}

/// A change of an endpoint's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The new secret; `None` for a generated one with the algorithm of the newest.
    pub secret: Option<NewSecret>,
    /// How long the former secret signs beside the new one. Zero ends all older secrets.
    pub overlap: Duration,
}

/// [`MAX_OLDER_SECRETS`] older secrets sign already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{MAX_OLDER_SECRETS} older secrets sign beside the newest; wait until one ends, or rotate with an overlap of 0 seconds, \
     which ends all of them"
)]
pub struct TooManySecrets;

impl Secrets {
    /// A single secret.
    pub const fn only(newest: SigningKey) -> Self {
        Self { newest, older: Vec::new() }
    }

    /// The secrets that sign a request at `now`, the newest first. Each older one has the time at which it ends.
    pub fn ending_at(&self, now: Timestamp) -> impl Iterator<Item = (&SigningKey, Option<Timestamp>)> {
        let older = self.older.iter().filter(move |older| now < older.until);
        std::iter::once((&self.newest, None)).chain(older.map(|older| (&older.key, Some(older.until))))
    }

    /// All secrets, also those that have ended, the newest first. Each older one has the time at which it ends.
    pub fn keys(&self) -> impl Iterator<Item = (&SigningKey, Option<Timestamp>)> {
        let older = self.older.iter().map(|older| (&older.key, Some(older.until)));
        std::iter::once((&self.newest, None)).chain(older)
    }

    /// As [`Secrets::keys`].
    pub fn keys_mut(&mut self) -> impl Iterator<Item = (&mut SigningKey, Option<Timestamp>)> {
        let older = self.older.iter_mut().map(|older| (&mut older.key, Some(older.until)));
        std::iter::once((&mut self.newest, None)).chain(older)
    }

    /// The secrets that sign a request at `now`, the newest first.
    pub fn signing_at(&self, now: Timestamp) -> Vec<&SigningKey> {
        self.ending_at(now).map(|(key, _)| key).collect()
    }

    /// The public keys of the secrets that have one, whether they have ended or not.
    pub fn published(&self) -> impl Iterator<Item = PublishedKey> {
        let older = self.older.iter().map(|older| (&older.key, Some(older.until)));
        std::iter::once((&self.newest, None)).chain(older).filter_map(|(key, until)| {
            let public_key = key.secret.public_key()?;
            Some(PublishedKey { id: key.id, public_key, until })
        })
    }

    /// The secrets after a rotation at `now`. The former newest secret signs for `overlap`, and older ones until their own
    /// times. An overlap of zero ends all of them.
    ///
    /// # Errors
    /// [`TooManySecrets`] if there is an overlap and the number of older secrets is at its maximum.
    pub fn rotated(self, new: SigningKey, overlap: Duration, now: Timestamp) -> Result<Self, TooManySecrets> {
        if overlap.is_zero() {
            return Ok(Self::only(new));
        }
        let mut older = self.older;
        older.retain(|older| now < older.until);
        if older.len() >= MAX_OLDER_SECRETS {
            return Err(TooManySecrets);
        }
        older.insert(0, OlderSecret { key: self.newest, until: now.plus(overlap) });
        Ok(Self { newest: new, older })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signing::key::SigningKeyId;
    use crate::domain::signing::secret::SigningSecret;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_774_382_400 + seconds)
    }

    fn hmac(number: u8) -> SigningKey {
        SigningKey::new(SigningKeyId::new([number; 8]), SigningSecret::generate([number; 16]))
    }

    fn ed25519(number: u8) -> SigningKey {
        SigningKey::new(SigningKeyId::new([number; 8]), SigningSecret::generate_ed25519([number; 32]))
    }

    /// A rotation: the number of the new secret, the time in seconds, and the overlap in seconds.
    type Step = (u8, i64, u64);

    /// The secrets after these rotations from a first secret 0.
    fn rotated(rotations: &[Step]) -> Result<Secrets, TooManySecrets> {
        rotations.iter().try_fold(Secrets::only(hmac(0)), |secrets, (number, seconds, overlap)| {
            secrets.rotated(hmac(*number), Duration::from_secs(*overlap), at(*seconds))
        })
    }

    #[test]
    fn each_older_secret_signs_until_its_own_time_and_the_newest_is_first() {
        let cases: [(&[Step], i64, &[u8]); 9] = [
            (&[], 0, &[0]),
            (&[(1, 0, 10)], 0, &[1, 0]),
            (&[(1, 0, 10)], 9, &[1, 0]),
            (&[(1, 0, 10)], 10, &[1]),
            (&[(1, 0, 0)], 0, &[1]),
            (&[(1, 0, 10), (2, 1, 10), (3, 2, 10)], 2, &[3, 2, 1, 0]),
            // The second of three ends first.
            (&[(1, 0, 100), (2, 1, 5), (3, 2, 50)], 6, &[3, 2, 0]),
            // A rotation removes those that have ended.
            (&[(1, 0, 10), (2, 10, 10)], 9, &[2, 1]),
            (&[(1, 0, 10), (2, 1, 10), (3, 2, 0)], 2, &[3]),
        ];
        for (rotations, seconds, expected) in cases {
            let secrets = rotated(rotations).unwrap();
            let signing: Vec<_> = secrets.signing_at(at(seconds)).into_iter().cloned().collect();
            let expected: Vec<_> = expected.iter().map(|number| hmac(*number)).collect();
            assert_eq!(signing, expected, "{rotations:?} after {seconds} s");
        }
    }

    #[test]
    fn ten_older_secrets_sign_and_another_rotation_needs_an_overlap_of_zero() {
        let ten: Vec<_> = (1..=10).map(|number| (number, i64::from(number), 1_000)).collect();
        let full = rotated(&ten).unwrap();
        assert_eq!(full.signing_at(at(10)).len(), 11);
        let next = |secrets: Secrets, overlap, seconds| {
            secrets
                .rotated(hmac(11), Duration::from_secs(overlap), at(seconds))
                .map(|it| it.signing_at(at(seconds)).len())
        };
        assert_eq!(next(full.clone(), 1, 10), Err(TooManySecrets));
        assert_eq!(next(full.clone(), 0, 10), Ok(1));
        // The first one ends after 1,001 s.
        assert_eq!(next(full.clone(), 1, 1_000), Err(TooManySecrets));
        assert_eq!(next(full, 1, 1_001), Ok(11));
    }

    #[test]
    fn only_ed25519_secrets_have_a_public_key_that_is_published_until_they_end() {
        let overlap = Duration::from_secs(10);
        let secrets = Secrets::only(hmac(0)).rotated(ed25519(1), overlap, at(0)).unwrap();
        let secrets = secrets.rotated(ed25519(2), overlap, at(1)).unwrap();
        let published: Vec<_> = secrets.published().map(|key| (key.id, key.until)).collect();
        assert_eq!(published, [(ed25519(2).id, None), (ed25519(1).id, Some(at(11)))]);
        let signing: Vec<_> = secrets.published().map(|key| [key.signs_at(at(10)), key.signs_at(at(11))]).collect();
        assert_eq!(signing, [[true, true], [true, false]]);
        let back = secrets.rotated(hmac(3), overlap, at(2)).unwrap();
        let published: Vec<_> = back.published().map(|key| (key.id, key.until)).collect();
        assert_eq!(published, [(ed25519(2).id, Some(at(12))), (ed25519(1).id, Some(at(11)))]);
    }
}
