//! A confidential text in an item: a string if it is readable, binary if it is encrypted.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::domain::encryption::{Confidential, Form};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Readable(String),
    Encrypted(ByteBuf),
}

impl From<&Confidential> for Text {
    fn from(text: &Confidential) -> Self {
        match text.form() {
            Form::Readable(text) => Self::Readable(text.to_owned()),
            Form::Encrypted(bytes) => Self::Encrypted(ByteBuf::from(bytes)),
        }
    }
}

impl From<Text> for Confidential {
    fn from(text: Text) -> Self {
        match text {
            Text::Readable(text) => Self::readable(text),
            Text::Encrypted(bytes) => Self::encrypted(bytes.into_vec()),
        }
    }
}
