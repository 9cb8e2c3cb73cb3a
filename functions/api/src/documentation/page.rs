//! Renders the page as HTML without scripts and without external resources.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use shared::wire::error::ErrorCode;

use super::model::{Document, Operation, Parameter, Schema};
use super::{delivery_errors, sample};

const STYLE: &str = include_str!("style.css");

/// Renders the complete page.
pub(super) fn render(document: &Document) -> Markup {
    let info = &document.info;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (info.title) " API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    h1 { (info.title) " API" }
                    p { "Version " (info.version) " · " a href="/openapi.json" { "OpenAPI document" } }
                }
                details.menu {
                    summary { "Contents" }
                    (contents(document))
                }
                nav.side aria-label="Contents" { (contents(document)) }
                main id="content" {
                    (paragraphs(&info.description))
                    (authentication(document))
                    (errors(document))
                    (delivery_errors::render())
                    @for tag in &document.tags {
                        section aria-labelledby=(tag.name) {
                            h2 id=(tag.name) { (title(&tag.name)) }
                            (paragraphs(&tag.description))
                            @for (method, path, operation) in document.operations(&tag.name) {
                                (show_operation(document, method, path, operation))
                            }
                        }
                    }
                    (objects(document))
                }
            }
        }
    }
}

fn contents(document: &Document) -> Markup {
    html! {
        ul {
            li { a href="#authentication" { "Authentication" } }
            li { a href="#errors" { "Errors" } }
            li { a href="#delivery-errors" { "Delivery errors" } }
            @for tag in &document.tags {
                li {
                    a href={ "#" (tag.name) } { (title(&tag.name)) }
                    ul {
                        @for (method, _, operation) in document.operations(&tag.name) {
                            li {
                                a href={ "#" (operation.operation_id) } {
                                    span class={ "method " (method) } { (short(method)) } " " (operation.summary)
                                }
                            }
                        }
                    }
                }
            }
            li { a href="#objects" { "Objects" } }
        }
    }
}

fn authentication(document: &Document) -> Markup {
    html! {
        section aria-labelledby="authentication" {
            h2 id="authentication" { "Authentication" }
            @for scheme in document.components.security_schemes.values() { (paragraphs(&scheme.description)) }
        }
    }
}

/// Lists all error codes. An error's `docs_url` links to its code's entry.
fn errors(document: &Document) -> Markup {
    html! {
        section aria-labelledby="errors" {
            h2 id="errors" { "Errors" }
            p { "Every error response in every dialect has this shape. It lists all invalid fields." }
            @if let Some(error) = document.components.schemas.get("Error") { (code_block(&sample::answer(document, error))) }
            dl {
                @for code in ErrorCode::ALL {
                    dt id=(code.as_str()) { code { (code.as_str()) } " " span.kind { (code.status()) } }
                    dd { (inline(code.meaning())) }
                }
            }
        }
    }
}

fn show_operation(document: &Document, method: &str, path: &str, operation: &Operation) -> Markup {
    let id = &operation.operation_id;
    html! {
        article aria-labelledby=(id) {
            h3 id=(id) { (operation.summary) " " a.anchor href={ "#" (id) } aria-label="Link to this operation" { "#" } }
            p.route { span class={ "method " (method) } { (method.to_uppercase()) } " " code { (breakable(path)) } }
            (paragraphs(&operation.description))
            @if operation.security.iter().all(|needed| needed.is_empty()) { p { "No key is required." } }
            @if !operation.parameters.is_empty() {
                h4 { "Parameters" }
                dl { @for parameter in &operation.parameters { (show_parameter(document, parameter)) } }
            }
            @if let Some(body) = operation.request_body.as_ref().and_then(|body| body.json()) {
                h4 { "Body" }
                (fields(document, body))
                details { summary { "Sample" } (code_block(&sample::request(document, body))) }
            }
            h4 { "Answers" }
            @for (status, answer) in operation.responses.iter().filter(|(status, _)| status.starts_with('2')) {
                p {
                    strong { (status) } " " (inline(&answer.description))
                    @if let Some(name) = answer.json().and_then(|answer| object_of(document, answer)) {
                        " · " (object_link(name))
                    }
                }
                @if let Some(answer) = answer.json() {
                    details { summary { "Sample" } (code_block(&sample::answer(document, answer))) }
                }
            }
            (possible_errors(operation))
        }
    }
}

fn possible_errors(operation: &Operation) -> Markup {
    let possible = |code: &&ErrorCode| operation.responses.contains_key(&code.status().to_string());
    html! {
        p.errors {
            "Errors: "
            @for (index, code) in ErrorCode::ALL.iter().filter(possible).enumerate() {
                @if index > 0 { ", " }
                a href={ "#" (code.as_str()) } { (code.as_str()) }
            }
        }
    }
}

fn show_parameter(document: &Document, parameter: &Parameter) -> Markup {
    let location = format!("in {}", parameter.location);
    html! { (described(document, &parameter.name, &parameter.schema, &parameter.description, parameter.required, &location)) }
}

