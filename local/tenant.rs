//! The demo organization. The first start creates it. Later starts update its endpoint's URL to the host's port.

use anyhow::bail;
use shared::domain::access::Role;
use shared::domain::api_key::{KeySecret, NewKey};
use shared::domain::endpoint::{EndpointPatch, EndpointSettings, NewEndpoint, WantedStatus};
use shared::domain::event_type::Subscription;
use shared::domain::fields::{EndpointUrl, Headers, Name, Slug, TimeoutSeconds};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::organization::NewOrganization;
use shared::service::{Core, ServiceError};

use crate::credentials::Kept;

/// Creates the organization, its key, and its endpoint at the demo receiver. No endpoint is created if `ALLOW_HTTP` or
/// `ALLOWED_NETWORKS` forbid the receiver's URL.
///
/// # Errors
/// If the table cannot be written.
pub(crate) async fn create(core: &Core, platform_key: KeySecret, receiver: &str) -> anyhow::Result<Kept> {
    let organization = create_organization(core).await?;
    let key = NewKey { name: Name::parse("demo")?, role: Role::Owner };
    let issued = core.issue_key(&organization, key).await?;
    let endpoint = match EndpointUrl::parse(receiver, &core.deployment().urls) {
        Ok(url) => Some(create_endpoint(core, &organization, url).await?),
        Err(_) => None,
    };
    Ok(Kept {
        platform_key: platform_key.reveal().to_owned(),
        organization_id: organization.to_string(),
        api_key: issued.secret.reveal().to_owned(),
        endpoint_id: endpoint.map(|id| id.to_string()),
    })
}

async fn create_endpoint(core: &Core, organization: &OrganizationId, url: EndpointUrl) -> anyhow::Result<EndpointId> {
    let settings = EndpointSettings {
        name: Name::parse("Demo receiver")?,
        url,
        subscriptions: vec![Subscription::All],
        headers: Headers::default(),
        timeout: TimeoutSeconds::default(),
        edition: None,
        retry_schedule: None,
    };
    let new = NewEndpoint { settings, secret: None, status: WantedStatus::Active };
    Ok(core.create_endpoint(organization, new).await?.id)
}

/// Creates the organization. The slug `demo` is taken if the database has a demo organization that `host.json` does not
/// name.
async fn create_organization(core: &Core) -> anyhow::Result<OrganizationId> {
    for slug in ["demo".to_owned(), format!("demo-{}", core.clock().now().unix_seconds())] {
        let new = NewOrganization { id: None, name: Name::parse("Demo")?, slug: Slug::parse(&slug)? };
        match core.create_organization(new).await {
            Ok(organization) => return Ok(organization.id),
            Err(ServiceError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the demo organization cannot be made: its slug is taken")
}

/// Sets the demo endpoint's URL to the port of this start, if the endpoint exists and the receiver's URL is allowed.
///
/// # Errors
/// If the table cannot be read or written, or lacks the organization that the host's file names.
pub(crate) async fn keep_up(core: &Core, kept: Kept, receiver: &str) -> anyhow::Result<Kept> {
    let organization = OrganizationId::parse(&kept.organization_id)?;
    match core.organization(&organization).await {
        Ok(_) => {}
        Err(ServiceError::NotFound(_)) => bail!("{} names an organization that the database lacks", Kept::FILE),
        Err(error) => return Err(error.into()),
    }
    let Some(endpoint) = kept.endpoint_id.as_deref().map(EndpointId::parse).transpose()? else { return Ok(kept) };
    let found = match core.endpoint(&organization, endpoint).await {
        Ok(found) => found.settings.url,
        Err(ServiceError::NotFound(_)) => return Ok(kept),
        Err(error) => return Err(error.into()),
    };
    let wanted = EndpointUrl::parse(&with_query(receiver, &found), &core.deployment().urls).ok();
    if let Some(url) = wanted.filter(|url| found.url().path() == "/demo/receiver" && found != *url) {
        let patch = EndpointPatch { url: Some(url), ..EndpointPatch::default() };
        core.update_endpoint(&organization, endpoint, patch).await?;
    }
    Ok(kept)
}

fn with_query(receiver: &str, former: &EndpointUrl) -> String {
    former.url().query().map_or_else(|| receiver.to_owned(), |query| format!("{receiver}?{query}"))
}
