//! Signing in and out, and the end of a session.

pub(crate) const NOT_SIGNED_IN: &str = "Your session has ended, or this browser has none. Open this page again from the application that brought you here.";
pub(crate) const FOREIGN_FORM: &str =
    "This form is not from a page of your session. Open the page again, and send the form from there.";

pub(crate) const LINK_DOES_NOT_WORK_TITLE: &str = "This link does not work any more";
pub(crate) const LINK_DOES_NOT_WORK: &str = "A link works once, within five minutes. It may also have been revoked. Go back to \
    the application that gave you the link, and open the portal again.";
pub(crate) const NOT_OPENED: &str = "A link is opened by a person, not in advance.";
pub(crate) const NOT_OPENED_BY_PERSON: &str = "A page of another site loads this. Open it yourself.";
pub(crate) const NO_COOKIES_IN_FRAME_TITLE: &str = "Open the portal in a new tab";
pub(crate) const NO_COOKIES_IN_FRAME: &str =
    "Your browser keeps no session for a page within another page. In a tab of its own the portal works.";
pub(crate) const OPEN_IN_NEW_TAB: &str = "Open in a new tab";
pub(crate) const OTHER_SESSION_TITLE: &str = "This link is of another organization";
pub(crate) const ALL_ORGANIZATIONS: &str = "all organizations, as an operator";
pub(crate) const LEAVE_OTHER_SESSION: &str = "Open this link";
pub(crate) const SIGNED_OUT_TITLE: &str = "You are signed out";
pub(crate) const SIGNED_OUT: &str = "Your session has ended. You can close this page.";
pub(crate) const ENDS_SOON: &str = "Your session ends soon:";
pub(crate) const ENDS_HINT: &str = "Send what you have entered before then. To go on, open the portal again from the application that brought you here.";
pub(crate) const HAS_ENDED: &str = "Your session has ended. What you entered is still on this page, but it cannot be sent. Copy what \
    you need, and open the portal again from the application that brought you here.";

/// The question before a browser leaves the portal of another organization. `present` is what it is signed in to, if its session
/// has not ended.
pub(crate) fn other_session(present: Option<&str>, wanted: &str, person: Option<&str>) -> String {
    let now = match present {
        Some(present) => format!("In this browser you are signed in to the portal of {present}."),
        None => "In this browser you were signed in to the portal of another organization.".to_owned(),
    };
    let person = person.map(|person| format!(", for {person}")).unwrap_or_default();
    format!(
        "{now} The link opens the portal of {wanted}{person}. If you did not expect that, close this page: whatever you enter there, \
         its people can read."
    )
}
