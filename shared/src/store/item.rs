//! Conversion between domain types and items. Attributes that do not apply are absent, times are RFC 3339 with
//! milliseconds, and every item has its kind and its version.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::keys::Key;
use crate::domain::Invalid;
use crate::domain::endpoint::filter::Filter;
use crate::domain::ids::MalformedId;
use crate::domain::time::Timestamp;

/// An item in the SDK's representation.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) const VERSION: u8 = 1;

/// The attributes of every item: its key, its kind and its version.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Base {
    pub(super) pk: String,
    pub(super) sk: String,
    entity: String,
    v: u8,
}

impl Base {
    pub(super) fn new(key: Key, entity: &str) -> Self {
        Self { pk: key.pk, sk: key.sk, entity: entity.to_owned(), v: VERSION }
    }

    pub(super) fn key(&self) -> Key {
        Key { pk: self.pk.clone(), sk: self.sk.clone() }
    }
}

/// The attributes that a request reads of each item. The others are not transferred, but the request costs the same
/// read units.
#[derive(Debug)]
pub(super) struct Projection(pub(super) &'static [&'static str]);

impl Projection {
    /// The projection expression. It consists of placeholders, because many attribute names are reserved words.
    pub(super) fn expression(&self) -> String {
        (0..self.0.len()).map(|number| format!("#p{number}")).collect::<Vec<_>>().join(", ")
    }

    /// The attribute name of each placeholder.
    pub(super) fn names(&self) -> HashMap<String, String> {
        self.0.iter().enumerate().map(|(number, name)| (format!("#p{number}"), (*name).to_owned())).collect()
    }
}

pub(super) fn to_item(value: &impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::to_item(value).map_err(StoreError::corrupt)
}

/// Deserializes an item as `T` and converts it to the domain type.
pub(super) fn read<T, Resource>(item: Item) -> Result<Resource, StoreError>
where
    T: for<'a> Deserialize<'a> + TryInto<Resource, Error = Unreadable>,
{
    let key = Key::of(&item);
    let corrupt = |reason: String| {
        let shown_key = key.as_ref().map_or_else(String::new, Key::without_names);
        StoreError::corrupt(format!("{shown_key}: {reason}"))
    };
    let stored: T = serde_dynamo::from_item(item).map_err(|e| corrupt(without_value(&e)))?;
    stored.try_into().map_err(|Unreadable(e)| corrupt(e))
}

/// The text of a serde error without the value that it quotes: the value may be a credential, and errors are
/// logged.
fn without_value(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    match (text.find('"'), text.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}…{}", &text[..from], &text[to + 1..]),
        _ => text,
    }
}

/// Why a stored value cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

impl From<Invalid> for Unreadable {
    fn from(Invalid(reason): Invalid) -> Self {
        Self(reason)
    }
}

impl From<MalformedId> for Unreadable {
    fn from(error: MalformedId) -> Self {
        Self(error.to_string())
    }
}

pub(super) fn unknown(what: &str, value: &str) -> Unreadable {
    Unreadable(format!("unknown {what} {value}"))
}

pub(super) fn time(text: Option<&String>) -> Result<Option<Timestamp>, Unreadable> {
    Ok(text.map(|text| Timestamp::parse(text)).transpose()?)
}

/// The filter with this text; `None` if there is none.
pub(super) fn filter(text: Option<&str>) -> Result<Option<Arc<Filter>>, Unreadable> {
    let parse = |text| Filter::parse(text).map(Arc::new).map_err(|error| Unreadable(error.to_string()));
    text.map(parse).transpose()
}

pub(super) fn required<T>(what: &str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable(format!("{what} is missing")))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) const fn is_zero(n: &u32) -> bool {
    *n == 0
}
