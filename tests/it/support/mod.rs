//! What the tests share: a world to deliver in, tenants who ask for it, receivers who get it.

mod clock;
mod receiver;
mod tenant;
mod world;

pub(crate) use clock::TestClock;
pub(crate) use receiver::{Answer, Gate, Received, Receiver};
pub(crate) use tenant::{Endpoint, Reply, Tenant, delivery_ids, text};
pub(crate) use world::{Process, World};
