//! A sign-in link for a colleague.

use axum::extract::State;
use maud::html;
use serde_json::json;
use shared::domain::portal::origin::PortalOrigin;
use shared::domain::portal::session::NewPortalSession;
use shared::domain::tenancy::access::Role;
use shared::edge::scopes::KeysWrite;
use shared::edge::{ApiError, PublicOrigin, Tenant};
use shared::wire::organizations::PortalSessionIn;

use super::{Section, Tab, shown_once};
use crate::Shared;
use crate::components::{Entered, Field};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::session::SignedIn;
use crate::text::access as text;

const FIELDS: [&str; 3] = ["actor", "role", "expires_in"];
/// How long a session can last, in seconds.
const DURATIONS: [(&str, &str); 4] =
    [("3600", text::ONE_HOUR), ("14400", text::FOUR_HOURS), ("28800", text::EIGHT_HOURS), ("86400", text::ONE_DAY)];

pub(super) async fn new_session(_: Tenant<KeysWrite>, signed_in: SignedIn) -> Page {
    let usual = [("role", Role::Member.as_str().to_owned()), ("expires_in", DURATIONS[2].0.to_owned())];
    form(&signed_in, &Entered::new(usual))
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
        Err(error) => Ok(form(&signed_in, &Entered::refused(&sent, error)?)),
    }
}

/// Reads the form as the body of the API.
fn read(form: &Form, origins: &[PortalOrigin]) -> Result<NewPortalSession, ApiError> {
    let seconds = form.text("expires_in").parse().unwrap_or(0_i64);
    let mut body = json!({"role": form.text("role"), "expires_in": seconds});
    if !form.text("actor").is_empty() {
        body["actor"] = form.text("actor").into();
    }
    let body: PortalSessionIn = serde_json::from_value(body).unwrap_or_default();
    body.parse(origins).map_err(ApiError::invalid)
}

fn form(signed_in: &SignedIn, entered: &Entered) -> Page {
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
            div.actions {
                button.button type="submit" { (text::CREATE_LINK) }
                a href=(path) { (text::CANCEL) }
            }
        }
    };
    Page::new(text::NEW_SESSION, body).of(Section::Access).with_status(entered.status())
}
