//! Channels: names that an event carries and that restrict what an endpoint receives.

use crate::domain::Invalid;

/// Most channels of an event.
pub const MAX_EVENT_CHANNELS: usize = 5;
/// Most channels of an endpoint.
pub const MAX_ENDPOINT_CHANNELS: usize = 10;
/// Most characters of a channel's name.
pub const MAX_CHANNEL_CHARS: usize = 128;

/// The channels of an event or of an endpoint, in the order in which they were given. There may be none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channels(Vec<String>);

impl Channels {
    /// Checks the channels of an event.
    ///
    /// # Errors
    /// [`Invalid`] for more than [`MAX_EVENT_CHANNELS`], and for the first name that is malformed or repeated.
    pub fn of_event(names: Vec<String>) -> Result<Self, Invalid> {
        Self::parse(names, MAX_EVENT_CHANNELS)
    }

    /// Checks the channels of an endpoint.
    ///
    /// # Errors
    /// [`Invalid`] for more than [`MAX_ENDPOINT_CHANNELS`], and for the first name that is malformed or repeated.
    pub fn of_endpoint(names: Vec<String>) -> Result<Self, Invalid> {
        Self::parse(names, MAX_ENDPOINT_CHANNELS)
    }

    fn parse(names: Vec<String>, most: usize) -> Result<Self, Invalid> {
        if names.len() > most {
            return Err(Invalid::new(format!("must have at most {most} entries")));
        }
        for (index, name) in names.iter().enumerate() {
            check_name(name).map_err(|Invalid(reason)| Invalid(format!("[{index}] {reason}")))?;
            if names.iter().take(index).any(|earlier| earlier == name) {
                return Err(Invalid::new(format!("[{index}] must not be {name} again")));
            }
        }
        Ok(Self(names))
    }

    /// Channels that were accepted earlier. They are not checked.
    pub const fn stored(names: Vec<String>) -> Self {
        Self(names)
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether there are no channels.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an endpoint with these channels receives an event with the other ones: it has none, or they share one.
    pub fn admit(&self, event: &Self) -> bool {
        self.is_empty() || self.0.iter().any(|name| event.0.contains(name))
    }
}

/// Checks the name of one channel.
///
/// # Errors
/// [`Invalid`] if the name is malformed.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if !(1..=MAX_CHANNEL_CHARS).contains(&name.len()) || !name.bytes().all(allowed) {
        let rule = "letters, digits, dots, underscores, colons and hyphens";
        return Err(Invalid::new(format!("must be 1 to {MAX_CHANNEL_CHARS} {rule}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_have_a_fixed_alphabet_and_occur_once() {
        for good in [&[][..], &["a"], &["a", "A"], &["eu:orders_1.x-y", &"x".repeat(128)]] {
            assert_eq!(Channels::of_event(names(good)).unwrap().names(), good);
        }
        for bad in [&[""][..], &["a b"], &["é"], &["a/b"], &["*"], &[&"x".repeat(129)]] {
            let Invalid(reason) = Channels::of_event(names(bad)).unwrap_err();
            assert!(reason.starts_with("[0] must be 1 to 128 letters"), "{reason}");
        }
        assert_eq!(Channels::of_event(names(&["a", "b", "a"])), Err(Invalid::new("[2] must not be a again")));
    }

    #[test]
    fn an_event_has_at_most_five_and_an_endpoint_at_most_ten() {
        let numbered = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert!(Channels::of_event(numbered(5)).is_ok());
        assert_eq!(Channels::of_event(numbered(6)), Err(Invalid::new("must have at most 5 entries")));
        assert!(Channels::of_endpoint(numbered(10)).is_ok());
        assert_eq!(Channels::of_endpoint(numbered(11)), Err(Invalid::new("must have at most 10 entries")));
    }

    #[test]
    fn an_endpoint_without_channels_admits_everything_and_another_what_shares_one() {
        for (endpoint, event, admitted) in [
            (&[][..], &[][..], true),
            (&[], &["a"], true),
            (&["a"], &[], false),
            (&["a"], &["a"], true),
            (&["a", "b"], &["c", "b"], true),
            (&["a", "b"], &["c", "A"], false),
        ] {
            let (endpoint, event) = (Channels::stored(names(endpoint)), Channels::stored(names(event)));
            assert_eq!(endpoint.admit(&event), admitted, "{endpoint:?} {event:?}");
        }
    }
}
