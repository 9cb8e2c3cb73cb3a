//! The demo organization. The first start creates it. Later starts update its endpoint's URL to the host's port.

use anyhow::bail;
use shared::domain::endpoint::change::EndpointPatch;
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::endpoint::url::EndpointUrl;
use shared::domain::endpoint::{EndpointSettings, NewEndpoint, WantedStatus};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::signing::key::NewSecret;
use shared::domain::tenancy::access::{PlatformRole, Role};
use shared::domain::tenancy::api_key::{KeySecret, NewKey, PlatformKey};
use shared::domain::tenancy::organization::NewOrganization;
use shared::domain::tenancy::rights::{Binding, Rights};
use shared::domain::text::{Name, Slug};
use shared::service::{Administrator, Caller, ServiceError};
use tracing::warn;

use crate::credentials::StoredCredentials;

/// Creates the organization, its key, and its endpoint at the demo receiver. No endpoint is created if `ALLOW_HTTP` or
/// `ALLOWED_NETWORKS` forbid the receiver's URL.
///
/// # Errors
/// If the table cannot be written.
pub(crate) async fn create(
    administrator: &Administrator,
    platform_key: KeySecret,
    receiver: &str,
) -> anyhow::Result<StoredCredentials> {
    let organization = create_organization(administrator).await?;
    let platform = Caller::Platform(PlatformKey { hash: platform_key.hash(), role: PlatformRole::Full });
    let key = NewKey { name: Name::parse("demo")?, rights: Rights::of_role(Role::Owner) };
    let issued = administrator.issue_key(&organization, &platform, key).await?;
    let endpoint = match EndpointUrl::parse(receiver, &administrator.deployment().urls) {
        Ok(url) => Some(create_endpoint(administrator, &organization, url).await?),
        Err(_) => None,
    };
    Ok(StoredCredentials {
        platform_key: platform_key.reveal().to_owned(),
        organization_id: organization.to_string(),
        api_key: issued.secret.reveal().to_owned(),
        endpoint_id: endpoint.map(|id| id.to_string()),
    })
}

async fn create_endpoint(
    administrator: &Administrator,
    organization: &OrganizationId,
    url: EndpointUrl,
) -> anyhow::Result<EndpointId> {
    let settings = EndpointSettings::new(Name::parse("Demo receiver")?, url, vec![Subscription::All]);
    let new = NewEndpoint { settings, secret: NewSecret::default(), status: WantedStatus::Active };
    Ok(administrator.create_endpoint(organization, new).await?.id)
}

/// Creates the organization. The slug `demo` is taken if the database has a demo organization that `host.json` does not
/// name.
async fn create_organization(administrator: &Administrator) -> anyhow::Result<OrganizationId> {
    for slug in ["demo".to_owned(), format!("demo-{}", administrator.clock().now().unix_seconds())] {
        let new = NewOrganization::new(Name::parse("Demo")?, Some(Slug::parse(&slug)?));
        match administrator.create_organization(new).await {
            Ok(organization) => return Ok(organization.id),
            Err(ServiceError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the demo organization cannot be made: its slug is taken")
}

/// Sets the demo endpoint's URL to the port of this start, if the endpoint exists and the receiver's URL is allowed. Creates
/// another demo organization if the platform deleted the one that the host's file names.
///
/// # Errors
/// If the table cannot be read or written.
pub(crate) async fn refresh(
    administrator: &Administrator,
    stored: StoredCredentials,
    receiver: &str,
) -> anyhow::Result<StoredCredentials> {
    let organization = OrganizationId::parse(&stored.organization_id)?;
    match administrator.access().organization(&organization).await {
        Ok(_) => {}
        Err(ServiceError::NotFound(_) | ServiceError::Conflict(_)) => {
            warn!(%organization, "the demo organization was deleted, and another one is made");
            return create(administrator, KeySecret::presented(&stored.platform_key), receiver).await;
        }
        Err(error) => return Err(error.into()),
    }
    let Some(endpoint) = stored.endpoint_id.as_deref().map(EndpointId::parse).transpose()? else { return Ok(stored) };
    let found = match administrator.endpoint(&organization, endpoint).await {
        Ok(found) => found.settings.destination,
        Err(ServiceError::NotFound(_)) => return Ok(stored),
        Err(error) => return Err(error.into()),
    };
    let Some(found) = found.url() else { return Ok(stored) };
    let wanted = EndpointUrl::parse(&with_query(receiver, found), &administrator.deployment().urls).ok();
    if let Some(url) = wanted.filter(|url| found.url().path() == "/demo/receiver" && found != url) {
        let patch = EndpointPatch { destination: Some(url.into()), ..EndpointPatch::default() };
        administrator.update_endpoint(&organization, &Binding::default(), endpoint, patch).await?;
    }
    Ok(stored)
}

fn with_query(receiver: &str, former: &EndpointUrl) -> String {
    former.url().query().map_or_else(|| receiver.to_owned(), |query| format!("{receiver}?{query}"))
}
