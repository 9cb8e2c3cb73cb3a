//! A sign-in link for a colleague.

use axum::extract::State;
use maud::{Markup, html};
use shared::domain::endpoint::Endpoint;
use shared::domain::portal::origin::PortalOrigin;
use shared::domain::portal::session::NewPortalSession;
use shared::domain::tenancy::access::Role;
use shared::domain::tenancy::rights::Binding;
use shared::edge::scopes::KeysWrite;
use shared::edge::{ApiError, PublicOrigin, Tenant};
use shared::wire::organizations::PortalSessionIn;

use super::{Section, Tab, shown_once};
use crate::api_body::ApiBody;
use crate::components::{Entered, Field, checkbox, group};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::pages::host;
use crate::session::SignedIn;
use crate::text::access as text;
use crate::{Portal, Shared};

const FIELDS: [&str; 4] = ["actor", "role", "expires_in", "endpoints"];
/// How long a session can last, in seconds.
const DURATIONS: [(&str, &str); 4] =
    [("3600", text::ONE_HOUR), ("14400", text::FOUR_HOURS), ("28800", text::EIGHT_HOURS), ("86400", text::ONE_DAY)];
/// Most endpoints that are boxes, so that a page stays small. Others are entered by their ids.
const MOST_BOXES: usize = 50;

pub(super) async fn new_session(
    tenant: Tenant<KeysWrite>,
    State(portal): Shared,
    signed_in: SignedIn,
) -> Result<Page, ApiError> {
    let usual = [("role", Role::Member.as_str().to_owned()), ("expires_in", DURATIONS[2].0.to_owned())];
    form(&portal, &tenant, &signed_in, &Entered::new(usual)).await
}

pub(super) async fn create_session(
    tenant: Tenant<KeysWrite>,
    State(portal): Shared,
    signed_in: SignedIn,
    origin: PublicOrigin,
    sent: Form,
) -> Result<Page, ApiError> {
    let administrator = portal.administrator();
    let create = async || {
        let new = read(&sent, &portal.settings().origins)?;
        sent.use_once(&portal, &signed_in).await?;
        Ok::<_, ApiError>(administrator.create_portal_session(&tenant.organization, &tenant.caller, new).await?)
    };
    match create().await {
        Ok((_, token)) => {
            let url = format!("{}/portal/sign-in?token={}", origin.as_str(), *token.reveal());
            let back = Tab::Sessions.path(&signed_in);
            Ok(shown_once(text::LINK_CREATED, text::LINK_ONCE, &url, text::LINK, &back))
        }
        Err(error) => form(&portal, &tenant, &signed_in, &Entered::refused(&sent, error)?).await,
    }
}

/// Reads the form as the body of the API.
fn read(form: &Form, origins: &[PortalOrigin]) -> Result<NewPortalSession, ApiError> {
    let mut body = ApiBody::default();
    body.set("role", form.text("role"));
    body.number("expires_in", form.text("expires_in"));
    if !form.text("actor").is_empty() {
        body.set("actor", form.text("actor"));
    }
    let endpoints: Vec<_> = form.all("endpoints").chain(form.lines("other_endpoints")).collect();
    if !endpoints.is_empty() {
        body.set("endpoints", endpoints);
    }
    Ok(body.finish::<PortalSessionIn>()?.read(|body| body.parse(origins))?)
}

async fn form(
    portal: &Portal,
    tenant: &Tenant<KeysWrite>,
    signed_in: &SignedIn,
    entered: &Entered,
) -> Result<Page, ApiError> {
    let all = Binding::default();
    let endpoints = portal.administrator().endpoints_after(&tenant.organization.id, &all, None, MOST_BOXES).await?;
    let roles = [
        (Role::Member.as_str(), text::MEMBER),
        (Role::Admin.as_str(), text::ADMIN),
        (Role::Owner.as_str(), text::OWNER),
    ];
    let path = Tab::Sessions.path(signed_in);
    let body = html! {
        (entered.notice(&FIELDS))
        form method="post" action={ (path) "/new" } {
            (form_token(signed_in))
            (form_id())
            (Field::line("actor", text::PERSON, text::PERSON_HELP).show(entered))
            (Field::choice("role", text::ROLE, "", &roles).show(entered))
            (Field::choice("expires_in", text::DURATION, "", &DURATIONS).show(entered))
            @if !endpoints.items.is_empty() { (choice(entered, &endpoints.items, endpoints.next.is_some())) }
            div.actions {
                button.button type="submit" { (text::CREATE_LINK) }
                a href=(path) { (text::CANCEL) }
            }
        }
    };
    Ok(Page::new(text::NEW_SESSION, body).of(Section::Access).with_status(entered.status()))
}

/// The endpoints that the session can be bound to.
fn choice(entered: &Entered, endpoints: &[Endpoint], has_more: bool) -> Markup {
    let boxes = html! {
        @for endpoint in endpoints {
            @let label = html! { (endpoint.settings.name) " " span.muted { (host(endpoint)) } };
            (checkbox(entered, "endpoints", &endpoint.id.to_string(), &label))
        }
        @if has_more {
            (Field::lines("other_endpoints", text::OTHER_ENDPOINTS, text::OTHER_ENDPOINTS_HELP, 3).show(entered))
        }
    };
    group(entered, "endpoints", text::ENDPOINTS, text::ENDPOINTS_HELP, &boxes)
}
