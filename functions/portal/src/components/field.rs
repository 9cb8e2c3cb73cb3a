//! Fields of forms. A field shows its label, its help, what was entered, and what is wrong with it, beside each other.

use http::StatusCode;
use maud::{Markup, html};
use shared::edge::ApiError;
use shared::wire::error::{ErrorCode, Problem};

use crate::form::Form;
use crate::text;

/// What a form shows: the values of its fields, and what was wrong with them when it was sent. Values may be secrets, so there
/// is no `Debug`.
#[derive(Default)]
pub(crate) struct Entered {
    values: Vec<(String, String)>,
    problems: Vec<Problem>,
    /// Why the form was refused, if no field is the reason.
    message: Option<String>,
    status: StatusCode,
}

impl Entered {
    /// A form that was not sent yet.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { values, ..Self::default() }
    }

    /// A form as it was sent, without problems.
    pub(crate) fn sent(form: &Form) -> Self {
        let values = form.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { values, ..Self::default() }
    }

    /// Values, and what is wrong with them.
    pub(crate) fn with_problems<'a>(
        values: impl IntoIterator<Item = (&'a str, String)>,
        problems: Vec<Problem>,
    ) -> Self {
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        Self { problems, status, ..Self::new(values) }
    }

    /// A form that was refused, with what was entered.
    ///
    /// # Errors
    /// The error itself if the person cannot correct the form.
    pub(crate) fn refused(form: &Form, error: ApiError) -> Result<Self, ApiError> {
        use ErrorCode::{Forbidden, Internal, MethodNotAllowed, NotFound, Unauthorized, UnsupportedMediaType};
        if matches!(
            error.code(),
            Forbidden | Internal | MethodNotAllowed | NotFound | Unauthorized | UnsupportedMediaType
        ) {
            return Err(error);
        }
        let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::BAD_REQUEST);
        let message = error.problems().is_empty().then(|| match error.code() {
            ErrorCode::Unavailable => text::UNAVAILABLE_FORM.to_owned(),
            _ => text::sentence(error.message()),
        });
        Ok(Self { problems: error.problems().to_vec(), message, status, ..Self::sent(form) })
    }

    /// The status of the page with this form.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The value of a field; empty if it has none.
    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Whether one of the values of a field is this.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.values.iter().any(|(it, entered)| it == name && entered == value)
    }

    /// What is wrong with a field, and with what is within it.
    fn problem(&self, name: &str) -> Option<String> {
        let of_field: Vec<_> = self
            .problems
            .iter()
            .filter_map(|problem| {
                let place = problem.name.trim_start_matches('/').strip_prefix(name)?;
                match place.chars().next() {
                    None => Some(problem.message.clone()),
                    Some('/' | '.' | '[') => Some(format!("{place} {}", problem.message)),
                    Some(_) => None,
                }
            })
            .collect();
        (!of_field.is_empty()).then(|| text::sentence(&of_field.join("; ")))
    }

    /// Says above a form why it was refused. `fields` are those that show their own problems.
    pub(crate) fn notice(&self, fields: &[&str]) -> Markup {
        let is_shown = |problem: &Problem| {
            fields.iter().any(|field| {
                self.problem(field).is_some() && { problem.name.trim_start_matches('/').starts_with(field) }
            })
        };
        let others = self.problems.iter().filter(|problem| !is_shown(problem));
        let others: Vec<_> =
            others.map(|problem| text::sentence(&format!("{} {}", problem.name, problem.message))).collect();
        html! {
            @if self.message.is_some() || !self.problems.is_empty() {
                div.notice.bad role="alert" {
                    @match &self.message {
                        Some(message) => p { (message) },
                        None if others.is_empty() => p { (text::CORRECT_THE_FIELDS) },
                        None => @for other in others { p { (other) } },
                    }
                }
            }
        }
    }
}

