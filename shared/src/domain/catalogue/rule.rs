//! Which version of its type the data of an event must satisfy.

use super::{CatalogueType, Visibility};
use crate::domain::Invalid;
use crate::domain::event::event_type::{Catalogue, EventType};
use crate::domain::schema::Violation;

/// Why an event is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A field, by its name in the domain.
    Field(&'static str, Invalid),
    /// Its data violates the schema.
    Data(Vec<Violation>),
}

/// The version whose schema the event's data must satisfy, if that version has one; `None` if nothing is required.
/// `found` is the type in the catalogue, `named` the version that the event names. To a caller that is not the platform,
/// an internal type is unknown.
///
/// # Errors
/// [`Refusal::Field`] for an unknown type if the catalogue is closed, and for an unknown version.
pub fn required_version(
    event_type: &EventType,
    named: Option<u32>,
    found: Option<&CatalogueType>,
    is_platform: bool,
    catalogue: &Catalogue,
) -> Result<Option<u32>, Refusal> {
    let known = found.filter(|known| is_platform || known.settings.visibility == Visibility::Public);
    if known.is_none() {
        catalogue.check_known(event_type).map_err(|invalid| Refusal::Field("type", invalid))?;
    }
    let latest = known.and_then(|known| known.latest);
    match (named, latest) {
        (None, latest) => Ok(latest),
        (Some(named), Some(latest)) if (1..=latest).contains(&named) => Ok(Some(named)),
        (Some(named), _) => Err(Refusal::of_version(event_type, named)),
    }
}

impl Refusal {
    /// The refusal of an event that an earlier request with the same idempotency key was refused, and that is valid now.
    pub fn of_earlier_request() -> Self {
        Self::Field(
            "data",
            Invalid::new("was refused when this request was first sent; send the event with another key"),
        )
    }

    /// The refusal of an event that names a version which its type does not have.
    pub fn of_version(event_type: &EventType, named: u32) -> Self {
        Self::Field("schema_version", Invalid::new(format!("{named} is not a version of {event_type}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::TypeSettings;
    use crate::domain::time::Timestamp;

    #[test]
    fn an_event_must_satisfy_the_version_that_it_names_or_else_the_newest() {
        let at = Timestamp::from_unix_seconds(0);
        let name = EventType::parse("order.paid").unwrap();
        let stored = |visibility, latest| CatalogueType {
            name: name.clone(),
            settings: TypeSettings { visibility, ..TypeSettings::default() },
            latest,
            created_at: at,
            updated_at: at,
            version: 1,
        };
        let (public, bare) = (stored(Visibility::Public, Some(3)), stored(Visibility::Public, None));
        let internal = stored(Visibility::Internal, Some(3));
        let (open, closed) = (Catalogue::default(), Catalogue::closed([]));
        let configured = Catalogue::closed([name.clone()]);
        let unknown = Err("type");
        for (found, is_platform, catalogue, named, expected) in [
            (None, false, &open, None, Ok(None)),
            (None, false, &open, Some(1), Err("schema_version")),
            (None, true, &closed, None, unknown),
            (None, false, &configured, None, Ok(None)),
            (Some(&bare), false, &closed, None, Ok(None)),
            (Some(&bare), false, &closed, Some(1), Err("schema_version")),
            (Some(&public), false, &closed, None, Ok(Some(3))),
            (Some(&public), false, &open, Some(1), Ok(Some(1))),
            (Some(&public), false, &open, Some(3), Ok(Some(3))),
            (Some(&public), false, &open, Some(0), Err("schema_version")),
            (Some(&public), false, &open, Some(4), Err("schema_version")),
            (Some(&internal), true, &closed, None, Ok(Some(3))),
            (Some(&internal), false, &closed, None, unknown),
            (Some(&internal), false, &open, None, Ok(None)),
            (Some(&internal), false, &open, Some(1), Err("schema_version")),
            (Some(&internal), false, &configured, None, Ok(None)),
        ] {
            let required = required_version(&name, named, found, is_platform, catalogue);
            let field = |refusal| match refusal {
                Refusal::Field(field, _) => field,
                Refusal::Data(_) => "data",
            };
            let shown = format!("{found:?} {is_platform} {catalogue:?} {named:?}");
            assert_eq!(required.map_err(field), expected, "{shown}");
        }
    }
}
