//! The list of all organizations, and the search for one by its slug.

use super::{OrganizationItem, SlugItem};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::Organization;
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::text::Slug;
use crate::store::item::{Unreadable, read};
use crate::store::keys::Waiting;
use crate::store::read::waiting::{HIGHEST, LOWEST};
use crate::store::{Store, StoreError, keys};

/// The organization that has a slug.
struct Owner(OrganizationId);

impl TryFrom<SlugItem> for Owner {
    type Error = Unreadable;

    fn try_from(item: SlugItem) -> Result<Self, Unreadable> {
        Ok(Self(OrganizationId::parse(&item.organization)?))
    }
}

/// A page of the list of organizations.
#[derive(Debug)]
pub struct OrganizationPage {
    /// The organizations, oldest first.
    pub organizations: Vec<Organization>,
    /// The position after which the next page begins; `None` if there are no more.
    pub last: Option<OrganizationPosition>,
}

impl Store {
    /// Reads a page of up to `limit` organizations that were created after this position, oldest first. The index lags behind the
    /// table: an organization that was created within the last seconds may be missing, and the page has fewer if some were removed.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn organizations_after(
        &self,
        after: Option<&OrganizationPosition>,
        limit: usize,
    ) -> Result<OrganizationPage, StoreError> {
        let lowest =
            after.map_or_else(|| LOWEST.to_owned(), |after| format!("{}{LOWEST}", keys::listed_organization(after).1));
        let found = self.waiting_keys(Waiting::organization_shards(), &lowest, HIGHEST, limit).await?;
        let last = found.last().filter(|_| found.len() == limit).and_then(|last| last.organization());
        let items = self.get_all(found.into_iter().map(|waiting| waiting.key).collect()).await?;
        let mut organizations =
            items.into_iter().map(read::<OrganizationItem, Organization>).collect::<Result<Vec<_>, _>>()?;
        organizations.sort_unstable_by_key(OrganizationPosition::of);
        Ok(OrganizationPage { organizations, last })
    }

    /// The organization with this slug. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn organization_with_slug(&self, slug: &Slug) -> Result<Option<OrganizationId>, StoreError> {
        Ok(self.get::<SlugItem, Owner>(&keys::slug(slug.as_str())).await?.map(|Owner(id)| id))
    }
}
