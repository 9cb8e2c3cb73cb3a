//! The catalogue: whether publishing accepts the events of the sequences.

use std::time::Duration;

use http::Method;
use serde_json::json;
use shared::domain::time::Timestamp;

use super::Run;
use crate::support::{EVENT_TYPE, Process, Reply};

/// Longer than a process uses what it knows of the catalogue.
const KNOWN: Duration = Duration::from_secs(11);

/// The model of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Whether the stored schema refuses the events.
    refuses: bool,
    /// Until when processes may know a schema with the other verdict.
    other_until: Option<Timestamp>,
}

impl Catalogue {
    fn set(&mut self, refuses: bool, now: Timestamp) {
        if refuses != self.refuses {
            *self = Self { refuses, other_until: Some(now.plus(KNOWN)) };
        }
    }

    fn may(&self, refuse: bool, now: Timestamp) -> bool {
        refuse == self.refuses || self.other_until.is_some_and(|until| now < until)
    }
}

impl Run {
    /// Gives the event type a schema, or removes the type.
    pub(super) async fn set_type(&mut self, accepts: Option<bool>, cut: Option<usize>) {
        let path = format!("/v1/event-types/{EVENT_TYPE}");
        let (method, of_change, body) = match accepts {
            Some(accepts) => (Method::PUT, path.clone(), Some(json!({"schema": accepts}).to_string())),
            None => (Method::DELETE, format!("{path}?permanent=true"), None),
        };
        let platform = self.world.platform();
        let change = async |process: &Process| platform.at(process).call(method, &of_change, &[], body).await;
        let reply = self.run_process(cut, change).await;
        let stored = platform.get(&path).await;
        let refuses = stored.body["data"]["schema"] == false;
        if let Some(reply) = reply {
            assert!([200, 201, 204, 404].contains(&reply.status), "{reply:?}");
            assert_eq!(refuses, accepts == Some(false), "{stored:?}");
        }
        self.catalogue.set(refuses, self.world.clock.now());
    }

    /// Checks that all events of a request were accepted or all refused, as the catalogue says. The response to a batch has a
    /// verdict for each event, that to a message a status.
    pub(super) fn check_verdicts(&self, reply: &Reply) {
        let now = self.world.clock.now();
        let verdict = |refused: bool| if refused { "refused" } else { "accepted" };
        let is_all = |refused| match reply.body["data"].as_array() {
            Some(results) => reply.status == 202 && results.iter().all(|result| result["status"] == verdict(refused)),
            None => reply.status == if refused { 422 } else { 202 },
        };
        let is_expected = [false, true].into_iter().any(|refused| is_all(refused) && self.catalogue.may(refused, now));
        assert!(is_expected, "{:?}: {reply:?}", self.catalogue);
    }
}
