//! Encrypting and decrypting the confidential fields of an endpoint: its secrets and the values of its headers.

use std::convert::Infallible;

use super::Endpoint;
use super::headers::Headers;
use super::secrets::Secrets;
use crate::domain::encryption::Confidential;
use crate::domain::encryption::key_ring::{Field, KeyRing, NonceBytes, Place, Undecryptable};
use crate::domain::time::Timestamp;

/// Which confidential fields are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// The newest secret.
    NewestSecret,
    /// The secrets that sign at this time.
    SigningSecrets(Timestamp),
    /// The values of the headers.
    Headers,
    /// The values of the headers, and the secrets that sign at this time: what an attempt needs.
    Attempt(Timestamp),
    /// All of these.
    All,
}

impl Fields {
    /// Whether a secret is meant that signs until then; `None` for the newest.
    fn has_secret(self, until: Option<Timestamp>) -> bool {
        match self {
            Self::NewestSecret => until.is_none(),
            Self::All => true,
            Self::SigningSecrets(now) | Self::Attempt(now) => until.is_none_or(|until| now < until),
            Self::Headers => false,
        }
    }

    const fn has_headers(self) -> bool {
        matches!(self, Self::Headers | Self::Attempt(_) | Self::All)
    }
}

impl Endpoint {
    /// The endpoint with every readable field encrypted. `nonce` makes a new one for each field.
    #[must_use]
    pub fn encrypted(self, keys: &KeyRing, mut nonce: impl FnMut() -> NonceBytes) -> Self {
        let changed = self.changed(Fields::All, |text, place| Ok::<_, Infallible>(keys.encrypt(text, place, nonce())));
        let Ok((secrets, headers)) = changed;
        self.with_confidential(secrets, headers)
    }

    /// The endpoint with every field encrypted under the current key.
    ///
    /// # Errors
    /// [`Undecryptable`] if a field cannot be decrypted.
    pub fn encrypted_again(self, keys: &KeyRing, mut nonce: impl FnMut() -> NonceBytes) -> Result<Self, Undecryptable> {
        let (secrets, headers) = self.changed(Fields::All, |text, place| keys.encrypt_again(text, place, nonce()))?;
        Ok(self.with_confidential(secrets, headers))
    }

    /// The secrets and headers, of which these fields are readable.
    ///
    /// # Errors
    /// [`Undecryptable`] if one cannot be decrypted.
    pub fn decrypted(&self, keys: &KeyRing, fields: Fields) -> Result<(Secrets, Headers), Undecryptable> {
        self.changed(fields, |text, place| keys.decrypt(text, place))
    }

    /// The endpoint with these secrets and headers, which are its own in another form.
    #[must_use]
    pub fn with_confidential(mut self, secrets: Secrets, headers: Headers) -> Self {
        self.secrets = secrets;
        self.settings.headers = headers;
        self
    }

    /// Whether one of these fields is encrypted.
    pub fn is_encrypted(&self, fields: Fields) -> bool {
        let mut secrets = self.secrets.keys().filter(|(_, until)| fields.has_secret(*until));
        let mut headers = self.settings.headers.iter().filter(|_| fields.has_headers());
        secrets.any(|(key, _)| key.secret.text().as_encrypted().is_some())
            || headers.any(|(_, value)| value.as_encrypted().is_some())
    }

    /// Whether every field is encrypted under the current key.
    pub fn is_encrypted_under(&self, keys: &KeyRing) -> bool {
        self.secrets.keys().all(|(key, _)| keys.is_current(key.secret.text()))
            && self.settings.headers.iter().all(|(_, value)| keys.is_current(value))
    }

    const fn place<'a>(&'a self, field: Field<'a>) -> Place<'a> {
        Place { organization: &self.organization, endpoint: self.id, field }
    }

    fn changed<E>(
        &self,
        fields: Fields,
        mut change: impl FnMut(&Confidential, Place<'_>) -> Result<Confidential, E>,
    ) -> Result<(Secrets, Headers), E> {
        let mut secrets = self.secrets.clone();
        for (key, until) in secrets.keys_mut() {
            if fields.has_secret(until) {
                let id = key.id.to_string();
                let text = change(key.secret.text(), self.place(Field::Secret(&id)))?;
                key.secret = key.secret.with_text(text);
            }
        }
        let headers = match fields.has_headers() {
            true => self.settings.headers.try_map(|name, value| change(value, self.place(Field::Header(name))))?,
            false => self.settings.headers.clone(),
        };
        Ok((secrets, headers))
    }
}
