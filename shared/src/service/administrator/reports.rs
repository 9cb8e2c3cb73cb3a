//! Reports over organizations, for the platform. They are computed when they are read.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Administrator;
use super::organizations::log_unreadable;
use crate::domain::endpoint::fan_out::TargetStatus;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::domain::tenancy::usage::{Days, Usage};
use crate::service::ServiceError;
use crate::store::OrganizationPage;

/// Most organizations of a report. Each takes one to three reads.
const MOST_ORGANIZATIONS: usize = 5_000;
/// How many organizations are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;
const ORGANIZATIONS_PER_PAGE: usize = 500;

impl Administrator {
    /// The usage of these organizations on these days, or of all. Those that do not exist are left out.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if there are too many organizations.
    pub async fn usage_report(
        &self,
        days: Days,
        named: &[OrganizationId],
    ) -> Result<Vec<(OrganizationId, Option<ExternalId>, Usage)>, ServiceError> {
        let organizations = match named {
            [] => self.all_organizations().await?,
            named => self.existing_organizations(named).await?,
        };
        let reads = organizations.into_iter().map(async |Organization { id, external_id, .. }| {
            let mut sum = Usage::default();
            for (_, usage) in self.meter.usage(&id, days).await? {
                sum += usage;
            }
            Ok((id, external_id, sum))
        });
        let reads: Vec<_> = reads.collect();
        stream::iter(reads).buffered(MAX_CONCURRENT_READS).try_collect().await
    }

    /// The subscriptions of the endpoints of each organization, without those that are disabled.
    ///
    /// # Errors
    /// As [`Administrator::usage_report`].
    pub async fn subscription_report(&self) -> Result<Vec<(OrganizationId, Vec<Subscription>)>, ServiceError> {
        let reads = self.all_organizations().await?.into_iter().map(async |Organization { id, .. }| {
            let subscriptions = self.subscriptions(&id).await?;
            Ok::<_, ServiceError>((id, subscriptions))
        });
        let reads: Vec<_> = reads.collect();
        stream::iter(reads).buffered(MAX_CONCURRENT_READS).try_collect().await
    }

    /// The different subscriptions of an organization's endpoints, in alphabetical order.
    async fn subscriptions(&self, organization: &OrganizationId) -> Result<Vec<Subscription>, ServiceError> {
        let Some(state) = self.store.organization_state(organization).await? else { return Ok(Vec::new()) };
        let mut all = BTreeSet::new();
        for (group, _) in state.revisions.groups() {
            let targets = self.store.targets(organization, group).await?;
            let enabled = targets.iter().filter(|target| target.status != TargetStatus::Disabled);
            all.extend(enabled.flat_map(|target| &target.subscriptions).map(Subscription::to_string));
        }
        all.iter().map(|text| Subscription::parse(text).map_err(|it| ServiceError::Internal(it.to_string()))).collect()
    }

    async fn all_organizations(&self) -> Result<Vec<Organization>, ServiceError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let OrganizationPage { organizations, unreadable, last } =
                self.store.organizations_after(after.as_ref(), ORGANIZATIONS_PER_PAGE).await?;
            log_unreadable(&unreadable);
            all.extend(organizations.into_iter().filter(is_counted));
            if all.len() > MOST_ORGANIZATIONS {
                let message = format!("the deployment has more than {MOST_ORGANIZATIONS} applications");
                return Err(ServiceError::QuotaExceeded(message));
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(all),
            }
        }
    }

    /// Those of these organizations that exist.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn existing_organizations(&self, named: &[OrganizationId]) -> Result<Vec<Organization>, ServiceError> {
        let reads: Vec<_> = named.iter().map(|id| self.store.organization(id)).collect();
        let found: Vec<_> = stream::iter(reads).buffered(MAX_CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().filter(is_counted).collect())
    }
}

fn is_counted(organization: &Organization) -> bool {
    organization.status != OrganizationStatus::Deleting && !organization.id.is_platform()
}
