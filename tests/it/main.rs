//! The whole system in one process: the real routers, the real consumer and sweep, SDK clients, an
//! embedded DynamoDB and SQS, and receivers on loopback sockets. One file per capability; what they
//! share is in `support`.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise, its helpers too")]

mod support;

mod access;
mod addresses;
mod api_doc;
mod batches;
mod broken_bodies;
mod causes;
mod costs;
mod crash_points;
mod crashes;
mod deliveries;
mod dialects;
mod errors;
mod failure_details;
mod failures;
mod fair_turns;
mod forwarding;
mod functions;
mod gathered;
mod header_values;
mod host;
mod hostile_receivers;
mod idempotency;
mod in_flight;
mod keys;
mod lanes;
mod limits;
mod lists;
mod methods;
mod model;
mod next_attempts;
mod openapi;
mod operational;
mod parking;
mod program;
mod publishing;
mod recoveries;
mod refused_writes;
mod request_headers;
mod resending;
mod retries;
mod reused_connections;
mod rotations;
mod routes;
mod secrets;
mod shape;
mod sizes;
mod strict_input;
mod subscriptions;
mod suspension;
mod telemetry;
mod template;
mod tenants;
mod tickets;
mod tidy;
mod usage;
mod waits;
mod wire_endpoints;
mod wire_events;
mod wire_hooks;
mod wire_organizations;
mod wire_pages;
