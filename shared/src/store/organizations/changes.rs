//! The update expression of a change of several attributes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update};

use super::item::status_name;
use crate::domain::event::payload::Format;
use crate::domain::tenancy::organization::OrganizationPatch;
use crate::domain::time::Timestamp;

/// Attributes that an update sets, or removes if they have no value.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<&'static str, Option<AttributeValue>>);

impl Changes {
    /// The changes of an organization's item.
    pub(super) fn of_organization(patch: &OrganizationPatch, now: Timestamp) -> Self {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut changes = Self::default();
        changes.set("updated_at", text(&now.rfc3339()));
        if let Some(name) = &patch.name {
            changes.set("name", text(name.as_str()));
        }
        if let Some(external_id) = &patch.external_id {
            changes.set_or_remove("external_id", external_id.as_ref().map(|it| text(it.as_str())));
        }
        if let Some(description) = &patch.description {
            changes.set_or_remove("description", description.as_ref().map(|it| text(it.as_str())));
        }
        if let Some(metadata) = &patch.metadata {
            let pairs = metadata.as_map().iter().map(|(key, value)| (key.clone(), text(value)));
            let pairs = Some(pairs.collect()).filter(|pairs: &std::collections::HashMap<_, _>| !pairs.is_empty());
            changes.set_or_remove("metadata", pairs.map(AttributeValue::M));
        }
        if let Some(format) = patch.default_format {
            changes.set_or_remove("default_format", stored_format(format));
        }
        if let Some(status) = patch.status {
            changes.set("status", text(status_name(status)));
        }
        changes
    }

    pub(super) fn set(&mut self, attribute: &'static str, value: AttributeValue) {
        self.0.insert(attribute, Some(value));
    }

    pub(super) fn set_or_remove(&mut self, attribute: &'static str, value: Option<AttributeValue>) {
        self.0.insert(attribute, value);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The update without its key.
    pub(super) fn update(self) -> UpdateBuilder {
        let mut update = Update::builder();
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        for (attribute, value) in self.0 {
            update = update.expression_attribute_names(format!("#{attribute}"), attribute);
            match value {
                Some(value) => {
                    set.push(format!("#{attribute} = :{attribute}"));
                    update = update.expression_attribute_values(format!(":{attribute}"), value);
                }
                None => removed.push(format!("#{attribute}")),
            }
        }
        let clause =
            |action: &str, parts: Vec<String>| (!parts.is_empty()).then(|| format!("{action} {}", parts.join(", ")));
        let clauses = [clause("SET", set), clause("REMOVE", removed)];
        update.update_expression(clauses.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

/// The stored form of a format; `None` for the default, which is absent.
pub(super) fn stored_format(format: Format) -> Option<AttributeValue> {
    (format != Format::default()).then(|| AttributeValue::S(format.as_str().to_owned()))
}
