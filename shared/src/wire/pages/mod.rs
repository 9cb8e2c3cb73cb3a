//! The `pages` dialect: lists have numbered pages and a count, and resources have `created`, `modified` and
//! `is_active`.

mod delivery;
mod endpoint;
mod page;
mod query;

pub use delivery::DeliveryOut;
pub use endpoint::{Changed, Created, EndpointIn, EndpointOut, EndpointPatchIn};
pub use page::{PageNumber, PageOut, PageParameters};
pub use query::{DeliveriesParameters, DeliveriesQuery, EndpointsParameters, EndpointsQuery, Ordering};
