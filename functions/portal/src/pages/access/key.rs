//! Issuing an API key.

use axum::extract::State;
use maud::html;
use shared::domain::tenancy::access::{Role, Scope};
use shared::domain::tenancy::api_key::NewKey;
use shared::domain::time::Timestamp;
use shared::edge::scopes::KeysWrite;
use shared::edge::{ApiError, Tenant};
use shared::wire::organizations::ApiKeyIn;

use super::{Section, Tab, shown_once};
use crate::Shared;
use crate::api_body::ApiBody;
use crate::components::{Entered, Field, checkbox, group, in_utc};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::session::SignedIn;
use crate::text::access as text;

/// The value of the field `role` with which the scopes are chosen one by one.
const EXACT: &str = "exact";
const FIELDS: [&str; 4] = ["name", "role", "scopes", "expires_at"];

pub(super) async fn new_key(_: Tenant<KeysWrite>, signed_in: SignedIn) -> Page {
    form(&signed_in, &Entered::new([("role", Role::Publisher.as_str().to_owned())]))
}

pub(super) async fn issue_key(
    tenant: Tenant<KeysWrite>,
    State(portal): Shared,
    signed_in: SignedIn,
    sent: Form,
) -> Result<Page, ApiError> {
    let administrator = portal.administrator();
    let issue = async || {
        let new = read(&sent, administrator.clock().now())?;
        sent.use_once(&portal, &signed_in).await?;
        Ok::<_, ApiError>(administrator.issue_key(&tenant.organization.id, &tenant.caller, new).await?)
    };
    match issue().await {
        Ok(issued) => {
            let back = Tab::Keys.path(&signed_in);
            Ok(shown_once(text::KEY_ISSUED, text::KEY_ONCE, issued.secret.reveal(), text::KEY, &back))
        }
        Err(error) => Ok(form(&signed_in, &Entered::refused(&sent, error)?)),
    }
}

/// Reads the form as the body of the API.
fn read(form: &Form, now: Timestamp) -> Result<NewKey, ApiError> {
    let mut body = ApiBody::default();
    body.set("name", form.text("name"));
    match form.text("role") {
        EXACT => body.set("scopes", form.all("scopes").collect::<Vec<_>>()),
        role => body.set("role", role),
    }
    if !form.text("expires_at").is_empty() {
        body.set("expires_at", in_utc(form.text("expires_at")));
    }
    Ok(body.finish::<ApiKeyIn>()?.read(|body| body.parse(now))?)
}

fn form(signed_in: &SignedIn, entered: &Entered) -> Page {
    let roles = [
        (Role::Publisher.as_str(), text::PUBLISHER),
        (Role::Member.as_str(), text::MEMBER),
        (Role::Admin.as_str(), text::ADMIN),
        (Role::Owner.as_str(), text::OWNER),
        (EXACT, text::EXACT),
    ];
    let scopes = html! {
        @for scope in Scope::ALL { (checkbox(entered, "scopes", scope.as_str(), &html! { code { (scope.as_str()) } })) }
    };
    let path = Tab::Keys.path(signed_in);
    let body = html! {
        (entered.notice(&FIELDS))
        form method="post" action={ (path) "/keys/new" } {
            (form_token(signed_in))
            (form_id())
            (Field::line("name", text::NAME, text::KEY_NAME_HELP).required().show(entered))
            (Field::choice("role", text::ROLE, "", &roles).show(entered))
            (group(entered, "scopes", text::SCOPES, text::SCOPES_HELP, &scopes))
            (Field::line("expires_at", text::EXPIRES_UTC, text::EXPIRES_HELP).kind("datetime-local").show(entered))
            div.actions {
                button.button type="submit" { (text::ISSUE) }
                a href=(path) { (text::CANCEL) }
            }
        }
    };
    Page::new(text::NEW_KEY, body).of(Section::Access).with_status(entered.status())
}
