//! What surrounds every page: the head, the bar at the top and the navigation.

use maud::{DOCTYPE, Markup, html};
use shared::clock;
use shared::domain::portal::branding::PortalName;
use shared::domain::portal::form_id::FormId;
use shared::domain::portal::session::Theme;

use super::Page;
use crate::components::countdown;
use crate::form::{FORM_ID, FORM_TOKEN};
use crate::pages::sections;
use crate::session::SignedIn;
use crate::{Portal, text};

/// How long before its end a session says so, in seconds.
const NOTICE_SECONDS: u128 = 600;

/// Renders a complete page.
pub(super) fn render(portal: &Portal, signed_in: Option<&SignedIn>, page: &Page) -> Markup {
    let name = portal.settings().name.as_ref().map_or(text::PRODUCT, PortalName::as_str);
    let signed_in = signed_in.filter(|_| !page.is_alone);
    let theme = signed_in.map_or(Theme::Auto, |signed_in| signed_in.session.theme);
    let organization = signed_in.and_then(|it| it.organization.as_deref()).map(|it| it.name.as_str());
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (page.title) @if let Some(organization) = organization { " · " (organization) } " · " (name) }
                link rel="icon" href=(portal.assets().icon().path);
                link rel="stylesheet" href=(portal.assets().style().path);
                script src=(portal.assets().script().path) defer {}
            }
            body {
                a.skip href="#content" { (text::SKIP) }
                (top(portal, name, organization, signed_in))
                div.frame {
                    @if let Some(signed_in) = signed_in { (navigation(signed_in, page)) }
                    main #content tabindex="-1" {
                        @if let Some(signed_in) = signed_in { (ending(portal, signed_in)) }
                        h1 { (page.title) }
                        (page.body)
                    }
                }
            }
        }
    }
}

fn top(portal: &Portal, name: &str, organization: Option<&str>, signed_in: Option<&SignedIn>) -> Markup {
    html! {
        header.top {
            span.brand {
                @if let Some(logo) = &portal.settings().logo { img src=(logo.as_str()) alt="" height="24"; }
                (name)
            }
            @if let Some(organization) = organization { span.tenant { (organization) } }
            @if let Some(signed_in) = signed_in {
                div.person {
                    (back_link(portal, signed_in))
                    form method="post" action={ (signed_in.base()) "/sign-out" } {
                        (form_token(signed_in))
                        button.link type="submit" { (text::SIGN_OUT) }
                    }
                }
            }
        }
    }
}

/// The notice that the session ends soon. The script shows it when it is time, and says when the session has ended.
fn ending(portal: &Portal, signed_in: &SignedIn) -> Markup {
    let ends = signed_in.session.expires_at;
    let left = ends.since(portal.administrator().clock().now()).as_millis().div_ceil(1_000);
    html! {
        div.notice.warning #ending role="status" hidden[left > NOTICE_SECONDS] data-seconds=(left) data-notice=(NOTICE_SECONDS)
            data-ended=(text::session::HAS_ENDED)
        {
            p { strong { (text::session::ENDS_SOON) } " " (countdown(ends)) }
            p { (text::session::ENDS_HINT) }
            p { (back_link(portal, signed_in)) }
        }
    }
}

/// The link back to the application, if the session has one. It leaves a frame.
pub(crate) fn back_link(portal: &Portal, signed_in: &SignedIn) -> Markup {
    html! {
        @if let Some(url) = signed_in.return_url(portal.settings()) {
            a href=(url.as_str()) target="_top" { (text::back_to(url.host())) }
        }
    }
}

fn navigation(signed_in: &SignedIn, page: &Page) -> Markup {
    html! {
        nav.sections aria-label=(text::NAVIGATION) {
            ul {
                @for (section, path) in sections(signed_in) {
                    li {
                        a href=(path) aria-current=[(page.section == Some(section)).then_some("page")] {
                            (section.name())
                        }
                    }
                }
            }
        }
    }
}

/// The field that proves that a form is from a page of the session. Every form that changes something has it.
pub(crate) fn form_token(signed_in: &SignedIn) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(signed_in.form_token); }
}

/// The field that makes a form work once. Every form that creates something has it. Its handler calls
/// [`Form::use_once`](crate::form::Form::use_once) before it creates.
pub(crate) fn form_id() -> Markup {
    html! { input type="hidden" name=(FORM_ID) value=(FormId::new(clock::id_bytes())); }
}
