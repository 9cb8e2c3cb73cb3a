//! The settings of an endpoint, and whether it would receive an event.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use shared::domain::endpoint::Endpoint;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, PathId, Search, Tenant, check_size};
use shared::service::FilterTest;
use shared::wire::field::NamesTypes;
use shared::wire::organizations::{EndpointPatchIn, EventIn};

use super::frame::{Frame, Tab};
use super::schedule::schedule;
use super::settings_form::{self, FIELDS, basics, details};
use super::type_tree::TypeTree;
use crate::api_body::ApiBody;
use crate::components::{Entered, Field};
use crate::form::Form;
use crate::page::{Page, form_token};
use crate::session::SignedIn;
use crate::text::endpoint as text;
use crate::{Portal, Routes, Shared};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/endpoints/{endpoint}/settings", get(show).post(save))
        .route("/portal/{organization}/endpoints/{endpoint}/filter-test", post(test_filter))
}

/// What the page shows beside the settings.
#[derive(Default)]
struct Shown {
    /// The settings, if they were not saved.
    refused: Option<Entered>,
    /// The event of a test.
    event: Entered,
    result: Option<FilterTest>,
    is_saved: bool,
}

async fn show(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    Search(mut query): Search,
) -> Result<Page, ApiError> {
    let saved = query.take("saved", |_| Ok(()));
    let is_saved = query.finish(saved)?.is_some();
    page(&tenant, &portal, &signed_in, endpoint, Shown { is_saved, ..Shown::default() }).await
}

async fn save(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Response, ApiError> {
    match saved(&tenant, &portal, endpoint, &form).await {
        Ok(()) => {
            let path = crate::pages::endpoint_path(&signed_in, endpoint);
            Ok(Redirect::to(&format!("{path}/settings?saved=yes")).into_response())
        }
        Err(error) => {
            let refused = Entered::refused(&form, error)?;
            let status = refused.status();
            let shown = Shown { refused: Some(refused), ..Shown::default() };
            Ok(page(&tenant, &portal, &signed_in, endpoint, shown).await?.with_status(status).into_response())
        }
    }
}

async fn saved(
    tenant: &Tenant<EndpointsWrite>,
    portal: &Portal,
    endpoint: EndpointId,
    form: &Form,
) -> Result<(), ApiError> {
    let administrator = portal.administrator();
    let before = readable(portal, tenant, endpoint).await?;
    let wanted = settings_form::body(form, Some(&before)).finish::<EndpointPatchIn>()?;
    let deployment = administrator.deployment_for(&tenant.caller, wanted.fields().types()).await?;
    let patch = wanted.read(|wanted| wanted.parse(&deployment, false))?;
    administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(())
}

async fn test_filter(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Page, ApiError> {
    match tested(&tenant, &portal, endpoint, &form).await {
        Ok(result) => {
            let shown = Shown { event: Entered::sent(&form), result: Some(result), ..Shown::default() };
            page(&tenant, &portal, &signed_in, endpoint, shown).await
        }
        Err(error) => {
            let event = Entered::refused(&form, error)?;
            let status = event.status();
            let shown = Shown { event, ..Shown::default() };
            Ok(page(&tenant, &portal, &signed_in, endpoint, shown).await?.with_status(status))
        }
    }
}

async fn tested(
    tenant: &Tenant<EndpointsWrite>,
    portal: &Portal,
    endpoint: EndpointId,
    form: &Form,
) -> Result<FilterTest, ApiError> {
    let (administrator, organization) = (portal.administrator(), &tenant.organization);
    let mut event = ApiBody::default();
    event.set("type", form.text("type"));
    event.json("data", form.text("data"));
    let event = event.finish::<EventIn>()?.read(|event| event.parse(organization.default_format))?;
    check_size(&event.data, administrator.current_state(&organization.id).await?.limits())?;
    Ok(administrator.test_filter(&organization.id, endpoint, &event).await?)
}

/// The endpoint with readable headers.
async fn readable(portal: &Portal, tenant: &Tenant<EndpointsWrite>, id: EndpointId) -> Result<Endpoint, ApiError> {
    let administrator = portal.administrator();
    let endpoint = administrator.endpoint(&tenant.organization.id, id).await?;
    Ok(administrator.with_readable_headers(endpoint).await?)
}

async fn page(
    tenant: &Tenant<EndpointsWrite>,
    portal: &Portal,
    signed_in: &SignedIn,
    id: EndpointId,
    shown: Shown,
) -> Result<Page, ApiError> {
    let endpoint = readable(portal, tenant, id).await?;
    let health = portal.administrator().current_health_of(&endpoint).await;
    let tree = TypeTree::read(portal, &tenant.caller).await?;
    let frame = Frame { signed_in, endpoint, health };
    let entered = shown.refused.unwrap_or_else(|| settings_form::entered(&frame.endpoint, &tree));
    let usual = &portal.administrator().deployment().retry_schedule;
    let own = frame.endpoint.settings.retry_schedule.as_ref();
    let body = html! {
        @if shown.is_saved { p.notice.good role="status" { span { (text::SAVED) } } }
        (entered.notice(&FIELDS))
        form method="post" action={ (frame.path()) "/settings" } {
            (form_token(signed_in))
            (basics(&entered, &tree))
            (details(&entered))
            (schedule(own.unwrap_or(usual)))
            button.button type="submit" { (text::SAVE) }
        }
        section #match {
            h2 { (text::WOULD_MATCH) }
            p.muted { (text::WOULD_MATCH_HELP) }
            @if let Some(result) = &shown.result { (verdict(result)) }
            (shown.event.notice(&["type", "data"]))
            form method="post" action={ (frame.path()) "/filter-test#match" } {
                (form_token(signed_in))
                (Field::line("type", text::TYPE, "").of("event").required().show(&shown.event))
                (Field::lines("data", text::DATA, "", 6).of("event").required().show(&shown.event))
                button.button.plain type="submit" { (text::TRY) }
            }
        }
    };
    Ok(frame.page(Tab::Settings, &body))
}

/// Whether the endpoint would receive the event, and what is in the way.
fn verdict(result: &FilterTest) -> Markup {
    let is_received = result.subscribed && result.edition && result.channels && result.filter.unwrap_or(true);
    let reasons = [
        (result.subscribed, text::NOT_SUBSCRIBED),
        (result.edition, text::OTHER_EDITION),
        (result.channels, text::OTHER_CHANNELS),
        (result.filter.unwrap_or(true), text::FILTERED),
    ];
    html! {
        div class={ "notice " (if is_received { "good" } else { "warning" }) } role="status" {
            p { strong { @if is_received { (text::MATCHES) } @else { (text::DOES_NOT_MATCH) } } }
            @if !is_received {
                ul { @for (_, reason) in reasons.iter().filter(|(is_met, _)| !is_met) { li { (reason) } } }
            }
            @for mismatch in &result.mismatches {
                p {
                    code { (mismatch.path) } " " (text::WANTED) " " code { (mismatch.wanted) } ", " (text::FOUND) " "
                    @match &mismatch.found { Some(found) => code { (found) }, None => (text::NOTHING_FOUND) }
                }
            }
        }
    }
}
