//! The scopes that routes require, as types.

use crate::domain::tenancy::access::Scope;

/// The scopes that a route requires, as a type.
pub trait RequiredScope: Send + Sync + 'static {
    /// The caller must have at least one of these.
    const ANY_OF: &'static [Scope];
}

macro_rules! scopes {
    ($($name:ident = $($scope:ident)|+),+ $(,)?) => {$(
        /// Requires the scopes of the same name.
        #[derive(Debug)]
        pub struct $name;

        impl RequiredScope for $name {
            const ANY_OF: &'static [Scope] = &[$(Scope::$scope),+];
        }
    )+};
}

scopes!(
    OrganizationRead = OrganizationRead,
    OrganizationWrite = OrganizationWrite,
    KeysRead = KeysRead,
    KeysWrite = KeysWrite,
    EndpointsRead = EndpointsRead,
    EndpointsWrite = EndpointsWrite,
    DeliveriesRead = DeliveriesRead,
    DeliveriesWrite = DeliveriesWrite,
    EventsRead = EventsRead,
    EventsPublish = EventsPublish,
    // A publisher may read the events that its own key published. The service checks that.
    EventRead = EventsRead | EventsPublish,
);
