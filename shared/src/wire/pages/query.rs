//! Filters and orders of the lists of the `pages` dialect.

use utoipa::IntoParams;

use super::endpoint::is_active;
use super::page::PageNumber;
use crate::domain::Invalid;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::endpoint::Endpoint;
use crate::domain::text::EditionId;
use crate::wire::error::Problem;
use crate::wire::openapi::{deliveries_ordering, endpoints_ordering};
use crate::wire::query::{Query, delivery_status};

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordering {
    by: By,
    /// Whether the order is descending.
    pub descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Created,
    Modified,
    Name,
}

/// The query of the list of endpoints.
#[derive(Debug)]
pub struct EndpointsQuery {
    edition: Option<EditionId>,
    is_active: Option<bool>,
    ordering: Ordering,
    /// The requested page.
    pub page: PageNumber,
}

impl EndpointsQuery {
    /// Parses the query. `organization_id` is ignored, because it was parsed earlier.
    ///
    /// # Errors
    /// All invalid or unknown parameters.
    pub fn parse(mut query: Query) -> Result<Self, Vec<Problem>> {
        let _ = query.organization();
        let wanted = Self {
            edition: query.take("edition_id", EditionId::parse),
            is_active: query.take("is_active", |text| match text {
                "true" | "True" | "1" => Ok(true),
                "false" | "False" | "0" => Ok(false),
                _ => Err(Invalid::new("must be true or false")),
            }),
            ordering: query
                .take("ordering", |text| ordering(text, &[By::Created, By::Modified, By::Name]))
                .unwrap_or(Ordering { by: By::Created, descending: false }),
            page: PageNumber::take(&mut query),
        };
        query.finish(wanted)
    }

    /// Filters and sorts an organization's endpoints, which must be sorted by creation time.
    pub fn select<'a>(&self, endpoints: &'a [Endpoint]) -> Vec<&'a Endpoint> {
        let is_wanted = |endpoint: &&Endpoint| {
            self.edition.as_ref().is_none_or(|wanted| endpoint.settings.edition.as_ref() == Some(wanted))
                && self.is_active.is_none_or(|wanted| is_active(endpoint) == wanted)
        };
        let mut endpoints: Vec<_> = endpoints.iter().filter(is_wanted).collect();
        // The sort is stable, so endpoints with equal values stay in the order of their creation.
        match self.ordering.by {
            By::Created => {}
            By::Modified => endpoints.sort_by_key(|endpoint| endpoint.updated_at),
            By::Name => endpoints.sort_by(|a, b| a.settings.name.cmp(&b.settings.name)),
        }
        if self.ordering.descending {
            endpoints.reverse();
        }
        endpoints
    }
}

/// The query of the list of an endpoint's deliveries.
#[derive(Debug)]
pub struct DeliveriesQuery {
    /// Only deliveries with this status.
    pub status: Option<DeliveryStatus>,
    /// The order, by default newest first.
    pub ordering: Ordering,
    /// The requested page.
    pub page: PageNumber,
}

impl DeliveriesQuery {
    /// Parses the query. `organization_id` is ignored, because it was parsed earlier.
    ///
    /// # Errors
    /// All invalid or unknown parameters.
    pub fn parse(mut query: Query) -> Result<Self, Vec<Problem>> {
        let _ = query.organization();
        let wanted = Self {
            status: query.take("status", delivery_status),
            ordering: query
                .take("ordering", |text| ordering(text, &[By::Created]))
                .unwrap_or(Ordering { by: By::Created, descending: true }),
            page: PageNumber::take(&mut query),
        };
        query.finish(wanted)
    }
}

/// The parameters of [`EndpointsQuery::parse`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EndpointsParameters {
    /// Only endpoints of this edition.
    #[param(value_type = Option<EditionId>)]
    pub edition_id: Option<String>,
    /// Only enabled endpoints, or only disabled ones.
    pub is_active: Option<bool>,
    /// The order of the list; `-` stands for descending.
    #[param(schema_with = endpoints_ordering)]
    pub ordering: Option<String>,
}

/// The parameters of [`DeliveriesQuery::parse`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesParameters {
    /// Only deliveries with this status.
    #[param(value_type = Option<DeliveryStatus>)]
    pub status: Option<String>,
    /// The order of the list; `-created` stands for newest first.
    #[param(schema_with = deliveries_ordering)]
    pub ordering: Option<String>,
}

fn ordering(text: &str, allowed: &[By]) -> Result<Ordering, Invalid> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let spelt = |by: &By| match by {
        By::Created => "created",
        By::Modified => "modified",
        By::Name => "name",
    };
    let found = allowed.iter().find(|by| spelt(by) == name);
    found.map(|by| Ordering { by: *by, descending }).ok_or_else(|| {
        let names: Vec<_> = allowed.iter().flat_map(|by| [spelt(by).to_owned(), format!("-{}", spelt(by))]).collect();
        Invalid::new(format!("must be one of {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_orderings_are_rejected() {
        assert_eq!(ordering("-name", &[By::Name]), Ok(Ordering { by: By::Name, descending: true }));
        assert!(ordering("name", &[By::Created]).unwrap_err().0.ends_with("created, -created"));
        assert!(ordering("", &[By::Created]).is_err());
    }
}
