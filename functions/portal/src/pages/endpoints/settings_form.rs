//! The fields of an endpoint's settings, and the request of the API that they stand for.

use std::collections::BTreeMap;

use maud::{Markup, html};
use shared::domain::catalogue::CatalogueType;
use shared::domain::endpoint::Endpoint;
use shared::domain::endpoint::subscription::Subscription;
use shared::edge::ApiError;
use shared::service::{Caller, TypeFilter};

use crate::Portal;
use crate::api_body::ApiBody;
use crate::components::{Entered, Field, checkbox, group, pretty};
use crate::form::Form;
use crate::text::endpoint as text;

/// Most types of the catalogue that are boxes. Others are entered as patterns.
const MOST_TYPES: usize = 100;
/// Most bytes of a filter that is shown.
const MOST_FILTER_BYTES: usize = 64 * 1024;
/// The fields that show their own problems.
pub(super) const FIELDS: [&str; 8] =
    ["name", "url", "description", "event_types", "channels", "filter", "headers", "timeout_seconds"];

/// The types that a person can tick.
pub(super) async fn known_types(portal: &Portal, caller: &Caller) -> Result<Vec<CatalogueType>, ApiError> {
    let page = portal.administrator().list_event_types(caller, &TypeFilter::default(), None, MOST_TYPES).await?;
    Ok(page.items)
}

/// The fields, filled in with the settings of an endpoint whose headers are readable.
pub(super) fn entered(endpoint: &Endpoint, known: &[CatalogueType]) -> Entered {
    let settings = &endpoint.settings;
    let text = |value: Option<String>| value.unwrap_or_default();
    let (boxes, patterns): (Vec<_>, Vec<_>) =
        settings.subscriptions.iter().map(Subscription::to_string).partition(|name| is_known(known, name));
    let mut values = vec![
        ("name", settings.name.to_string()),
        ("url", settings.destination.as_str().to_owned()),
        ("description", text(settings.description.as_ref().map(ToString::to_string))),
        ("patterns", patterns.join("\n")),
        ("channels", settings.channels.names().join("\n")),
        ("filter", text(settings.filter.as_ref().map(|it| pretty(&it.to_string(), MOST_FILTER_BYTES).0))),
        ("headers", headers(endpoint)),
        ("timeout_seconds", settings.timeout.get().to_string()),
        ("retry_schedule", text(settings.retry_schedule.as_ref().map(|it| listed(it.delays())))),
    ];
    values.extend(boxes.into_iter().map(|name| ("event_types", name)));
    Entered::new(values)
}

/// The headers as lines.
fn headers(endpoint: &Endpoint) -> String {
    let lines = endpoint.settings.headers.iter();
    let lines: Vec<_> = lines.map(|(name, value)| format!("{name}: {}", value.as_text().unwrap_or_default())).collect();
    lines.join("\n")
}

