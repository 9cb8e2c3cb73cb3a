//! Creating an endpoint. Its secret is shown once.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use maud::html;
use shared::domain::endpoint::Endpoint;
use shared::domain::signing::secret::Algorithm;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, Tenant};
use shared::wire::field::NamesTypes;
use shared::wire::organizations::EndpointIn;

use super::settings_form::{FIELDS, basics, body, details};
use super::type_tree::TypeTree;
use crate::components::{Entered, Field, copyable};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::pages::{Section, endpoint_path};
use crate::session::SignedIn;
use crate::text::endpoint as text;
use crate::{Portal, Routes, Shared};

pub(super) const ALGORITHMS: [(&str, &str); 2] =
    [(Algorithm::HmacSha256.as_str(), text::HMAC), (Algorithm::Ed25519.as_str(), text::ED25519)];

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/new-endpoint", get(show).post(create))
}

/// The path of the form.
pub(super) fn path(signed_in: &SignedIn) -> String {
    format!("{}/new-endpoint", signed_in.base())
}

async fn show(tenant: Tenant<EndpointsWrite>, signed_in: SignedIn, State(portal): Shared) -> Result<Page, ApiError> {
    let tree = TypeTree::read(&portal, &tenant.caller).await?;
    let patterns = if tree.is_empty() { "*" } else { "" };
    let entered = Entered::new([("patterns", patterns.to_owned())]);
    Ok(page(&portal, &signed_in, &entered, &tree))
}

async fn create(
    tenant: Tenant<EndpointsWrite>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Page, ApiError> {
    match created(&tenant, &portal, &signed_in, &form).await {
        Ok(endpoint) => Ok(done(&signed_in, &endpoint)),
        Err(error) => {
            let entered = Entered::refused(&form, error)?;
            let tree = TypeTree::read(&portal, &tenant.caller).await?;
            Ok(page(&portal, &signed_in, &entered, &tree).with_status(entered.status()))
        }
    }
}

async fn created(
    tenant: &Tenant<EndpointsWrite>,
    portal: &Portal,
    signed_in: &SignedIn,
    form: &Form,
) -> Result<Endpoint, ApiError> {
    let administrator = portal.administrator();
    let wanted = body(form, None).finish::<EndpointIn>()?;
    let deployment = administrator.deployment_for(&tenant.caller, wanted.fields().types()).await?;
    let new = wanted.read(|wanted| wanted.parse(&deployment, false))?;
    form.use_once(portal, signed_in).await?;
    Ok(administrator.create_endpoint(&tenant.organization.id, new).await?)
}

fn page(portal: &Portal, signed_in: &SignedIn, entered: &Entered, tree: &TypeTree) -> Page {
    let usual = &portal.administrator().deployment().retry_schedule;
    let body = html! {
        (entered.notice(&FIELDS))
        form method="post" action=(path(signed_in)) {
            (form_token(signed_in)) (form_id())
            (basics(entered, tree))
            details open[has_details(entered)] {
                summary { (text::MORE) }
                (details(entered))
                p.hint { (text::USUAL_SCHEDULE) }
                (super::schedule::schedule(usual))
                (Field::choice("signing_algorithm", text::ALGORITHM, text::ALGORITHM_HELP, &ALGORITHMS).show(entered))
            }
            div.actions {
                button.button type="submit" { (text::CREATE) }
                a.button.plain href={ (signed_in.base()) "/endpoints" } { (text::CANCEL) }
            }
        }
    };
    Page::new(text::CREATE_TITLE, body).of(Section::Endpoints)
}

fn has_details(entered: &Entered) -> bool {
    ["channels", "filter", "headers", "timeout_seconds", "retry_schedule"]
        .iter()
        .any(|name| !entered.value(name).is_empty())
}

/// The endpoint with its secret, which is never shown again.
fn done(signed_in: &SignedIn, endpoint: &Endpoint) -> Page {
    let (path, secret) = (endpoint_path(signed_in, endpoint.id), &endpoint.secrets.newest.secret);
    let body = html! {
        p { strong { (endpoint.settings.name) } " · " code { (endpoint.settings.destination.as_str()) } }
        div.notice.warning {
            p { strong { (text::SECRET) } }
            p { (copyable(secret.reveal().unwrap_or_default(), text::SECRET)) }
            p { (text::SECRET_ONCE) }
        }
        div.actions {
            a.button href={ (path) "/test" } { (text::TEST) }
            a.button.plain href=(path) { (text::TO_ENDPOINT) }
        }
    };
    Page::new(text::CREATED_TITLE, body).of(Section::Endpoints).with_status(StatusCode::CREATED)
}
