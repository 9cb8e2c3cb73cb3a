//! Shared helpers of the tests: worlds, tenants that call the API, and receivers.

use std::time::Duration;

mod attempt;
mod authority;
mod browser;
mod budgets;
mod bulk;
mod calls;
mod clock;
mod faults;
mod final_state;
mod fuse;
mod logs;
mod parameter_store;
mod parts;
mod raw_server;
mod receiver;
mod split;
mod stopped;
mod tables;
mod tenant;
mod touched;
mod world;

pub(crate) use attempt::{Post, sender, sender_looking_up};
pub(crate) use authority::Authority;
pub(crate) use browser::{Browser, HOST};
pub(crate) use budgets::{Budget, Budgets, UsedUp};
pub(crate) use calls::{Call, Done, done, listed};
pub(crate) use clock::TestClock;
pub(crate) use faults::{Fate, counted, over_network, over_network_by_call, recorded, troubled, without_lists};
pub(crate) use final_state::{FinalState, Requests, pending_ids};
pub(crate) use fuse::Fuse;
pub(crate) use logs::capture;
pub(crate) use parameter_store::{PARAMETER, ParameterAnswer, ParameterStore};
pub(crate) use parts::Part;
pub(crate) use raw_server::{RawServer, Step, read_request};
pub(crate) use receiver::{Answer, Gate, Received, Receiver};
pub(crate) use split::Splitter;
pub(crate) use stopped::stopped_at;
pub(crate) use tables::{grouped, update_table};
pub(crate) use tenant::{EVENT_TYPE, Endpoint, Reply, Tenant, delivery_ids, text};
pub(crate) use world::{Process, World};

/// The limit of real time for which a test waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits in real time until a condition holds that does not depend on the test's own task.
pub(crate) async fn eventually(what: &str, happened: impl AsyncFn() -> bool) {
    let waiting = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("timed out waiting until {what}"));
}
