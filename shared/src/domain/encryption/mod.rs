//! Confidential texts: readable, or encrypted under a key of the deployment.

pub mod key_ring;
pub mod reencryption;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use key_ring::{KeyRing, OVERHEAD_BYTES};

/// Where the encryption keys of a deployment come from.
#[derive(Debug, Clone, Default)]
pub enum KeySource {
    /// There are none: confidential texts are stored as they are.
    #[default]
    None,
    /// The parameter of SSM with this name. A process reads it when it first needs the keys.
    Parameter(String),
    /// These keys.
    Fixed(Arc<KeyRing>),
}

/// A text that only its owner and its receiver may know: a signing secret, or the value of a header. Its `Debug` output is
/// redacted.
///
/// The table holds it encrypted if the deployment has an encryption key. A process decrypts it only to sign or to show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Confidential(Stored);

#[derive(Clone, PartialEq, Eq)]
enum Stored {
    Readable(Zeroizing<String>),
    Encrypted(Vec<u8>),
}

/// The form of a confidential text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// The text.
    Readable(&'a str),
    /// The output of [`KeyRing::encrypt`].
    Encrypted(&'a [u8]),
}

impl Confidential {
    /// A text that is not encrypted.
    pub fn readable(text: impl Into<String>) -> Self {
        Self(Stored::Readable(Zeroizing::new(text.into())))
    }

    /// The output of [`KeyRing::encrypt`].
    pub const fn encrypted(bytes: Vec<u8>) -> Self {
        Self(Stored::Encrypted(bytes))
    }

    /// The text or its encrypted form.
    pub fn form(&self) -> Form<'_> {
        match &self.0 {
            Stored::Readable(text) => Form::Readable(text),
            Stored::Encrypted(bytes) => Form::Encrypted(bytes),
        }
    }

    /// The text; `None` if it is encrypted.
    pub fn as_text(&self) -> Option<&str> {
        if let Form::Readable(text) = self.form() { Some(text) } else { None }
    }

    /// The length of the text in bytes.
    pub fn text_bytes(&self) -> usize {
        match self.form() {
            Form::Readable(text) => text.len(),
            Form::Encrypted(bytes) => bytes.len().saturating_sub(OVERHEAD_BYTES),
        }
    }

    /// The encrypted text; `None` if it is not encrypted.
    pub fn as_encrypted(&self) -> Option<&[u8]> {
        if let Form::Encrypted(bytes) = self.form() { Some(bytes) } else { None }
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Stored::Readable(_) => "Confidential(readable)",
            Stored::Encrypted(_) => "Confidential(encrypted)",
        })
    }
}
