//! Changes of event types.

use super::{CatalogueType, Contents, Example, FullType, SchemaText, TypeSettings, TypeText, TypeVersion, Visibility};
use crate::domain::event::event_type::EventType;
use crate::domain::time::Timestamp;

/// The wanted state of a type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedType {
    /// What the platform says about it.
    pub settings: TypeSettings,
    /// The schema and the example.
    pub contents: Contents,
}

/// A change of a type. Absent fields stay; `Some(None)` removes a value.
#[derive(Debug, Clone, Default)]
pub struct TypePatch {
    /// The description.
    pub description: Option<Option<TypeText>>,
    /// The group.
    pub group: Option<Option<TypeText>>,
    /// Whether it is archived.
    pub is_archived: Option<bool>,
    /// Whether it is deprecated.
    pub is_deprecated: Option<bool>,
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// The schema.
    pub schema: Option<Option<SchemaText>>,
    /// The example.
    pub example: Option<Option<Example>>,
}

impl FullType {
    /// The state that the change makes of the type.
    pub fn patched(&self, patch: TypePatch) -> WantedType {
        let (settings, contents) = (self.kind.settings.clone(), self.contents());
        WantedType {
            settings: TypeSettings {
                description: patch.description.unwrap_or(settings.description),
                group: patch.group.unwrap_or(settings.group),
                is_archived: patch.is_archived.unwrap_or(settings.is_archived),
                is_deprecated: patch.is_deprecated.unwrap_or(settings.is_deprecated),
                visibility: patch.visibility.unwrap_or(settings.visibility),
            },
            contents: Contents {
                schema: patch.schema.unwrap_or(contents.schema),
                example: patch.example.unwrap_or(contents.example),
            },
        }
    }
}

/// A write of a type.
#[derive(Debug, Clone)]
pub struct TypeChange {
    /// The version of the type as it was read; `None` if it must not exist.
    pub seen: Option<u64>,
    /// The type after the write.
    pub after: CatalogueType,
    /// The new version, if the schema or the example changes.
    pub new: Option<TypeVersion>,
}

impl WantedType {
    /// The write that creates the type.
    pub fn creation(self, name: &EventType, now: Timestamp) -> TypeChange {
        let new = (self.contents != Contents::default()).then_some(self.contents);
        let new = new.map(|contents| TypeVersion { number: 1, contents, created_at: now });
        let after = CatalogueType {
            name: name.clone(),
            settings: self.settings,
            latest: new.as_ref().map(|new| new.number),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        TypeChange { seen: None, after, new }
    }

    /// The write that replaces the stored type; `None` if nothing changes.
    pub fn replacement(self, before: &FullType, now: Timestamp) -> Option<TypeChange> {
        let is_same = before.contents().is_same(&self.contents);
        let FullType { kind, .. } = before;
        if is_same && kind.settings == self.settings {
            return None;
        }
        let number = kind.latest.unwrap_or(0).saturating_add(1);
        let new = (!is_same).then_some(TypeVersion { number, contents: self.contents, created_at: now });
        let after = CatalogueType {
            settings: self.settings,
            latest: new.as_ref().map(|new| new.number).or(kind.latest),
            updated_at: now,
            version: kind.version.saturating_add(1),
            ..kind.clone()
        };
        Some(TypeChange { seen: Some(kind.version), after, new })
    }

    /// The write that creates or replaces the type; `None` if nothing changes.
    pub fn change(self, name: &EventType, before: Option<&FullType>, now: Timestamp) -> Option<TypeChange> {
        match before {
            Some(before) => self.replacement(before, now),
            None => Some(self.creation(name, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
    const LATER: Timestamp = Timestamp::from_unix_seconds(1_774_382_500);

    fn wanted(schema: Option<&str>, example: Option<&str>) -> WantedType {
        let contents = Contents {
            schema: schema.map(|schema| SchemaText::parse(schema).unwrap()),
            example: example.map(|example| Example::parse(example).unwrap()),
        };
        WantedType { contents, ..WantedType::default() }
    }

    fn created(wanted: WantedType) -> FullType {
        let name = EventType::parse("order.paid").unwrap();
        let TypeChange { after, new, .. } = wanted.creation(&name, NOW);
        FullType { kind: after, newest: new }
    }

    #[test]
    fn a_change_of_schema_or_example_makes_a_version_and_other_changes_make_none() {
        let plain = created(WantedType::default());
        assert_eq!((plain.kind.latest, plain.kind.version, &plain.newest), (None, 1, &None));
        let first = created(wanted(Some(r#"{"type": "object"}"#), Some("{}")));
        assert_eq!((first.kind.latest, first.newest.as_ref().unwrap().number), (Some(1), 1));
        let described = TypeSettings { description: TypeText::description("x").ok(), ..TypeSettings::default() };
        let object = Some(r#"{"type": "object"}"#);
        for (change, expected) in [
            (wanted(object, Some("{}")), None),
            (wanted(Some(r#"{ "type":"object" }"#), Some("{ }")), None),
            (WantedType { settings: described, ..wanted(object, Some("{}")) }, Some((Some(1), false))),
            (wanted(object, Some(r#"{"a": 1}"#)), Some((Some(2), true))),
            (wanted(Some("true"), Some("{}")), Some((Some(2), true))),
            (wanted(None, None), Some((Some(2), true))),
        ] {
            let changed = change.clone().replacement(&first, LATER);
            let found = changed.as_ref().map(|changed| (changed.after.latest, changed.new.is_some()));
            assert_eq!(found, expected, "{change:?}");
            if let Some(TypeChange { seen, after, .. }) = changed {
                assert_eq!(seen, Some(1));
                assert_eq!((after.version, after.created_at, after.updated_at), (2, NOW, LATER));
            }
        }
    }

    #[test]
    fn a_patch_changes_only_the_fields_that_it_has() {
        let first = created(wanted(Some("true"), Some("{}")));
        assert_eq!(first.patched(TypePatch::default()), wanted(Some("true"), Some("{}")));
        let patch = TypePatch {
            is_archived: Some(true),
            visibility: Some(Visibility::Internal),
            schema: Some(None),
            ..TypePatch::default()
        };
        let patched = first.patched(patch);
        assert!(patched.settings.is_archived && patched.settings.visibility == Visibility::Internal);
        assert_eq!(patched.contents, wanted(None, Some("{}")).contents);
    }
}
