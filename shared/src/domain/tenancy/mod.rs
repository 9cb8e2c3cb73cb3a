//! Tenants: organizations, their API keys and what these may do, their limits and usage.

pub mod access;
pub mod api_key;
pub mod limits;
pub mod organization;
pub mod organization_list;
pub mod rights;
pub mod turns;
pub mod usage;
