//! The portal: web pages for the people of a tenant, and for operators.

pub mod branding;
pub mod form_id;
pub mod origin;
pub mod session;
pub mod token;

use branding::{Accent, LogoUrl, PortalName};
use origin::PortalOrigin;

/// The settings of the portal.
#[derive(Debug, Clone, Default)]
pub struct PortalSettings {
    /// The origins that may show the portal in a frame, and to which a session's link back may lead.
    pub origins: Vec<PortalOrigin>,
    /// The name that the pages show; `None` for the product's.
    pub name: Option<PortalName>,
    /// The image that the pages show beside the name.
    pub logo: Option<LogoUrl>,
    /// The colour of links and buttons.
    pub accent: Accent,
    /// Whether the platform may create sessions for operators.
    pub has_operators: bool,
}
