//! The secrets that sign the requests to an endpoint: showing and rotating them, and verifying signatures.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use maud::{Markup, html};
use shared::domain::endpoint::Endpoint;
use shared::domain::endpoint::secrets::Secrets;
use shared::domain::ids::EndpointId;
use shared::domain::signing::secret::Algorithm;
use shared::domain::time::Timestamp;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, PathId, Tenant};
use shared::wire::organizations::RotationIn;

use super::frame::{Frame, Tab};
use super::snippets::snippets;
use crate::api_body::ApiBody;
use crate::components::Column::Text;
use crate::components::{Entered, Field, copy_button, copyable, countdown, table};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::session::SignedIn;
use crate::text::signing as text;
use crate::{Portal, Routes, Shared};

const OVERLAPS: [(&str, &str); 5] = [
    ("0", text::OVERLAP_NONE),
    ("3600", text::OVERLAP_HOUR),
    ("86400", text::OVERLAP_DAY),
    ("259200", text::OVERLAP_DAYS),
    ("604800", text::OVERLAP_WEEK),
];
const DEFAULT_OVERLAP: &str = "86400";

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/endpoints/{endpoint}/signing", get(show).post(rotate))
        .route("/portal/{organization}/endpoints/{endpoint}/signing/secret", post(reveal))
}

/// What the page shows beside the keys.
#[derive(Default)]
struct Shown {
    form: Option<Entered>,
    /// The secret that was just generated.
    new: Option<String>,
    /// The secrets, if the person asked for them.
    revealed: Option<Secrets>,
}

async fn show(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Page, ApiError> {
    let endpoint = portal.administrator().endpoint(&tenant.organization.id, endpoint).await?;
    Ok(page(&portal, &signed_in, endpoint, Shown::default()).await)
}

async fn rotate(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Page, ApiError> {
    let before = portal.administrator().endpoint(&tenant.organization.id, endpoint).await?;
    match rotated(&tenant, &portal, &signed_in, endpoint, &form).await {
        Ok(endpoint) => {
            let new = endpoint.secrets.newest.secret.reveal().map(str::to_owned);
            Ok(page(&portal, &signed_in, endpoint, Shown { new, ..Shown::default() }).await)
        }
        Err(error) => {
            let entered = Entered::refused(&form, error)?;
            let status = entered.status();
            let shown = Shown { form: Some(entered), ..Shown::default() };
            Ok(page(&portal, &signed_in, before, shown).await.with_status(status))
        }
    }
}

async fn rotated(
    tenant: &Tenant<EndpointsWrite>,
    portal: &Portal,
    signed_in: &SignedIn,
    endpoint: EndpointId,
    form: &Form,
) -> Result<Endpoint, ApiError> {
    let mut wanted = ApiBody::default();
    wanted.number("overlap_seconds", form.text("overlap_seconds"));
    wanted.set("signing_algorithm", form.text("signing_algorithm"));
    let rotation = wanted.finish::<RotationIn>()?.read(RotationIn::parse)?;
    form.use_once(portal, signed_in).await?;
    Ok(portal.administrator().rotate_secret(&tenant.organization.id, endpoint, rotation).await?)
}

async fn reveal(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Page, ApiError> {
    let organization = &tenant.organization.id;
    let (secrets, _) = portal.administrator().read_secrets(organization, endpoint).await?;
    let endpoint = portal.administrator().endpoint(organization, endpoint).await?;
    Ok(page(&portal, &signed_in, endpoint, Shown { revealed: Some(secrets), ..Shown::default() }).await)
}

async fn page(portal: &Portal, signed_in: &SignedIn, endpoint: Endpoint, shown: Shown) -> Page {
    let health = portal.administrator().current_health_of(&endpoint).await;
    let now = portal.administrator().clock().now();
    let frame = Frame { signed_in, endpoint, health };
    let algorithm = frame.endpoint.secrets.newest.secret.algorithm();
    let entered = shown.form.unwrap_or_else(|| {
        let values = [("overlap_seconds", DEFAULT_OVERLAP), ("signing_algorithm", algorithm.as_str())];
        Entered::new(values.map(|(name, value)| (name, value.to_owned())))
    });
    let body = html! {
        @if let Some(secret) = &shown.new {
            div.notice.warning {
                p { strong { (text::NEW_SECRET) } }
                p { (copyable(secret, text::NEW_SECRET)) }
                p { (text::SECRET_ONCE) }
            }
        }
        h2 { (text::KEYS) }
        (keys(shown.revealed.as_ref().unwrap_or(&frame.endpoint.secrets), shown.revealed.is_some(), now))
        @if portal.administrator().deployment().secrets_readable && shown.revealed.is_none() {
            form.actions method="post" action={ (frame.path()) "/signing/secret" } {
                (form_token(signed_in))
                button.button.plain type="submit" { (text::REVEAL) }
                span.hint { (text::REVEAL_HELP) }
            }
        }
        h2 { (text::ROTATE) }
        p.muted { (text::ROTATE_HELP) }
        (entered.notice(&["overlap_seconds", "signing_algorithm"]))
        form method="post" action={ (frame.path()) "/signing" } {
            (form_token(signed_in)) (form_id())
            (Field::choice("overlap_seconds", text::OVERLAP, "", &OVERLAPS).show(&entered))
            (Field::choice("signing_algorithm", text::ALGORITHM, "", &super::create::ALGORITHMS).show(&entered))
            button.button type="submit" data-confirm=(text::ROTATE_QUESTION) { (text::ROTATE) }
        }
        h2 { (text::VERIFY) }
        p.muted { (text::VERIFY_HELP) }
        (verification(algorithm))
    };
    frame.page(Tab::Signing, &body)
}

fn keys(secrets: &Secrets, are_revealed: bool, now: Timestamp) -> Markup {
    let rows = html! {
        @for (key, until) in secrets.ending_at(now) {
            tr {
                th scope="row" { code { (key.id) } }
                td { (key.secret.algorithm().as_str()) }
                td data-label=(text::PUBLIC_KEY) {
                    @match key.secret.public_key() {
                        Some(public) => (copyable(&public.to_string(), text::PUBLIC_KEY)),
                        None => (text::NO_PUBLIC_KEY),
                    }
                }
                @if are_revealed {
                    td data-label=(text::SECRET) {
                        (copyable(key.secret.reveal().unwrap_or_default(), text::SECRET))
                    }
                }
                td data-label=(text::SIGNS_UNTIL) {
                    @match until { Some(until) => (countdown(until)), None => (text::NEWEST) }
                }
            }
        }
    };
    let secret = are_revealed.then_some(Text(text::SECRET));
    let columns = [Text(text::KEY), Text(text::ALGORITHM), Text(text::PUBLIC_KEY)].into_iter().chain(secret);
    table(&columns.chain([Text(text::SIGNS_UNTIL)]).collect::<Vec<_>>(), &rows)
}

fn verification(algorithm: Algorithm) -> Markup {
    html! {
        @for (index, (language, code)) in snippets(algorithm).iter().enumerate() {
            @let id = format!("verify-{index}");
            details.snippet {
                summary { (language) }
                (copy_button(&id, language))
                pre id=(id) tabindex="0" aria-label=(language) { code { (code) } }
            }
        }
    }
}
