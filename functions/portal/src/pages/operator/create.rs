//! Creating an organization.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use shared::edge::{ApiError, Platform};
use shared::wire::organizations::OrganizationIn;

use super::{PATH, Section};
use crate::Shared;
use crate::api_body::ApiBody;
use crate::components::{Entered, Field};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::session::SignedIn;
use crate::text::operator as text;

const FIELDS: [&str; 4] = ["name", "slug", "external_id", "description"];

pub(super) async fn new_organization(_: Platform, signed_in: SignedIn) -> Page {
    form(&signed_in, &Entered::default())
}

pub(super) async fn create_organization(
    _: Platform,
    State(portal): Shared,
    signed_in: SignedIn,
    sent: Form,
) -> Result<Response, ApiError> {
    let create = async || {
        let mut body = ApiBody::default();
        for name in FIELDS.into_iter().filter(|name| *name == "name" || !sent.text(name).is_empty()) {
            body.set(name, sent.text(name));
        }
        let new = body.finish::<OrganizationIn>()?.read(OrganizationIn::parse)?;
        sent.use_once(&portal, &signed_in).await?;
        Ok::<_, ApiError>(portal.administrator().create_organization(new).await?)
    };
    match create().await {
        Ok(created) => Ok(Redirect::to(&format!("{PATH}?id={}", created.id)).into_response()),
        Err(error) => Ok(form(&signed_in, &Entered::refused(&sent, error)?).into_response()),
    }
}

fn form(signed_in: &SignedIn, entered: &Entered) -> Page {
    let body = html! {
        (entered.notice(&FIELDS))
        form method="post" action={ (PATH) "/new" } {
            (form_token(signed_in))
            (form_id())
            (Field::line("name", text::NAME, "").required().show(entered))
            (Field::line("slug", text::SLUG, text::SLUG_HELP).show(entered))
            (Field::line("external_id", text::EXTERNAL_ID, text::EXTERNAL_ID_HELP).show(entered))
            (Field::lines("description", text::DESCRIPTION, "", 3).show(entered))
            div.actions {
                button.button type="submit" { (text::CREATE) }
                a href=(PATH) { (text::CANCEL) }
            }
        }
    };
    Page::new(text::NEW, body).of(Section::Organizations).with_status(entered.status())
}
