//! Confidential texts: readable, or encrypted under a key of the deployment.

pub mod key_ring;
pub mod reencryption;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use key_ring::KeyRing;

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
pub struct Confidential(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Readable(Zeroizing<String>),
    Encrypted(Vec<u8>),
}

impl Confidential {
    /// A text that is not encrypted.
    pub fn readable(text: impl Into<String>) -> Self {
        Self(Form::Readable(Zeroizing::new(text.into())))
    }

    /// The output of [`key_ring::KeyRing::encrypt`].
    pub const fn encrypted(bytes: Vec<u8>) -> Self {
        Self(Form::Encrypted(bytes))
    }

    /// The text; `None` if it is encrypted.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Form::Readable(text) => Some(text),
            Form::Encrypted(_) => None,
        }
    }

    /// The encrypted text; `None` if it is not encrypted.
    pub fn as_encrypted(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Readable(_) => None,
            Form::Encrypted(bytes) => Some(bytes),
        }
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Form::Readable(_) => "Confidential(readable)",
            Form::Encrypted(_) => "Confidential(encrypted)",
        })
    }
}
