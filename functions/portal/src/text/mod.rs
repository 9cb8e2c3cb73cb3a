//! The texts of the pages, in English: here those of all pages, in each module those of one.

pub(crate) mod access;
pub(crate) mod chart;
pub(crate) mod deliveries;
pub(crate) mod endpoint;
pub(crate) mod endpoints;
pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod operator;
pub(crate) mod replay;
pub(crate) mod schema;
pub(crate) mod session;
pub(crate) mod signing;
pub(crate) mod usage;

pub(crate) const PRODUCT: &str = "Pigeonpost";
pub(crate) const SKIP: &str = "Skip to the content";
pub(crate) const NAVIGATION: &str = "Sections";
pub(crate) const SIGN_OUT: &str = "Sign out";
pub(crate) const NEXT_PAGE: &str = "Next page";
pub(crate) const FIRST_PAGE: &str = "First page";
pub(crate) const COPY: &str = "Copy";
pub(crate) const USUAL_CAUSE: &str = "Usual cause:";
pub(crate) const WHAT_TO_DO: &str = "What to do:";
pub(crate) const MORE_ABOUT: &str = "More about";
pub(crate) const PAUSE_UPDATES: &str = "Pause updates";
pub(crate) const RESUME_UPDATES: &str = "Resume updates";

pub(crate) const NOT_SIGNED_IN_TITLE: &str = "You are not signed in";
pub(crate) const NOT_FOUND_TITLE: &str = "Not found";
pub(crate) const FORBIDDEN_TITLE: &str = "Not allowed";
pub(crate) const REFUSED_TITLE: &str = "This did not work";
pub(crate) const UNAVAILABLE_TITLE: &str = "Not available right now";
pub(crate) const UNAVAILABLE: &str = "The service does not answer at the moment. Load the page again in a few seconds.";
pub(crate) const INTERNAL_TITLE: &str = "Something went wrong";
pub(crate) const INTERNAL: &str = "This is a defect of the service. Please report the number of the request.";
pub(crate) const REQUEST: &str = "Request";

pub(crate) const CORRECT_THE_FIELDS: &str = "This did not work. Please correct the marked fields.";
pub(crate) const UNAVAILABLE_FORM: &str =
    "The service does not answer at the moment. Nothing is lost: send the form again in a few seconds.";

/// The link back to the application.
pub(crate) fn back_to(host: &str) -> String {
    format!("Back to {host}")
}

/// A message of the API as a sentence.
pub(crate) fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if message.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// A number with its thousands apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