/// Numbers with commas.
pub(super) fn listed(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn is_known(known: &[CatalogueType], name: &str) -> bool {
    known.iter().any(|kind| kind.name.as_str() == name)
}

/// The request that the form stands for. `before` is the endpoint that it changes, with readable headers.
pub(super) fn body(form: &Form, before: Option<&Endpoint>) -> ApiBody {
    let mut body = ApiBody::default();
    body.set("name", form.text("name"));
    // A person may keep an ARN, and not set one.
    if before.is_none_or(|before| before.settings.destination.as_str() != form.text("url")) {
        body.set("url", form.text("url"));
    }
    let types: Vec<_> = form.all("event_types").chain(lines(form.raw("patterns"))).collect();
    body.set("event_types", types);
    optional(&mut body, form, "description", |body, text| body.set("description", text));
    optional(&mut body, form, "channels", |body, text| body.set("channels", lines(text).collect::<Vec<_>>()));
    optional(&mut body, form, "filter", |body, text| body.json("filter", text));
    optional(&mut body, form, "timeout_seconds", |body, text| body.number("timeout_seconds", text));
    optional(&mut body, form, "retry_schedule", |body, text| {
        let delays = text.split(',').map(str::trim).filter(|delay| !delay.is_empty());
        match delays.map(str::parse).collect::<Result<Vec<u32>, _>>() {
            Ok(delays) => body.set("retry_schedule", delays),
            Err(_) => body.problem("retry_schedule", text::SECONDS_WITH_COMMAS),
        }
    });
    // Values that could not be decrypted are kept unless the person changes the headers.
    let entered: Vec<_> = lines(form.raw("headers")).collect();
    if before.is_none_or(|before| lines(&headers(before)).collect::<Vec<_>>() != entered) {
        set_headers(&mut body, &entered);
    }
    if before.is_none() && !form.text("signing_algorithm").is_empty() {
        body.set("signing_algorithm", form.text("signing_algorithm"));
    }
    body
}

/// Sets a field to what was entered, or to null, the default, if that is nothing.
fn optional(body: &mut ApiBody, form: &Form, name: &'static str, set: impl FnOnce(&mut ApiBody, &str)) {
    match form.text(name) {
        "" => body.set(name, None::<&str>),
        text => set(body, text),
    }
}

fn set_headers(body: &mut ApiBody, lines: &[&str]) {
    let mut headers = BTreeMap::new();
    for line in lines {
        match line.split_once(':') {
            Some((name, value)) if headers.insert(name.trim(), value.trim()).is_none() => {}
            Some((name, _)) => body.problem("headers", format!("must not have {} twice", name.trim())),
            None => body.problem("headers", text::HEADER_LINES),
        }
    }
    body.set("headers", headers);
}

/// The lines of a text that are not empty.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The fields that every endpoint has.
pub(super) fn basics(entered: &Entered, known: &[CatalogueType]) -> Markup {
    html! {
        (Field::line("name", text::NAME, "").required().show(entered))
        (Field::line("url", text::URL, text::URL_HELP).kind("url").required().show(entered))
        (Field::line("description", text::DESCRIPTION, "").show(entered))
        (group(entered, "event_types", text::TYPES, "", &types(entered, known)))
    }
}

/// The types of the catalogue by group, and a field for patterns.
fn types(entered: &Entered, known: &[CatalogueType]) -> Markup {
    let mut groups: BTreeMap<&str, Vec<&CatalogueType>> = BTreeMap::new();
    for kind in known {
        let group = kind.settings.group.as_ref().map_or("", |group| group.as_str());
        groups.entry(group).or_default().push(kind);
    }
    html! {
        @for (name, kinds) in groups {
            div.types {
                @if !name.is_empty() { h3 { (name) } }
                @for kind in kinds {
                    @let label = html! {
                        code { (kind.name) }
                        @if let Some(description) = &kind.settings.description {
                            " " span.muted { (description.as_str().lines().next().unwrap_or_default()) }
                        }
                    };
                    (checkbox(entered, "event_types", kind.name.as_str(), &label))
                }
            }
        }
        (Field::lines("patterns", if known.is_empty() { text::PATTERNS_ONLY } else { text::PATTERNS }, text::PATTERNS_HELP, 3)
            .show(entered))
    }
}

/// The other fields.
pub(super) fn details(entered: &Entered) -> Markup {
    html! {
        (Field::lines("channels", text::CHANNELS, text::CHANNELS_HELP, 2).show(entered))
        (Field::lines("filter", text::EVENT_FILTER, text::FILTER_HELP, 6).show(entered))
        (Field::lines("headers", text::HEADERS, text::HEADERS_HELP, 3).show(entered))
        (Field::line("timeout_seconds", text::TIMEOUT, text::TIMEOUT_HELP).kind("number").show(entered))
        (Field::line("retry_schedule", text::SCHEDULE, text::SCHEDULE_HELP).show(entered))
    }
}
