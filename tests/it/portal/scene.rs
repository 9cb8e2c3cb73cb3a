//! What a request of a route needs: an organization with the resources of the path, and the fields of a form.

use serde_json::json;

use crate::support::{Receiver, Tenant, World, delivery_ids, text};

/// An organization with the resources that a route names.
pub(super) struct Scene {
    pub(super) tenant: Tenant,
    /// The endpoint in the path, or the one that gets the event in the path.
    pub(super) endpoint: String,
    /// Another endpoint, which gets no events.
    pub(super) other: String,
    pub(super) path: String,
}

impl Scene {
    /// An organization whose deliveries fail at this receiver. Its event has the type `matrix.one`, which the catalogue must have.
    pub(super) async fn new(world: &World, failing: &Receiver, route: &str) -> Self {
        let tenant = world.tenant().await;
        let of_type =
            |event_type: &str| json!({"url": failing.url(), "event_types": [event_type], "retry_schedule": []});
        let endpoint = tenant.endpoint_with(of_type("matrix.one")).await;
        let other = tenant.endpoint_with(of_type("matrix.none")).await.id;
        let path = route.replace("{organization}", &tenant.id).replace("{endpoint}", &endpoint.id);
        let mut path = path.replace("{event_type}", "matrix.one");
        if ["{delivery}", "{event}", "{job}"].iter().any(|name| route.contains(name)) {
            let event = tenant.post("/events", &json!({"type": "matrix.one", "data": {}})).await.data(202);
            world.drain().await;
            path = path.replace("{delivery}", &delivery_ids(&event)[0]).replace("{event}", text(&event["id"]));
        }
        for (parameter, list, body) in [
            ("{key}", "/api-keys".to_owned(), json!({"name": "key"})),
            ("{portal_session}", "/portal-sessions".to_owned(), json!({"role": "member"})),
            (
                "{job}",
                format!("{}/replay", endpoint.path()),
                json!({"what": "failed", "since": "2026-01-01T00:00:00Z"}),
            ),
        ] {
            if route.contains(parameter) {
                let created = tenant.post(&list, &body).await;
                path = path.replace(parameter, text(&created.body["data"]["id"]));
            }
        }
        Self { tenant, endpoint: endpoint.id, other, path }
    }
}

/// The fields with which the form of any route is accepted. Each route ignores those of others. `number` must differ each time.
pub(super) fn fields(route: &str, url: &str, number: u64) -> Vec<(&'static str, String)> {
    let fields = [
        ("form_id", format!("{number:016x}")),
        ("name", "n".to_owned()),
        ("role", "member".to_owned()),
        ("expires_in", "3600".to_owned()),
        ("url", url.to_owned()),
        ("patterns", "*".to_owned()),
        ("signing_algorithm", "hmac-sha256".to_owned()),
        ("status", "paused".to_owned()),
        ("event_type", "a.b".to_owned()),
        ("type", "a.b".to_owned()),
        ("data", "{}".to_owned()),
        ("overlap_seconds", "0".to_owned()),
        ("what", "failed".to_owned()),
        ("since", "2026-01-01T00:00".to_owned()),
        ("action", "start".to_owned()),
    ];
    fields.into_iter().filter(|(name, _)| !(*name == "event_type" && route.ends_with("/replay"))).collect()
}
