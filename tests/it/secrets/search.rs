//! Secrets of a run, and the texts in which they must not be.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::support::{Reply, World};

/// The location of what is stored.
const TABLE: &str = "table";

/// Secrets, and texts that must not contain any of them.
#[derive(Default)]
pub(super) struct Search {
    pub(super) secrets: Vec<String>,
    /// Secrets that are in the table as they are: parts of URLs.
    pub(super) stored: HashSet<String>,
    pub(super) texts: Vec<(&'static str, String)>,
}

impl Search {
    /// Generates a secret that the caller supplies.
    pub(super) fn own(&mut self, name: &str) -> String {
        self.secret(&format!("{name}-{}", hex::encode(shared::clock::secret_bytes::<8>())))
    }

    /// Generates a part of a URL that the caller supplies.
    pub(super) fn of_url(&mut self) -> String {
        let part = self.own("url");
        self.stored.insert(part.clone());
        part
    }

    /// Adds a secret, and returns it.
    pub(super) fn secret(&mut self, secret: &str) -> String {
        // The prefix that all secrets share is removed, so a part of a secret is found too. The second half of an Ed25519 key
        // is public.
        let own = secret.trim_start_matches("whsec_").trim_start_matches("sk_live_");
        let own = own.strip_prefix("whsk_").map_or(own, |own| &own[..42]);
        // A link and a cookie begin with the ids of the organization and of the session.
        let own = own.rsplit('.').next().unwrap_or(own);
        assert!(own.len() >= 16, "{secret}");
        self.secrets.push(own.to_owned());
        secret.to_owned()
    }

    /// Adds a text that must not contain a secret.
    pub(super) fn text(&mut self, location: &'static str, text: impl Into<String>) {
        self.texts.push((location, text.into()));
    }

    /// Adds an error.
    pub(super) fn error(&mut self, reply: &Reply) {
        assert!(reply.status >= 400, "{}", reply.body);
        self.text("error", format!("{:?} {}", reply.headers, reply.body));
    }

    /// Adds all items of the table, and the keys in its index.
    pub(super) async fn table(&mut self, world: &World) {
        let index = world.dynamodb().scan().table_name(world.table()).index_name("waiting").into_paginator();
        let index = index.items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
        let items = world.all_items().await;
        assert!(items.len() > 50 && index.len() > 1, "{} {}", items.len(), index.len());
        for item in items.into_iter().chain(index) {
            self.text(TABLE, readable(&AttributeValue::M(item)));
        }
    }

    /// Each secret in a text that must not contain it.
    pub(super) fn found(&self) -> Vec<String> {
        let pairs = self.texts.iter().flat_map(|text| self.secrets.iter().map(move |secret| (text, secret)));
        let forbidden = pairs.filter(|((location, _), secret)| *location != TABLE || !self.stored.contains(*secret));
        let found = forbidden.filter_map(|((location, text), secret)| {
            let line = text.lines().find(|line| line.contains(secret.as_str()))?;
            Some(format!("{secret} in {location}: {line}"))
        });
        found.collect()
    }
}

/// The texts of a value, also those in bytes.
fn readable(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()).into_owned(),
        AttributeValue::Ss(texts) => texts.join(" "),
        AttributeValue::L(values) => values.iter().map(readable).collect::<Vec<_>>().join(" "),
        AttributeValue::M(values) => {
            values.iter().map(|(name, value)| format!("{name} {}", readable(value))).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}
