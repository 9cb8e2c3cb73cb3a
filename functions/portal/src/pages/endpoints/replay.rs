//! Sending events of a span of time to an endpoint again, or for the first time, and how far that is.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use shared::domain::ids::{EndpointId, JobId};
use shared::domain::job::{Job, JobKind, JobState, ReplayCount, Work};
use shared::domain::walk::Walk;
use shared::edge::scopes::DeliveriesWrite;
use shared::edge::{ApiError, PathId, Search, Tenant};
use shared::service::JobSelection;
use shared::wire::organizations::ReplayIn;

use super::frame::{Frame, Tab};
use crate::api_body::ApiBody;
use crate::components::Column::{Number, Text, Unseen};
use crate::components::{Entered, Field, Tone, badge, in_utc, table, time};
use crate::form::Form;
use crate::page::{Page, form_id, form_token};
use crate::pages::endpoint_path;
use crate::session::SignedIn;
use crate::text::{self as texts, replay as text};
use crate::{Portal, Routes, Shared};

/// The span of time that is suggested.
const USUAL_SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// Most jobs of a page.
const MOST_JOBS: usize = 10;
const WHAT: [(&str, &str); 3] = [("failed", text::FAILED), ("missed", text::MISSED), ("all", text::ALL)];
const FIELDS: [&str; 4] = ["what", "since", "until", "event_types"];

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal/{organization}/endpoints/{endpoint}/replay", get(show).post(replay))
        .route("/portal/{organization}/endpoints/{endpoint}/jobs/{job}/cancel", post(cancel))
}

async fn show(
    tenant: Tenant<DeliveriesWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    Search(mut query): Search,
) -> Result<Page, ApiError> {
    let started = query.take("started", |_| Ok(()));
    let is_started = query.finish(started)?.is_some();
    let since = portal.administrator().clock().now().minus(USUAL_SPAN).rfc3339_seconds();
    // A browser's field of a time has minutes and no offset.
    let entered = Entered::new([("since", since.chars().take("2026-03-24T20:00".len()).collect())]);
    page(&tenant, &portal, &signed_in, endpoint, &entered, &Outcome::of(is_started)).await
}

/// What the form led to.
enum Outcome {
    Nothing,
    Counted(ReplayCount),
    Started,
}

impl Outcome {
    const fn of(is_started: bool) -> Self {
        if is_started { Self::Started } else { Self::Nothing }
    }
}

async fn replay(
    tenant: Tenant<DeliveriesWrite>,
    PathId(endpoint): PathId<EndpointId>,
    signed_in: SignedIn,
    State(portal): Shared,
    form: Form,
) -> Result<Response, ApiError> {
    portal.administrator().endpoint(&tenant.organization.id, endpoint).await?;
    match done(&tenant, &portal, &signed_in, endpoint, &form).await {
        Ok(Outcome::Counted(count)) => {
            let outcome = Outcome::Counted(count);
            let page = page(&tenant, &portal, &signed_in, endpoint, &Entered::sent(&form), &outcome).await?;
            Ok(page.into_response())
        }
        Ok(_) => {
            Ok(Redirect::to(&format!("{}/replay?started=yes", endpoint_path(&signed_in, endpoint))).into_response())
        }
        Err(error) => {
            let entered = Entered::refused(&form, error)?;
            let page = page(&tenant, &portal, &signed_in, endpoint, &entered, &Outcome::Nothing).await?;
            Ok(page.with_status(entered.status()).into_response())
        }
    }
}

async fn done(
    tenant: &Tenant<DeliveriesWrite>,
    portal: &Portal,
    signed_in: &SignedIn,
    endpoint: EndpointId,
    form: &Form,
) -> Result<Outcome, ApiError> {
    let mut wanted = ApiBody::default();
    for name in ["since", "until"] {
        match form.text(name) {
            "" => {}
            value => wanted.set(name, in_utc(value)),
        }
    }
    wanted.set("what", form.text("what"));
    let types: Vec<_> = form.lines("event_types").collect();
    if !types.is_empty() {
        wanted.set("event_types", types);
    }
    let replay = wanted.finish::<ReplayIn>()?.read(ReplayIn::parse)?;
    let (administrator, organization, caller) = (portal.administrator(), &tenant.organization, &tenant.caller);
    if form.text("action") != "start" {
        return Ok(Outcome::Counted(administrator.count_replay(organization, caller, endpoint, &replay).await?));
    }
    form.use_once(portal, signed_in).await?;
    administrator.replay(organization, caller, endpoint, replay).await?;
    Ok(Outcome::Started)
}

async fn cancel(
    tenant: Tenant<DeliveriesWrite>,
    PathId(endpoint): PathId<EndpointId>,
    PathId(job): PathId<JobId>,
    signed_in: SignedIn,
    State(portal): Shared,
) -> Result<Redirect, ApiError> {
    portal.administrator().cancel_job(&tenant.organization.id, &tenant.binding, job).await?;
    Ok(Redirect::to(&format!("{}/replay", endpoint_path(&signed_in, endpoint))))
}

