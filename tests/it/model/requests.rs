//! Requests to the API, and the responses that the model expects.

use http::Method;
use serde_json::{Value, json};

use super::isolation::{TROUBLED, owner};
use super::states::Delivery;
use super::{Content, DELETED, DISABLED, Publishing, Run, event_of};
use crate::support::{EVENT_TYPE, Process, Reply, delivery_ids, text};

impl Run {
    /// Calls the API with the key of the troubled organization. With `cut`, the process dies after this number of
    /// writes and sends. `None` if it died.
    pub(super) async fn call(&self, method: Method, path: &str, body: &Value, cut: Option<usize>) -> Option<Reply> {
        let body = (!body.is_null()).then(|| body.to_string());
        let tenant = &self.organizations[TROUBLED].tenant;
        self.run_process(cut, async |process| tenant.at(process).call(method, path, &[], body).await).await
    }

    /// Publishes with a new key. Returns the request and its response if it was accepted.
    pub(super) async fn publish(
        &mut self,
        by: usize,
        content: Content,
        cut: Option<usize>,
    ) -> Option<(Publishing, Value)> {
        let organization = &mut self.organizations[by];
        organization.keys += 1;
        let publishing = Publishing { by, key: organization.keys.to_string(), content };
        let reply = self.try_to_publish(&publishing, cut).await;
        if self.is_deleted(by) {
            assert!(reply.as_ref().is_none_or(|reply| (400..500).contains(&reply.status)), "{reply:?}");
            return None;
        }
        if reply.as_ref().is_some_and(|reply| self.is_refused(by, reply)) {
            return None;
        }
        if let Some(reply) = &reply {
            self.check_verdicts(reply);
        }
        let accepted = reply.as_ref().filter(|reply| reply.status == 202).map(|reply| reply.body.clone());
        self.apply_publishing(publishing.clone(), reply);
        accepted.map(|body| (publishing, body))
    }

    /// Publishes a message. A repetition of an answered request has the same answer, and publishes nothing.
    pub(super) async fn publish_message(&mut self, by: usize, twice: bool, cut: Option<usize>) {
        let Some((publishing, first)) = self.publish(by, Content::Message, cut).await.filter(|_| twice) else { return };
        let events = self.world.items("event").await.len();
        let again = self.try_to_publish(&publishing, None).await.unwrap();
        if !self.is_refused(by, &again) {
            assert_eq!((again.status, &again.body), (202, &first));
        }
        assert_eq!(self.world.items("event").await.len(), events);
    }

    pub(super) async fn repeat(&mut self) {
        let Some(publishing) = self.unanswered.pop() else { return };
        let reply = self.try_to_publish(&publishing, None).await;
        let reply = reply.filter(|reply| reply.status != 503 && !self.is_refused(publishing.by, reply));
        self.apply_publishing(publishing, reply);
    }

    fn apply_publishing(&mut self, publishing: Publishing, reply: Option<Reply>) {
        let Some(reply) = reply else {
            self.interrupted = Some(publishing.clone());
            self.unanswered.push(publishing);
            return;
        };
        match publishing.content {
            Content::Events(_) => {
                let results = reply.data(202);
                let accepted = results.as_array().unwrap().iter().filter(|result| result["status"] == "accepted");
                for id in accepted.flat_map(|result| delivery_ids(&result["event"])) {
                    self.unpromised.remove(&id);
                }
            }
            // The response has no deliveries, only the event.
            Content::Message if reply.status == 202 => {
                let event = text(&reply.body["id"]).replace("msg_", "wevt_");
                self.unpromised.retain(|id, _| event_of(id) != event);
            }
            Content::Message => assert_eq!(reply.status, 422, "{}", reply.body),
        }
        assert!(!self.unpromised.values().any(|of| *of == publishing), "the response does not list all deliveries");
    }

    async fn try_to_publish(&self, publishing: &Publishing, cut: Option<usize>) -> Option<Reply> {
        let tenant = &self.organizations[publishing.by].tenant;
        // The receivers check which organization published the event.
        let data = json!({"organization": tenant.id});
        let external_id = |n: usize| format!("{}.{n}", publishing.key);
        let (path, body) = match publishing.content {
            Content::Events(count) => {
                let event = |n| {
                    let mut event = json!({"type": EVENT_TYPE, "data": data});
                    // Every second request has external ids, which both organizations use.
                    if count.is_multiple_of(2) {
                        event["external_id"] = json!(external_id(n));
                    }
                    event
                };
                ("/events/batch".to_owned(), json!({"events": (0..count).map(event).collect::<Vec<_>>()}))
            }
            Content::Message => {
                let path = format!("/api/v1/app/{}/msg", tenant.id.replace("org_", "app_"));
                (path, json!({"eventType": EVENT_TYPE, "eventId": external_id(0), "payload": data}))
            }
        };
        let headers = [("idempotency-key", publishing.key.as_str())];
        let publish = async |process: &Process| {
            tenant.at(process).call(Method::POST, &path, &headers, Some(body.to_string())).await
        };
        self.run_process(cut, publish).await
    }

