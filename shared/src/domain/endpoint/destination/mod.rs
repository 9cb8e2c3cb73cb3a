//! Where an endpoint's deliveries go: a URL, or a resource of the deployment's own AWS account.

pub mod arn;
pub mod internal_targets;

use self::arn::{ResourceArn, ResourceKind};
use super::url::EndpointUrl;
use crate::domain::Invalid;
use crate::domain::deployment::Deployment;

/// Where an endpoint's deliveries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A receiver on the internet.
    Url(EndpointUrl),
    /// A queue, event bus or function of the deployment's own account.
    Internal(ResourceArn),
}

impl Destination {
    /// Parses a URL or an ARN under a deployment's policies. Only the holder of the platform's key may name an ARN, so that
    /// no tenant can send to the platform's own resources.
    ///
    /// # Errors
    /// [`Invalid`] if it is neither, or if the caller or the deployment may not send there.
    pub fn parse(text: &str, deployment: &Deployment, holds_platform_key: bool) -> Result<Self, Invalid> {
        if !ResourceArn::is_meant(text) {
            return EndpointUrl::parse(text, &deployment.urls).map(Self::Url);
        }
        if !holds_platform_key {
            return Err(Invalid::new("must be a URL: only the platform's key may set an ARN"));
        }
        let arn = ResourceArn::parse(text)?;
        deployment.internal_targets.check(&arn)?;
        Ok(Self::Internal(arn))
    }

    /// Parses a destination that was accepted earlier, without checking the policies.
    ///
    /// # Errors
    /// [`Invalid`] if the text is neither a URL nor an ARN.
    pub fn stored(text: &str) -> Result<Self, Invalid> {
        if ResourceArn::is_meant(text) {
            return ResourceArn::parse(text).map(Self::Internal);
        }
        EndpointUrl::stored(text).map(Self::Url)
    }

    /// The URL or the ARN as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Url(url) => url.as_str(),
            Self::Internal(arn) => arn.as_str(),
        }
    }

    /// The ARN, or the part of the URL that contains no credential: scheme, host and port.
    pub fn origin(&self) -> String {
        match self {
            Self::Url(url) => url.origin(),
            Self::Internal(arn) => arn.as_str().to_owned(),
        }
    }

    /// The kind of the resource; `None` for a URL.
    pub fn kind(&self) -> Option<ResourceKind> {
        match self {
            Self::Url(_) => None,
            Self::Internal(arn) => Some(arn.kind()),
        }
    }

    /// The URL; `None` for an ARN.
    pub const fn url(&self) -> Option<&EndpointUrl> {
        match self {
            Self::Url(url) => Some(url),
            Self::Internal(_) => None,
        }
    }
}

impl From<EndpointUrl> for Destination {
    fn from(url: EndpointUrl) -> Self {
        Self::Url(url)
    }
}
