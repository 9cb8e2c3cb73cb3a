//! Tenants: organizations, their API keys and roles, their limits and usage.

pub mod access;
pub mod api_key;
pub mod limits;
pub mod organization;
pub mod organization_list;
pub mod usage;
