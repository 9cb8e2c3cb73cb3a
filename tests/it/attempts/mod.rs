//! Attempts: what is stored of each, their lists, and resends.

mod expunging;
mod items;
mod lists;
mod pages;
mod resends;

use serde_json::Value;

use crate::support::{Endpoint, Tenant, World, text};

/// The newest attempts of a delivery, newest first.
async fn of_delivery(tenant: &Tenant, delivery: &str) -> Vec<Value> {
    list(tenant, &format!("/webhooks/deliveries/{delivery}/attempts?limit=100")).await
}

/// The newest attempts at an endpoint, newest first.
async fn of_endpoint(tenant: &Tenant, endpoint: &Endpoint) -> Vec<Value> {
    list(tenant, &format!("{}/attempts?limit=100", endpoint.path())).await
}

async fn list(tenant: &Tenant, path: &str) -> Vec<Value> {
    tenant.get(path).await.data(200).as_array().unwrap().clone()
}

/// These fields of each attempt.
fn fields<const N: usize>(attempts: &[Value], names: [&str; N]) -> Vec<[Value; N]> {
    attempts.iter().map(|attempt| names.map(|name| attempt[name].clone())).collect()
}

fn ids(attempts: &[Value]) -> Vec<String> {
    attempts.iter().map(|attempt| text(&attempt["id"]).to_owned()).collect()
}

/// Retries a delivery manually, and delivers it.
async fn retry(world: &World, tenant: &Tenant, delivery: &str) {
    tenant.post(&format!("/webhooks/deliveries/{delivery}/retry"), &serde_json::json!({})).await.data(202);
    world.drain().await;
}

/// Resends a delivery, and delivers it.
async fn resend(world: &World, tenant: &Tenant, delivery: &str) {
    tenant.post(&format!("/webhooks/deliveries/{delivery}/resend"), &serde_json::json!({})).await.data(202);
    world.drain().await;
}
