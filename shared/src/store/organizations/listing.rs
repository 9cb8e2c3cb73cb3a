//! The list of all organizations, and the search for one by its slug.

use std::cmp::Reverse;

use super::item::{OrganizationItem, SlugItem};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::Organization;
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::text::Slug;
use crate::store::item::{Unreadable, read};
use crate::store::keys::Waiting;
use crate::store::read::merge::Source;
use crate::store::read::waiting::{HIGHEST, LOWEST, WaitingKey};
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
    /// The organizations, in the order of the list, without those whose items cannot be read.
    pub organizations: Vec<Organization>,
    /// The error of each item that cannot be read.
    pub unreadable: Vec<StoreError>,
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
        let (found, last) = self.listed_after(after, limit).await?;
        let mut page = self.organization_page(found, last).await?;
        page.organizations.sort_unstable_by_key(OrganizationPosition::of);
        Ok(page)
    }

    /// The ids of a page of [`Store::organizations_after`], and the position after which the next page begins. Only the index is
    /// read, so organizations whose items cannot be read are included.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn organization_ids_after(
        &self,
        after: Option<&OrganizationPosition>,
        limit: usize,
    ) -> Result<(Vec<OrganizationId>, Option<OrganizationPosition>), StoreError> {
        let (found, last) = self.listed_after(after, limit).await?;
        Ok((found.iter().filter_map(|entry| Some(entry.organization()?.id)).collect(), last))
    }

    async fn listed_after(
        &self,
        after: Option<&OrganizationPosition>,
        limit: usize,
    ) -> Result<(Vec<WaitingKey>, Option<OrganizationPosition>), StoreError> {
        let lowest =
            after.map_or_else(|| LOWEST.to_owned(), |after| format!("{}{LOWEST}", keys::listed_organization(after).1));
        let found = self.waiting_keys(Waiting::organization_shards(), &lowest, HIGHEST, limit).await?;
        let last = found.last().filter(|_| found.len() == limit).and_then(WaitingKey::organization);
        Ok((found, last))
    }

    async fn organization_page(
        &self,
        found: Vec<WaitingKey>,
        last: Option<OrganizationPosition>,
    ) -> Result<OrganizationPage, StoreError> {
        let mut page = OrganizationPage { organizations: Vec::new(), unreadable: Vec::new(), last };
        for item in self.get_all(found.into_iter().map(|entry| entry.key).collect()).await? {
            match read::<OrganizationItem, Organization>(item) {
                Ok(organization) => page.organizations.push(organization),
                Err(error) => page.unreadable.push(error),
            }
        }
        Ok(page)
    }

    /// As [`Store::organizations_after`], with those that were created before this position, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn organizations_before(
        &self,
        before: Option<&OrganizationPosition>,
        limit: usize,
    ) -> Result<OrganizationPage, StoreError> {
        let bound = before.map(|before| keys::listed_organization(before).1);
        let highest = bound.as_deref().unwrap_or(HIGHEST);
        let shards = Waiting::organization_shards();
        let mut found = self.waiting_keys_of(Source::IndexDescending, shards, LOWEST, highest, limit + 2).await?;
        // The position itself is not before it.
        found.retain(|waiting| Some(&waiting.sort_key) != bound.as_ref());
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more).and_then(|last| last.organization());
        let mut page = self.organization_page(found, last).await?;
        page.organizations.sort_unstable_by_key(|organization| Reverse(OrganizationPosition::of(organization)));
        Ok(page)
    }

    /// The organization with this slug. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn organization_with_slug(&self, slug: &Slug) -> Result<Option<OrganizationId>, StoreError> {
        Ok(self.get::<SlugItem, Owner>(&keys::slug(slug.as_str())).await?.map(|Owner(id)| id))
    }
}