fn objects(document: &Document) -> Markup {
    let objects = || document.components.schemas.iter().filter(|(_, schema)| !document.fields(schema).is_empty());
    html! {
        section aria-labelledby="objects" {
            h2 id="objects" { "Objects" }
            @for (name, schema) in objects() {
                article aria-labelledby={ "object-" (name) } {
                    h3 id={ "object-" (name) } { (name) }
                    (paragraphs(&schema.description))
                    (fields(document, schema))
                }
            }
        }
    }
}

fn fields(document: &Document, schema: &Schema) -> Markup {
    html! {
        dl {
            @for field in document.fields(schema) {
                (described(document, field.name, field.schema, &field.schema.description, field.required, ""))
            }
        }
    }
}

fn described(
    document: &Document,
    name: &str,
    schema: &Schema,
    description: &str,
    required: bool,
    location: &str,
) -> Markup {
    let own = schema.unless_null();
    let value = document.resolve(schema);
    // The description of the field, then that of its items.
    let items = value.items.as_deref().map_or("", |items| document.resolve(items).description.as_str());
    let mut words: Vec<&str> = [description, &own.description, &value.description, items].into();
    words.retain(|words| !words.is_empty());
    words.dedup();
    html! {
        dt {
            code { (name) }
            @if !location.is_empty() { " " span.kind { (location) } }
            " " (kind(document, schema))
            @if required { " " strong.required { "required" } }
        }
        dd {
            (inline(&words.join(" ")))
            @for limit in limits(value) { " " span.limit { (limit) } }
        }
    }
}

/// The type of a value in one or two words.
fn kind(document: &Document, schema: &Schema) -> Markup {
    let value = document.resolve(schema);
    let items = value.items.as_deref().map(|items| document.resolve(items));
    let or_null = if schema.is_nullable() { " or null" } else { "" };
    html! {
        span.kind {
            @match (object_of(document, schema), items) {
                (Some(name), Some(_)) => { "array of " (object_link(name)) }
                (Some(name), None) => (object_link(name)),
                (None, Some(items)) => { "array of " (items.kinds().next().unwrap_or("value")) "s" }
                (None, None) => (value.kinds().find(|kind| *kind != "null").unwrap_or("value")),
            }
            (or_null)
        }
    }
}

/// The name of the object schema of a value, of its items or of its `data`.
fn object_of<'a>(document: &'a Document, schema: &'a Schema) -> Option<&'a str> {
    let schema = schema.unless_null();
    if let Some(name) = schema.name() {
        return (!document.fields(schema).is_empty()).then_some(name);
    }
    if let Some(items) = &schema.items {
        return object_of(document, items);
    }
    let data = document.fields(schema).into_iter().find(|field| field.name == "data")?;
    object_of(document, data.schema)
}

fn object_link(name: &str) -> Markup {
    html! { a href={ "#object-" (name) } { (name) } }
}

/// The restrictions of a value as phrases.
fn limits(schema: &Schema) -> Vec<String> {
    let range = |min: Option<String>, max: Option<String>, of: &str| match (min, max) {
        (Some(min), Some(max)) if min == max => Some(format!("{max}{of}")),
        (Some(min), Some(max)) => Some(format!("{min} to {max}{of}")),
        (Some(min), None) => Some(format!("from {min}{of}")),
        (None, Some(max)) => Some(format!("at most {max}{of}")),
        (None, None) => None,
    };
    let text = |number: Option<u64>| number.map(|number| number.to_string());
    let number = |number: &Option<Value>| number.as_ref().map(Value::to_string);
    let words: Vec<_> = schema.words.iter().filter_map(Value::as_str).collect();
    let restricted = [
        match words.as_slice() {
            [] => None,
            [only] => Some(format!("always {only}")),
            several => Some(format!("one of {}", several.join(", "))),
        },
        range(number(&schema.minimum), number(&schema.maximum), ""),
        range(text(schema.min_length), text(schema.max_length), " characters"),
        range(text(schema.min_items), text(schema.max_items), " items"),
        range(None, text(schema.max_properties), " entries"),
        schema.format.as_ref().filter(|format| !format.starts_with("int")).map(|format| format!("format {format}")),
        schema.pattern.as_ref().map(|pattern| format!("matches {pattern}")),
        schema.default.as_ref().map(|default| format!("default {default}")),
    ];
    restricted.into_iter().flatten().collect()
}

fn title(tag: &str) -> Markup {
    match tag {
        "documentation" => html! { "Documentation" },
        dialect => html! { "Dialect " code { (dialect) } },
    }
}

fn short(method: &str) -> String {
    method.to_uppercase().replace("DELETE", "DEL")
}

fn code_block(text: &str) -> Markup {
    // The element is focusable so that the keyboard can scroll it.
    html! { pre tabindex="0" { code { (text) } } }
}

/// Allows narrow screens to break a path before each slash.
fn breakable(path: &str) -> Markup {
    html! { @for part in path.split_inclusive('/') { (part) wbr; } }
}

fn paragraphs(text: &str) -> Markup {
    html! { @for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) { p { (inline(paragraph)) } } }
}

/// Renders text whose backquotes mark code.
pub(super) fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