    pub(super) async fn set_status(&mut self, endpoint: usize, status: &'static str, cut: Option<usize>) {
        let path = self.endpoints[endpoint].path();
        let reply = self.call(Method::PATCH, &path, &json!({"status": status}), cut).await;
        self.apply_change(endpoint, status, reply);
    }

    pub(super) async fn delete(&mut self, endpoint: usize, cut: Option<usize>) {
        let path = format!("{}?permanent=true", self.endpoints[endpoint].path());
        let reply = self.call(Method::DELETE, &path, &Value::Null, cut).await;
        self.apply_change(endpoint, DELETED, reply);
    }

    fn apply_change(&mut self, endpoint: usize, status: &'static str, reply: Option<Reply>) {
        let possible = &mut self.possible[endpoint];
        match reply.map(|reply| reply.status) {
            Some(404) => assert_eq!(*possible, [DELETED]),
            Some(200 | 204) => *possible = vec![status],
            None if *possible != [DELETED] => possible.push(status),
            None => {}
            Some(other) => panic!("endpoint {endpoint} cannot become {status}: {other}"),
        }
    }

    pub(super) async fn move_to(&self, endpoint: usize, reachable: bool) {
        let url = if reachable { self.receivers[endpoint].url() } else { self.nowhere.clone() };
        self.call(Method::PATCH, &self.endpoints[endpoint].path(), &json!({"url": url}), None).await;
    }

    pub(super) async fn retry(&self, choice: usize, cut: Option<usize>) {
        let recoverable: Vec<_> = self.model.iter().filter(|(_, delivery)| delivery.status.is_recoverable()).collect();
        let all: Vec<_> = self.model.iter().collect();
        let candidates = if recoverable.is_empty() { all } else { recoverable };
        let Some((id, _)) = candidates.get(choice % candidates.len().max(1)) else { return };
        let reply = self.call(Method::POST, &format!("/webhooks/deliveries/{id}/retry"), &json!({}), cut).await;
        let of = self.world.records().await.get(*id).map(|record| record.endpoint.clone());
        match self.endpoints.iter().position(|endpoint| Some(&endpoint.id) == of.as_ref()) {
            Some(endpoint) if owner(endpoint) == TROUBLED => self.check_that_it_is_accepted(endpoint, reply),
            Some(_) => self.check_that_it_is_not_found(TROUBLED, reply),
            None => {}
        }
    }

    /// Resends a delivery of the troubled organization, in any state.
    pub(super) async fn resend(&mut self, choice: usize, cut: Option<usize>) {
        let own = |delivery: &Delivery| delivery.endpoint.is_some_and(|endpoint| owner(endpoint) == TROUBLED);
        let candidates: Vec<_> = self.model.iter().filter(|(_, delivery)| own(delivery)).map(|(id, _)| id).collect();
        let Some(id) = candidates.get(choice % candidates.len().max(1)).map(|id| (*id).clone()) else { return };
        let reply = self.call(Method::POST, &format!("/webhooks/deliveries/{id}/resend"), &json!({}), cut).await;
        if let Some(reply) = reply {
            assert!([202, 404, 409].contains(&reply.status) || self.is_refused(TROUBLED, &reply), "{reply:?}");
        }
        self.resent.insert(id);
    }

    /// Requests a replay of all events for an endpoint.
    pub(super) async fn replay(&self, endpoint: usize, what: &str, cut: Option<usize>) {
        let path = format!("{}/replay", self.endpoints[endpoint].path());
        let body = json!({"since": "2020-01-01T00:00:00Z", "what": what});
        let reply = self.call(Method::POST, &path, &body, cut).await;
        self.check_that_it_is_accepted(endpoint, reply);
    }

    /// Cancels a job. An open job of the kinds `recover`, `replay` and `send_all` can be cancelled, other jobs cannot.
    pub(super) async fn cancel_job(&self, choice: usize, cut: Option<usize>) {
        let tenant = &self.organizations[TROUBLED].tenant;
        let jobs = tenant.get("/jobs").await.data(200);
        let jobs = jobs.as_array().unwrap();
        let Some(job) = jobs.get(choice % jobs.len().max(1)) else { return };
        let path = format!("/jobs/{}/cancel", text(&job["id"]));
        let Some(reply) = self.call(Method::POST, &path, &json!({}), cut).await else { return };
        let can_be_cancelled =
            ["recover", "replay", "send_all"].contains(&text(&job["kind"])) && job["status"] == "open";
        assert!(
            reply.status == if can_be_cancelled { 200 } else { 409 } || self.is_refused(TROUBLED, &reply),
            "{job}: {reply:?}"
        );
    }

    /// Checks the response to a manual retry, recovery or replay. It is refused for an endpoint that is certainly disabled or
    /// deleted.
    pub(super) fn check_that_it_is_accepted(&self, endpoint: usize, reply: Option<Reply>) {
        let (possible, Some(reply)) = (&self.possible[endpoint], reply) else { return };
        let is_stopped = possible.iter().all(|status| [DISABLED, DELETED].contains(status));
        assert!(!is_stopped || reply.status != 202, "{possible:?}: {reply:?}");
        assert!([202, 404, 409].contains(&reply.status) || self.is_refused(TROUBLED, &reply), "{reply:?}");
    }
}
