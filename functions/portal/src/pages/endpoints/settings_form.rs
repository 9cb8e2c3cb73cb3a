//! The fields of an endpoint's settings, and the request of the API that they stand for.

use std::collections::BTreeMap;

use maud::{Markup, html};
use shared::domain::endpoint::Endpoint;
use shared::domain::endpoint::subscription::Subscription;

use super::type_tree::{self, TypeTree};
use crate::api_body::ApiBody;
use crate::components::{Entered, Field, pretty};
use crate::form::{Form, lines};
use crate::text::endpoint as text;

/// Most bytes of a filter that is shown.
const MOST_FILTER_BYTES: usize = 64 * 1024;
/// The fields that show their own problems.
pub(super) const FIELDS: [&str; 8] =
    ["name", "url", "description", "event_types", "channels", "filter", "headers", "timeout_seconds"];

/// The fields, filled in with the settings of an endpoint whose headers are readable.
pub(super) fn entered(endpoint: &Endpoint, tree: &TypeTree) -> Entered {
    let settings = &endpoint.settings;
    let text = |value: Option<String>| value.unwrap_or_default();
    let (boxes, patterns): (Vec<_>, Vec<_>) =
        settings.subscriptions.iter().map(Subscription::to_string).partition(|name| tree.has_box(name));
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
    values.extend(boxes.into_iter().map(|name| (type_tree::FIELD, name)));
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

/// The request that the form stands for. `before` is the endpoint that it changes, with readable headers.
pub(super) fn body(form: &Form, before: Option<&Endpoint>) -> ApiBody {
    let mut body = ApiBody::default();
    body.set("name", form.text("name"));
    // A person may keep an ARN, and not set one.
    if before.is_none_or(|before| before.settings.destination.as_str() != form.text("url")) {
        body.set("url", form.text("url"));
    }
    let types: Vec<_> = form.all("event_types").chain(form.lines("patterns")).collect();
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
    let entered: Vec<_> = form.lines("headers").collect();
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

/// The fields that every endpoint has.
pub(super) fn basics(entered: &Entered, tree: &TypeTree) -> Markup {
    html! {
        (Field::line("name", text::NAME, "").required().show(entered))
        (Field::line("url", text::URL, text::URL_HELP).kind("url").required().show(entered))
        (Field::line("description", text::DESCRIPTION, "").show(entered))
        (tree.show(entered))
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
