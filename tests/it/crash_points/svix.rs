//! Cuts of requests of the `svix` dialect with an idempotency key. Its clients repeat such a request after an error with the
//! same key. Two concurrent repetitions complete what the first one began: one resource, one answer.

use http::Method;
use serde_json::{Value, json};

use super::publishing::FIRST_REQUEST_ENDS;
use super::scene::{Scene, cut_everywhere};
use crate::support::{Process, Reply, World, delivery_ids, text};

const KEY: [(&str, &str); 1] = [("idempotency-key", "auto_1")];

/// What is requested, for the application of the scene.
#[derive(Clone, Copy)]
struct Creation {
    /// The path below the application; `None` for a new application.
    path: Option<&'static str>,
    body: fn(&Scene) -> Value,
    status: u16,
    /// The kind of the items that are created.
    entity: &'static str,
}

impl Creation {
    async fn request(self, process: &Process, scene: &Scene) -> Reply {
        let application = scene.tenant.id.replace("org_", "app_");
        let path =
            self.path.map_or_else(|| "/api/v1/app".to_owned(), |path| format!("/api/v1/app/{application}{path}"));
        let body = (self.body)(scene).to_string();
        scene.world.platform().at(process).call(Method::POST, &path, &KEY, Some(body)).await
    }

    /// Repeats a request for a message that met another one under way. All other requests wait for each other.
    async fn repeated(self, reply: Reply, process: &Process, scene: &Scene) -> Reply {
        if reply.status != 503 || self.entity != "event" {
            return reply;
        }
        assert!(reply.headers.contains_key("retry-after"), "{}", reply.body);
        self.request(process, scene).await
    }

    async fn stored(self, world: &World) -> Vec<String> {
        let items = world.items(self.entity).await;
        items.iter().map(|item| format!("{:?} {:?}", item["pk"], item["sk"])).collect()
    }

    /// Cuts the request, repeats it by two processes at once, and checks that one resource was created. Returns the number of
    /// calls.
    async fn cut_and_repeat(
        self,
        prepare: impl AsyncFn(World) -> Scene,
        then: impl AsyncFn(&mut Scene, &Value),
    ) -> usize {
        let handle = async |process: &Process, scene: &Scene| {
            let reply = self.request(process, scene).await;
            assert_eq!(reply.status, self.status, "{}", reply.body);
            reply.body
        };
        let afterwards = async |scene: &mut Scene, answer: Option<Value>| {
            // The time after which a request without an answer has ended.
            scene.world.advance(FIRST_REQUEST_ENDS);
            let [one, other] = [scene.world.another_process(), scene.world.another_process()];
            let (first, second) = tokio::join!(self.request(&one, scene), self.request(&other, scene));
            let [first, second] = [self.repeated(first, &one, scene).await, self.repeated(second, &other, scene).await];
            for reply in [&first, &second] {
                assert_eq!((reply.status, &reply.body), (self.status, &first.body), "one answer");
            }
            assert!(answer.is_none_or(|answer| answer == first.body), "the repetition gets the first answer");
            let stored = self.stored(&scene.world).await;
            let again = self.request(&scene.world.process, scene).await;
            assert_eq!((again.status, &again.body), (self.status, &first.body));
            assert_eq!(self.stored(&scene.world).await, stored, "a further repetition creates nothing");
            then(scene, &first.body).await;
        };
        cut_everywhere(prepare, handle, afterwards).await
    }
}

async fn without_endpoint(world: World) -> Scene {
    let tenant = world.tenant().await;
    Scene::new(world, tenant, [])
}

async fn with_endpoint(world: World) -> Scene {
    Scene::with_endpoint(world, json!({}), []).await.0
}

#[tokio::test]
async fn the_creation_of_an_application_survives_every_cut() {
    let creation =
        Creation { path: None, body: |_| json!({"name": "App", "uid": "acme"}), status: 201, entity: "organization" };
    let then = async |scene: &mut Scene, created: &Value| {
        let organizations = scene.world.items("organization").await;
        assert_eq!(organizations.len(), 2, "that of the scene, and the new one");
        let found = scene.world.platform().get("/api/v1/app/acme").await;
        assert_eq!((found.status, &found.body), (200, created));
    };
    let calls = creation.cut_and_repeat(without_endpoint, then).await;
    assert_eq!(calls, 3, "claim, transaction, answer");
}

#[tokio::test]
async fn the_creation_of_an_endpoint_survives_every_cut() {
    let creation = Creation {
        path: Some("/endpoint"),
        body: |scene| json!({"url": scene.receivers[0].url(), "uid": "main"}),
        status: 201,
        entity: "endpoint",
    };
    let prepare = async |world: World| {
        let (scene, endpoint) = Scene::with_endpoint(world, json!({}), []).await;
        scene.tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        scene
    };
    let then = async |scene: &mut Scene, created: &Value| {
        let endpoints = scene.tenant.get("/webhooks/endpoints").await.data(200);
        let [endpoint] = &endpoints.as_array().unwrap()[..] else { panic!("one: {endpoints}") };
        assert_eq!(text(&endpoint["id"])[3..], text(&created["id"])[3..]);
        // Every process publishes to it at once.
        let published = scene.tenant.at(&scene.world.another_process()).publish().await;
        assert_eq!(published.len(), 1);
        scene.expect(published, &["success"], 1);
    };
    let calls = creation.cut_and_repeat(prepare, then).await;
    assert_eq!(calls, 7, "claim, transaction, the revision in four states, answer");
}

/// A message that is published is delivered once, whatever was cut.
#[tokio::test]
async fn a_message_survives_every_cut() {
    let creation = Creation {
        path: Some("/msg"),
        body: |_| json!({"eventType": "a", "eventId": "order-1", "payload": {"n": 1}}),
        status: 202,
        entity: "event",
    };
    let then = async |scene: &mut Scene, created: &Value| {
        let event = format!("/events/{}", text(&created["id"]).replace("msg_", "wevt_"));
        let event = scene.tenant.get(&event).await.data(200);
        assert_eq!((&event["external_id"], scene.world.items("event").await.len()), (&json!("order-1"), 1));
        let deliveries = delivery_ids(&event);
        assert_eq!(deliveries.len(), 1);
        scene.expect(deliveries, &["success"], 1);
    };
    let calls = creation.cut_and_repeat(with_endpoint, then).await;
    assert_eq!(calls, 5, "claim, external id, event, list, send");
}
