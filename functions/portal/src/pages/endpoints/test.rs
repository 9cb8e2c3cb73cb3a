//! Sending a test event. Its delivery's page opens then.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::event::event_type::EventType;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, PathId, Search, Tenant, check_size};
use shared::service::{Caller, ServiceError, TypeFilter};
use shared::wire::field::NamesTypes;
use shared::wire::organizations::TestIn;

use super::frame::{Frame, Tab};
use crate::api_body::ApiBody;
use crate::components::{Entered, Field, pretty};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::session::SignedIn;
use crate::text::endpoint as text;
use crate::{Portal, Routes, Shared};

/// The type of a test without another one.
const TEST_TYPE: &str = "webhook.test";
/// Most types that are suggested.
const MOST_TYPES: usize = 100;
/// Most bytes of an example.
const MOST_EXAMPLE_BYTES: usize = 256 * 1024;

pub(super) fn routes() -> Routes {
    Router::new().route("/portal/{organization}/endpoints/{endpoint}/test", get(show).post(send))
}

async fn show(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    Search(mut query): Search,
) -> Result<Page, ApiError> {
    let wanted = query.take("event_type", |text| Ok(text.to_owned()));
    let wanted = query.finish(wanted)?;
    let frame = Frame::read(&portal, &signed_in, &tenant.organization.id, endpoint).await?;
    let exact = frame.endpoint.settings.subscriptions.iter().find_map(|subscription| match subscription {
        Subscription::Exact(event_type) if !event_type.is_operational() => Some(event_type.to_string()),
        _ => None,
    });
    let event_type = wanted.or(exact).unwrap_or_else(|| TEST_TYPE.to_owned());
    let data = example(&portal, &tenant.caller, &event_type).await?;
    let entered = Entered::new([("event_type", event_type), ("data", data)]);
    page(&portal, &tenant.caller, &frame, &entered).await
}

async fn send(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Response, ApiError> {
    let frame = Frame::read(&portal, &signed_in, &tenant.organization.id, endpoint).await?;
    match sent(&tenant, &portal, &signed_in, endpoint, &form).await {
        Ok(to) => Ok(to.into_response()),
        Err(error) => {
            let entered = Entered::refused(&form, error)?;
            Ok(page(&portal, &tenant.caller, &frame, &entered).await?.with_status(entered.status()).into_response())
        }
    }
}

async fn sent(
    tenant: &Tenant<EndpointsWrite>,
    portal: &Portal,
    signed_in: &SignedIn,
    endpoint: EndpointId,
    form: &Form,
) -> Result<Redirect, ApiError> {
    let (administrator, organization) = (portal.administrator(), &tenant.organization);
    let mut wanted = ApiBody::default();
    wanted.set("event_type", form.text("event_type"));
    wanted.json("data", form.text("data"));
    let wanted = wanted.finish::<TestIn>()?;
    let deployment = administrator.deployment_for(&tenant.caller, wanted.fields().types()).await?;
    let test = wanted.read(|wanted| wanted.parse(&deployment.catalogue))?;
    if let Some(data) = &test.data {
        check_size(data, administrator.current_state(&organization.id).await?.limits())?;
    }
    form.use_once(portal, signed_in).await?;
    let sent = administrator.send_test(organization, tenant.caller.key(), endpoint, test).await?;
    let delivery =
        sent.deliveries.first().ok_or_else(|| ServiceError::Internal("a test has no delivery".to_owned()))?;
    Ok(Redirect::to(&format!("{}/deliveries/{}?sent=test", signed_in.base(), delivery.id)))
}

/// The example of a type, or else a small object.
async fn example(portal: &Portal, caller: &Caller, event_type: &str) -> Result<String, ApiError> {
    let found = match EventType::parse(event_type) {
        Ok(event_type) => match portal.administrator().event_type(caller, &event_type).await {
            Ok(found) => found.contents().example.map(|example| example.as_str().to_owned()),
            Err(ServiceError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        },
        Err(_) => None,
    };
    Ok(pretty(&found.unwrap_or_else(|| r#"{"test":true}"#.to_owned()), MOST_EXAMPLE_BYTES).0)
}

async fn page(portal: &Portal, caller: &Caller, frame: &Frame<'_>, entered: &Entered) -> Result<Page, ApiError> {
    let known = portal.administrator().list_event_types(caller, &TypeFilter::default(), None, MOST_TYPES).await?;
    let known: Vec<_> = known.items.iter().map(|kind| kind.name.as_str()).collect();
    Ok(frame.page(Tab::Test, &form(frame, entered, &known)))
}

fn form(frame: &Frame<'_>, entered: &Entered, known: &[&str]) -> Markup {
    let path = format!("{}/test", frame.path());
    html! {
        p.muted { (text::TEST_HELP) }
        @if !known.is_empty() {
            form.filters method="get" action=(path) {
                @let choices: Vec<_> = known.iter().map(|name| (*name, *name)).collect();
                (Field::choice("event_type", text::EXAMPLE_OF, "", &choices).of("example").show(entered))
                button.button.plain type="submit" { (text::LOAD_EXAMPLE) }
            }
        }
        (entered.notice(&["event_type", "data"]))
        form method="post" action=(path) {
            (form_token(frame.signed_in)) (form_id())
            (Field::line("event_type", text::TYPE, "").required().show(entered))
            (Field::lines("data", text::DATA, text::DATA_HELP, 12).required().show(entered))
            button.button type="submit" { (text::SEND_TEST) }
        }
    }
}
