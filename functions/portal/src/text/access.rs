//! The pages of API keys and portal sessions.

pub(crate) const TITLE: &str = "Access";
pub(crate) const KEYS: &str = "API keys";
pub(crate) const SESSIONS: &str = "Portal sessions";
pub(crate) const DONE: &str = "I have copied it: back to the list";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const NAME: &str = "Name";
pub(crate) const RIGHTS: &str = "Rights";
pub(crate) const ROLE: &str = "Role";
pub(crate) const STATE: &str = "State";
pub(crate) const LAST_USED: &str = "Last used";
pub(crate) const EXPIRES: &str = "Expires";
pub(crate) const NEVER: &str = "never";
pub(crate) const ACTIONS: &str = "Actions";
pub(crate) const ACTIVE: &str = "Active";
pub(crate) const ROTATED: &str = "Rotated";
pub(crate) const EXPIRED: &str = "Expired";
pub(crate) const REVOKED: &str = "Revoked";
pub(crate) const REVOKE: &str = "Revoke";
pub(crate) const ROTATE: &str = "Rotate";

pub(crate) const NO_KEYS: &str = "There is no API key yet. Your application needs one to publish events.";
pub(crate) const NEW_KEY: &str = "New API key";
pub(crate) const KEY: &str = "API key";
pub(crate) const KEY_ISSUED: &str = "Your new API key";
pub(crate) const KEY_ONCE: &str = "Copy the key now, and store it where your other secrets are. It is not shown again.";
pub(crate) const ROTATED_KEY_ONCE: &str =
    "Copy the new key now. It is not shown again. The former key works for 24 more hours.";
pub(crate) const KEY_NAME_HELP: &str = "Where the key is used, such as “billing service”.";
pub(crate) const PUBLISHER: &str = "Publisher: publishes events";
pub(crate) const MEMBER: &str = "Member: reads everything except keys";
pub(crate) const ADMIN: &str = "Admin: everything except keys";
pub(crate) const OWNER: &str = "Owner: everything";
pub(crate) const EXACT: &str = "Exactly the scopes below";
pub(crate) const SCOPES: &str = "Scopes";
pub(crate) const SCOPES_HELP: &str = "They count only with the role “Exactly the scopes below”.";
pub(crate) const EXPIRES_UTC: &str = "Expires (UTC)";
pub(crate) const EXPIRES_HELP: &str = "Without a time, the key works until it is revoked.";
pub(crate) const ISSUE: &str = "Issue the key";
pub(crate) const ROTATE_CONSEQUENCE: &str = "You get a new key with the same rights. This one works for 24 more hours.";
pub(crate) const REVOKE_KEY_CONSEQUENCE: &str = "The key stops working within a minute, for good.";

pub(crate) const NO_SESSIONS: &str = "Nobody has a portal session.";
pub(crate) const NEW_SESSION: &str = "New sign-in link";
pub(crate) const CREATE_LINK: &str = "Create the link";
pub(crate) const LINK: &str = "Sign-in link";
pub(crate) const LINK_CREATED: &str = "The sign-in link";
pub(crate) const LINK_ONCE: &str = "Copy the link now and send it to the person. It works once, within five minutes, and is not \
    shown again. Whoever opens it is signed in.";
pub(crate) const PERSON: &str = "Person";
pub(crate) const PERSON_HELP: &str = "Who will use the link, such as an e-mail address. The audit log has this name.";
pub(crate) const DURATION: &str = "Duration of the session";
pub(crate) const ONE_HOUR: &str = "1 hour";
pub(crate) const FOUR_HOURS: &str = "4 hours";
pub(crate) const EIGHT_HOURS: &str = "8 hours";
pub(crate) const ONE_DAY: &str = "24 hours";
pub(crate) const ENDPOINTS: &str = "Only these endpoints";
pub(crate) const ENDPOINTS_HELP: &str = "The person sees and changes only the chosen ones. If none is chosen: all.";
pub(crate) const OTHER_ENDPOINTS: &str = "Other endpoints";
pub(crate) const OTHER_ENDPOINTS_HELP: &str = "One id a line, such as we_….";
pub(crate) const CREATED: &str = "Created";
pub(crate) const CREATED_BY: &str = "by";
pub(crate) const UNTIL: &str = "Until";
pub(crate) const UNNAMED: &str = "Not named";
pub(crate) const THIS_SESSION: &str = "This session";
pub(crate) const NOT_OPENED: &str = "Link not opened";
pub(crate) const REVOKE_SESSION_CONSEQUENCE: &str = "The session ends at once.";

/// The number of endpoints that the rights are bound to.
pub(crate) fn bound(endpoints: usize) -> String {
    match endpoints {
        1 => "1 endpoint only".to_owned(),
        _ => format!("{endpoints} endpoints only"),
    }
}
