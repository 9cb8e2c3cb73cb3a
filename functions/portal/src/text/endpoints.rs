//! The list of endpoints.

pub(crate) const TITLE: &str = "Endpoints";
pub(crate) const NONE: &str =
    "There is no endpoint yet. An endpoint is a URL of yours that receives events as signed POST requests.";
pub(crate) const CREATE: &str = "Create an endpoint";
pub(crate) const NAME: &str = "Name";
pub(crate) const URL: &str = "URL";
pub(crate) const STATE: &str = "State";
pub(crate) const LAST_DAY: &str = "Last 24 hours";
pub(crate) const SHARE: &str = "Delivered";