/// How a field is edited.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Control<'a> {
    /// A line of text, with this `type` of HTML.
    Line(&'a str),
    /// Several lines of text, this many of them visible.
    Lines(u8),
    /// One of these values, each with a label.
    Choice(&'a [(&'a str, &'a str)]),
}

/// A field of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// The name in the form and in the API.
    pub(crate) name: &'a str,
    /// What the person reads.
    pub(crate) label: &'a str,
    /// How it is filled in; empty if that is plain.
    pub(crate) help: &'a str,
    /// How it is edited.
    pub(crate) control: Control<'a>,
    /// Whether it must have a value.
    pub(crate) is_required: bool,
    /// What distinguishes it from another field of the page with its name.
    pub(crate) of: &'a str,
}

impl<'a> Field<'a> {
    /// A line of text that may be empty.
    pub(crate) const fn line(name: &'a str, label: &'a str, help: &'a str) -> Self {
        Self { name, label, help, control: Control::Line("text"), is_required: false, of: "" }
    }

    /// Several lines of text.
    pub(crate) const fn lines(name: &'a str, label: &'a str, help: &'a str, rows: u8) -> Self {
        Self { control: Control::Lines(rows), ..Self::line(name, label, help) }
    }

    /// A choice of one value.
    pub(crate) const fn choice(name: &'a str, label: &'a str, help: &'a str, of: &'a [(&'a str, &'a str)]) -> Self {
        Self { control: Control::Choice(of), ..Self::line(name, label, help) }
    }

    /// The field with this `type` of HTML.
    pub(crate) const fn kind(self, kind: &'a str) -> Self {
        Self { control: Control::Line(kind), ..self }
    }

    /// The field of another form of the page.
    pub(crate) const fn of(self, of: &'a str) -> Self {
        Self { of, ..self }
    }

    /// The field, which must have a value.
    pub(crate) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// Shows the field with what was entered.
    pub(crate) fn show(self, entered: &Entered) -> Markup {
        let Self { name, label, help, control, is_required, of } = self;
        let (value, problem) = (entered.value(name), entered.problem(name));
        let (id, invalid) = (format!("f{of}-{name}"), problem.as_ref().map(|_| "true"));
        let described = describes(&id, help, problem.is_some());
        html! {
            div.field {
                label for=(id) { (label) }
                @match control {
                    Control::Line(kind) => input id=(id) name=(name) type=(kind) value=(value) required[is_required]
                        aria-invalid=[invalid] aria-describedby=[described] autocomplete="off" spellcheck="false";,
                    Control::Lines(rows) => textarea id=(id) name=(name) rows=(rows) required[is_required]
                        aria-invalid=[invalid] aria-describedby=[described] spellcheck="false" { "\n" (value) },
                    Control::Choice(of) => select id=(id) name=(name) aria-invalid=[invalid] aria-describedby=[described] {
                        @for (each, label) in of { option value=(each) selected[*each == value] { (label) } }
                    },
                }
                (below(&id, help, problem))
            }
        }
    }
}

/// A box to tick.
pub(crate) fn checkbox(entered: &Entered, name: &str, value: &str, label: &Markup) -> Markup {
    html! {
        label.check { input type="checkbox" name=(name) value=(value) checked[entered.has(name, value)]; span { (label) } }
    }
}

/// A group of fields that are one field of the API.
pub(crate) fn group(entered: &Entered, name: &str, label: &str, help: &str, fields: &Markup) -> Markup {
    let (id, problem) = (format!("f-{name}"), entered.problem(name));
    let described = describes(&id, help, problem.is_some());
    html! {
        fieldset id=(id) aria-describedby=[described] {
            legend { (label) }
            (fields)
            (below(&id, help, problem))
        }
    }
}

fn describes(id: &str, help: &str, has_problem: bool) -> Option<String> {
    let ids = [(!help.is_empty()).then(|| format!("{id}-help")), has_problem.then(|| format!("{id}-problem"))];
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

fn below(id: &str, help: &str, problem: Option<String>) -> Markup {
    html! {
        @if let Some(problem) = problem { p.problem id={ (id) "-problem" } { (problem) } }
        @if !help.is_empty() { p.hint id={ (id) "-help" } { (help) } }
    }
}
