//! The endpoints that a key or a portal session is bound to.

use crate::domain::Invalid;
use crate::domain::ids::EndpointId;
use crate::domain::tenancy::rights::Binding;
use crate::wire::field::{Field, Reader, each};

/// Reads the field `endpoints`; `None` if it is absent.
pub(super) fn read_binding(read: &mut Reader, endpoints: Field<Vec<String>>) -> Option<Binding> {
    let endpoint = |text: &str| EndpointId::parse(text).map_err(|malformed| Invalid::new(malformed.to_string()));
    read.optional("endpoints", endpoints, |ids| Binding::to(&each(&ids, endpoint)?))
}

/// The ids of the endpoints; `None` if all are included.
pub(super) fn show_binding(binding: &Binding) -> Option<Vec<String>> {
    binding.endpoints().map(|ids| ids.iter().map(EndpointId::to_string).collect())
}
