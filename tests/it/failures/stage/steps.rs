//! The steps of which the preparations consist.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::json;

use super::{A_MINUTE, Stage, event, named};
use crate::failures::scene::Scene;
use crate::support::{Answer, Fate, Receiver, delivery_ids, over_network_by_call, text};

/// Longer than a process caches an endpoint.
const REMEMBERED: Duration = Duration::from_secs(6);

impl Stage {
    /// Sets limits of the organization that the scene does not reach.
    pub(super) async fn limit(&self) {
        let path = format!("/v1/organizations/{}/limits", self.tenant.id);
        let limits = json!({"events_per_second": 1, "events_per_month": 1_000}).to_string();
        self.world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    }

    /// Gives the organization an external id.
    pub(super) async fn name_organization(&self) {
        let path = format!("/v1/organizations/{}", self.tenant.id);
        self.world.platform().patch(&path, &json!({"external_id": "acme"})).await.data(200);
    }

    /// Gives the endpoint a secret and a header in a process that does not encrypt them.
    pub(super) async fn store_without_keys(&self) {
        let fields = json!({"secret": "a secret in the clear", "headers": {"X-Token": "a token in the clear"}});
        self.tenant.at(&self.world.process_without_keys()).patch(&self.endpoint.path(), &fields).await.data(200);
    }

