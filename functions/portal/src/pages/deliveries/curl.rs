//! A command that repeats a delivery's request by hand. It has neither the values of the endpoint's own headers nor a
//! signature, which are secret or prove who sent a request.

use std::fmt::Write as _;

use maud::{Markup, html};
use shared::domain::endpoint::url::EndpointUrl;
use shared::service::DeliveryHistory;

use crate::components::copy_button;
use crate::text::deliveries as text;

/// The longest payload that is in the command itself.
const MOST_BYTES: usize = 2 * 1024;

pub(super) fn command(history: &DeliveryHistory, url: &EndpointUrl) -> Markup {
    let command = text_of(history, url);
    html! {
        (copy_button("curl", text::CURL))
        pre #curl tabindex="0" aria-label=(text::CURL) { code { (command) } }
    }
}

fn text_of(history: &DeliveryHistory, url: &EndpointUrl) -> String {
    let DeliveryHistory { delivery, endpoint, payload, .. } = history;
    let content_type = payload.content_type.as_ref().map_or("application/json", |it| it.as_str());
    let mut command = format!("curl -g -i {}", quoted(url.as_str()));
    let own = [
        ("content-type", content_type.to_owned()),
        ("webhook-id", delivery.id.event().to_string()),
        ("webhook-timestamp", "…".to_owned()),
        ("webhook-signature", "…".to_owned()),
        ("x-webhook-event", delivery.event_type.to_string()),
        ("x-webhook-delivery", delivery.id.to_string()),
    ];
    let theirs = endpoint.settings.headers.iter().map(|(name, _)| (name, "…".to_owned()));
    for (name, value) in own.into_iter().chain(theirs) {
        let _ = write!(command, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    let body = match payload.body.as_str() {
        // `--data-raw` reads no file if the body begins with `@`. A terminal may act on control characters that are pasted.
        short if short.len() <= MOST_BYTES && !short.contains(is_control) => format!("--data-raw {}", quoted(short)),
        _ => format!("--data-binary @{}.txt", delivery.id),
    };
    let _ = write!(command, " \\\n  {body}");
    command
}

fn is_control(char: char) -> bool {
    char.is_control() && char != '\n' && char != '\t'
}

/// A word of a shell's command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_cannot_end_the_quotes() {
        assert_eq!(quoted("a 'b' $(c)"), r"'a '\''b'\'' $(c)'");
    }
}
