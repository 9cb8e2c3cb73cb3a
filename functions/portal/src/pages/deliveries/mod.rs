//! A delivery: what was sent, what happened, and sending it again.

mod attempts;
mod curl;
mod view;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use shared::domain::ids::DeliveryId;
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite};
use shared::edge::{ApiError, BoundTenant, PathId, Search};
use shared::wire::error::ErrorCode;

use crate::form::Form;
use crate::page::Page;
use crate::session::SignedIn;
use crate::{Routes, Shared};
use view::{Sent, View};

/// Most attempts of a page.
const ATTEMPTS: usize = 20;
/// A payload is never part of the portal: the file may do nothing, whatever is in it.
pub(super) const PAYLOAD_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/deliveries/{delivery}", get(read))
        .route("/portal/{organization}/deliveries/{delivery}/payload", get(payload))
        .route("/portal/{organization}/deliveries/{delivery}/resend", post(resend))
        .route("/portal/{organization}/deliveries/{delivery}/retry", post(retry))
}

/// The path of a delivery's page.
pub(super) fn path(signed_in: &SignedIn, delivery: DeliveryId) -> String {
    format!("{}/deliveries/{delivery}", signed_in.base())
}

async fn read(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(delivery): PathId<DeliveryId>,
    signed_in: SignedIn,
    State(portal): Shared,
    Search(mut query): Search,
) -> Result<Page, ApiError> {
    let wanted =
        (query.paging().cursor, query.take("attempt", |id| Ok(id.to_owned())), query.take("sent", Sent::parse));
    let (cursor, open, sent) = query.finish(wanted)?;
    let (organization, administrator) = (&tenant.organization.id, portal.administrator());
    let history =
        administrator.delivery_history(organization, &tenant.binding, delivery, cursor.as_deref(), ATTEMPTS).await?;
    let view = View { signed_in: &signed_in, history: &history, open: open.as_deref(), sent };
    Ok(view.page(cursor.is_some()))
}

/// The whole payload as a file.
async fn payload(
    tenant: BoundTenant<DeliveriesRead>,
    PathId(delivery): PathId<DeliveryId>,
    State(portal): Shared,
) -> Result<Response, ApiError> {
    let found = portal.administrator().delivery(&tenant.organization.id, &tenant.binding, delivery).await?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{delivery}.txt\"")),
        (CONTENT_SECURITY_POLICY, PAYLOAD_POLICY.to_owned()),
    ];
    Ok((headers, found.payload).into_response())
}

async fn resend(
    tenant: BoundTenant<DeliveriesWrite>,
    PathId(delivery): PathId<DeliveryId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Redirect, ApiError> {
    // Of a double click only the first request sends the delivery. Its second one leads to the page as well.
    match form.use_once(&portal, &signed_in).await {
        Err(error) if error.code() == ErrorCode::Conflict => {}
        used => {
            used?;
            portal.administrator().resend_delivery(&tenant.organization, &tenant.binding, delivery).await?;
        }
    }
    Ok(Redirect::to(&format!("{}?sent={}", path(&signed_in, delivery), Sent::Resent.as_str())))
}

async fn retry(
    tenant: BoundTenant<DeliveriesWrite>,
    PathId(delivery): PathId<DeliveryId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Redirect, ApiError> {
    portal.administrator().retry_delivery(&tenant.organization, &tenant.binding, delivery).await?;
    Ok(Redirect::to(&format!("{}?sent={}", path(&signed_in, delivery), Sent::Retried.as_str())))
}