    /// Uses up the tokens of the next second.
    pub(super) async fn use_up_tokens(&self) {
        let full_at = self.world.clock.now().plus(Duration::from_secs(100)).unix_micros() * 1_000;
        let item = [
            ("pk", AttributeValue::S(format!("limit#{}", self.tenant.id))),
            ("sk", AttributeValue::S("rate".to_owned())),
            ("tat", AttributeValue::N(full_at.to_string())),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value)).into();
        self.world.dynamodb().put_item().table_name(self.world.table()).set_item(Some(item)).send().await.unwrap();
    }

    /// Publishes this many events, which the scene needs.
    pub(super) async fn publish(&mut self, count: usize) {
        // The data is removed from the event, and not from messages that have it.
        let bytes = if [Scene::Large, Scene::Expunged].contains(&self.scene) { 50_000 } else { 10 };
        for _ in 0..count {
            self.accepted.extend(delivery_ids(&self.tenant.post("/events", &event(bytes)).await.data(202)));
        }
    }

    pub(super) async fn delete(&self) {
        self.tenant.delete(&format!("{}?permanent=true", self.endpoint.path())).await.data(204);
    }

    /// Publishes this many events for the endpoint, which is paused.
    pub(super) async fn hold(&mut self, count: usize) {
        self.set_status("paused").await;
        for start in (0..count).step_by(100) {
            let events = vec![event(10); (count - start).min(100)];
            let published = self.tenant.post("/events/batch", &json!({"events": events})).await;
            self.accepted.extend(self.deliveries_of(published).await);
        }
    }

    /// Resumes the endpoint without releasing a delivery, so the sweep must release them.
    pub(super) async fn resume_without_release(&self) {
        let hasty = self.without_lists();
        self.tenant.at(&hasty).set_status(&self.endpoint, "active").await;
    }

    /// Requests a recovery without retrying a delivery, so the sweep must retry them.
    pub(super) async fn ask_for_recovery(&self) {
        self.world.advance(REMEMBERED);
        let hasty = self.without_lists();
        let path = format!("{}/recover", self.endpoint.path());
        let all = json!({"since": "2020-01-01T00:00:00Z"});
        self.tenant.at(&hasty).post(&path, &all).await.is_error(503, "unavailable");
    }

    /// Resends or retries the delivery.
    pub(super) async fn send_again(&self, how: &str) {
        self.tenant.post(&format!("/webhooks/deliveries/{}/{how}", self.accepted[0]), &json!({})).await.data(202);
    }

    /// Publishes this many events while the endpoint is disabled.
    pub(super) async fn miss(&mut self, count: usize) {
        self.set_status("disabled").await;
        for _ in 0..count {
            let event = self.tenant.post("/events", &event(10)).await.data(202);
            assert_eq!(delivery_ids(&event), [""; 0]);
            // The first delivery that is added to the event.
            self.accepted.push(format!("wdlv_{}0001", &text(&event["id"])[5..33]));
        }
        self.set_status("active").await;
    }

    /// Requests a replay that sends nothing, so the sweep must do it.
    pub(super) async fn ask_for_replay(&self, what: &str) {
        self.world.advance(A_MINUTE);
        let hasty = self.without_lists();
        let path = format!("{}/replay", self.endpoint.path());
        let body = json!({"since": "2020-01-01T00:00:00Z", "what": what});
        self.tenant.at(&hasty).post(&path, &body).await.is_error(503, "unavailable");
    }

    /// Requests that the data of the event is removed. The request only writes the job, so the sweep must do it.
    pub(super) async fn ask_to_expunge(&self) {
        self.expunge_without("PutItem event").await;
    }

    /// Removes the data of the event, but fails no delivery.
    pub(super) async fn remove_only_the_data(&self) {
        self.expunge_without("BatchGetItem delivery").await;
    }

    /// Requests that the data of the event is removed, through a process for which this call is refused.
    async fn expunge_without(&self, kind: &'static str) {
        let network =
            over_network_by_call(
                &self.world.sdk(),
                move |call| {
                    if call.kind() == kind { Fate::Refuse } else { Fate::Pass }
                },
            );
        let hasty = self.world.process_on(&network);
        let events = self.tenant.get("/events").await.data(200);
        let path = format!("/events/{}/data", text(&events[0]["id"]));
        self.tenant.at(&hasty).delete(&path).await.is_error(503, "unavailable");
    }

    /// Publishes an event in another organization, and begins the deletion of the organization.
    pub(super) async fn delete_the_organization_of_a_message(&self) {
        let (tenant, receiver) = (self.world.tenant().await, Receiver::new().await);
        tenant.endpoint(&receiver).await;
        tenant.publish().await;
        self.world.platform().delete(&format!("/v1/organizations/{}?force=true", tenant.id)).await.data(202);
    }

    /// Makes an organization that has every kind of item, begins its deletion, and waits until the first pass
    /// is due.
    pub(super) async fn delete_another_organization(&self) {
        let tenant = self.world.tenant().await;
        let limits = json!({"events_per_second": 100}).to_string();
        let path = format!("/v1/organizations/{}", tenant.id);
        self.world.platform().call(Method::PUT, &format!("{path}/limits"), &[], Some(limits)).await.data(200);
        tenant.post("/portal-sessions", &json!({"role": "member"})).await.data(201);
        let receiver = Receiver::always(Answer::status(500)).await;
        self.world.platform().patch(&path, &json!({"external_id": "crm-18"})).await.data(200);
        // As if a request with an idempotency key of the dialect `svix` had created it.
        let org = [("pk", format!("org#{}", tenant.id)), ("sk", "org".to_owned())];
        let org = org.map(|(name, key)| (name.to_owned(), AttributeValue::S(key)));
        let update = self.world.dynamodb().update_item().table_name(self.world.table()).set_key(Some(org.into()));
        let digest = AttributeValue::S("0".repeat(64));
        let update =
            update.update_expression("SET created_by = :digest").expression_attribute_values(":digest", digest);
        update.send().await.unwrap();
        let fields = json!({"url": receiver.url(), "external_id": "main", "signing_algorithm": "ed25519"});
        let attempted = tenant.endpoint_with(fields).await;
        let endpoint = tenant.endpoint(&receiver).await;
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        let keyed = [("idempotency-key", "order-18")];
        let published =
            tenant.call(Method::POST, "/events", &keyed, Some(named(event(10)).to_string())).await.data(202);
        self.world.drain().await;
        let path_of_resend = format!("/webhooks/deliveries/{}/resend", delivery_ids(&published)[0]);
        tenant.post(&path_of_resend, &json!({})).await.data(202);
        self.world.drain().await;
        // Both responses include what the process has counted, so it writes that.
        for path in ["/usage", &format!("{}/stats", attempted.path())] {
            tenant.get(path).await.data(200);
        }
        self.world.platform().delete(&format!("{path}?force=true")).await.data(202);
        self.world.drain().await;
        self.world.advance(A_MINUTE);
    }

    /// Lets the first attempts fail, and advances the time until the retries are due.
    pub(super) async fn fail_until_due(&self) {
        self.world.drain().await;
        self.world.advance(Duration::from_secs(1_100));
    }

    /// Stores the counters of nine failed attempts. The attempt of the queued message is the tenth, which suspends the
    /// endpoint.
    pub(super) async fn fail_nine(&mut self) {
        let now = self.world.clock.now();
        let until = now.plus(Duration::from_secs(600)).rfc3339();
        let update = self.world.dynamodb().update_item().table_name(self.world.table()).set_key(Some(self.key()));
        let update = update.update_expression("SET failing_until = :until");
        update.expression_attribute_values(":until", AttributeValue::S(until)).send().await.unwrap();
        let mut counters = self.health_key();
        let number = |number: i64| AttributeValue::N(number.to_string());
        counters.extend([
            ("entity".to_owned(), AttributeValue::S("health".to_owned())),
            ("v".to_owned(), number(1)),
            ("failures".to_owned(), number(9)),
            ("failing_since".to_owned(), AttributeValue::S(now.rfc3339())),
            ("expires_at".to_owned(), number(now.unix_seconds() + 86_400)),
            ("write_token".to_owned(), AttributeValue::S("0".to_owned())),
        ]);
        let put = self.world.dynamodb().put_item().table_name(self.world.table()).set_item(Some(counters));
        put.send().await.unwrap();
        self.world.advance(A_MINUTE);
        self.publish(1).await;
    }

    /// Suspends the endpoint and parks a delivery that is due as a half-open probe.
    pub(super) async fn suspend_and_park(&mut self) {
        self.fail_nine().await;
        self.world.drain().await;
        self.publish(1).await;
        self.world.advance(A_MINUTE);
    }

    /// Suspends the endpoint for as long as it takes to disable it.
    pub(super) async fn wear_out(&mut self) {
        self.suspend_and_park().await;
        self.world.advance(Duration::from_secs(5 * 86_400));
        self.world.sweep().await;
        self.world.drain().await;
        self.world.advance(3 * A_MINUTE);
    }
}