async fn page(
    tenant: &Tenant<DeliveriesWrite>,
    portal: &Portal,
    signed_in: &SignedIn,
    endpoint: EndpointId,
    entered: &Entered,
    outcome: &Outcome,
) -> Result<Page, ApiError> {
    let organization = &tenant.organization.id;
    let frame = Frame::read(portal, signed_in, organization, endpoint).await?;
    let selection = JobSelection { binding: &tenant.binding, endpoint: Some(endpoint), only_restarts: false };
    let jobs = portal.administrator().walk_jobs(organization, &selection, Walk::First, MOST_JOBS).await?.items;
    let body = html! {
        p.muted { (text::HELP) }
        @match outcome {
            Outcome::Counted(count) => (counted(count)),
            Outcome::Started => p.notice.good role="status" { span { (text::STARTED) } },
            Outcome::Nothing => {}
        }
        (entered.notice(&FIELDS))
        form method="post" action={ (frame.path()) "/replay" } {
            (form_token(signed_in)) (form_id())
            (Field::choice("what", text::WHAT, "", &WHAT).show(entered))
            (Field::line("since", text::SINCE, "").kind("datetime-local").required().show(entered))
            (Field::line("until", text::UNTIL, text::UNTIL_HELP).kind("datetime-local").show(entered))
            (Field::lines("event_types", text::TYPES, text::TYPES_HELP, 2).show(entered))
            div.actions {
                button.button.plain type="submit" name="action" value="count" { (text::COUNT) }
                button.button type="submit" name="action" value="start" data-confirm=(text::QUESTION) { (text::START) }
            }
        }
        h2 { (text::JOBS) }
        div #jobs data-live[jobs.iter().any(is_open)] data-version=(version(&jobs)) {
            @if jobs.is_empty() { p.muted { (text::NO_JOBS) } } @else { (table_of(&frame, &jobs)) }
        }
    };
    Ok(frame.page(Tab::Replay, &body))
}

fn counted(count: &ReplayCount) -> Markup {
    let number = texts::number(count.deliveries as u64);
    html! {
        div.notice.neutral role="status" {
            p {
                (text::WOULD_SEND) " " strong { @if count.has_more { (text::AT_LEAST) " " } (number) } " " (text::DELIVERIES)
                @if count.expiring > 0 { " " (texts::number(count.expiring as u64)) " " (text::EXPIRING) }
            }
        }
    }
}

const fn is_open(job: &Job) -> bool {
    job.state.ended_at().is_none()
}

/// Changes when a job does.
fn version(jobs: &[Job]) -> String {
    let jobs = jobs.iter().map(|job| format!("{}{}", job.state.as_str(), job.moved));
    jobs.collect::<Vec<_>>().join("-")
}

fn table_of(frame: &Frame<'_>, jobs: &[Job]) -> Markup {
    let rows = html! {
        @for job in jobs {
            tr {
                th scope="row" { (name(job)) }
                td { (state(job.state)) }
                td.number data-label=(text::MOVED) { (texts::number(job.moved)) }
                td data-label=(text::REQUESTED) { (time(job.since)) }
                td data-label=(text::PROCESSED) { @if let Some(at) = job.position() { (time(at)) } }
                td {
                    @if is_open(job) && job.work.kind().can_be_cancelled() {
                        form method="post" action={ (frame.path()) "/jobs/" (job.id) "/cancel" } {
                            (form_token(frame.signed_in))
                            button.link type="submit" { (text::CANCEL) }
                        }
                    }
                }
            }
        }
    };
    table(
        &[
            Text(text::JOB),
            Text(text::STATE),
            Number(text::MOVED),
            Text(text::REQUESTED),
            Text(text::PROCESSED),
            Unseen(text::CANCEL),
        ],
        &rows,
    )
}

fn name(job: &Job) -> &'static str {
    match (&job.work, job.work.kind()) {
        (Work::Replay(_, replay), _) => {
            WHAT.iter().find(|(what, _)| *what == replay.what.as_str()).map_or(text::REPLAY, |(_, name)| name)
        }
        (_, JobKind::Recover) => text::RECOVER,
        (_, JobKind::Release) => text::RELEASE,
        (_, JobKind::FailHeld) => text::FAIL_HELD,
        (_, kind) => kind.as_str(),
    }
}

fn state(state: JobState) -> Markup {
    match state {
        JobState::Open(_) => badge(Tone::Warning, text::OPEN),
        JobState::Done(_) => badge(Tone::Good, text::DONE),
        JobState::Cancelled(_) => badge(Tone::Neutral, text::CANCELLED),
    }
}
