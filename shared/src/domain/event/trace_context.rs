//! The trace context of a publish request (W3C Trace Context). It is passed on unchanged.

/// Most characters of a `traceparent`. Those of version 00 have 55.
const MAX_PARENT_CHARS: usize = 128;
/// Most characters of a `tracestate`. This is the length that the specification asks every system to pass on.
const MAX_STATE_CHARS: usize = 512;
/// Most entries of a `tracestate`.
const MAX_STATE_ENTRIES: usize = 32;

/// A well-formed `traceparent`, and the `tracestate` that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// Reads the two headers. `None` if `traceparent` is malformed. A malformed `tracestate` is left out, and so is
    /// one without an entry.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let state = state.filter(|state| is_state(state)).map(str::to_owned);
        is_parent(parent).then(|| Self { parent: parent.to_owned(), state })
    }

    /// The value of `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Whether the text is `<version>-<trace id>-<parent id>-<flags>`. Versions after 00 may append further fields.
fn is_parent(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_nonzero = |part: &str| part.bytes().any(|b| b != b'0');
    let version = hex(parts.next(), 2);
    let well_formed = version.is_some_and(|version| version != "ff")
        && hex(parts.next(), 32).is_some_and(is_nonzero)
        && hex(parts.next(), 16).is_some_and(is_nonzero)
        && hex(parts.next(), 2).is_some();
    let more_allowed = version != Some("00");
    let is_plain = text.len() <= MAX_PARENT_CHARS && text.bytes().all(|b| b.is_ascii_graphic());
    well_formed && is_plain && (more_allowed || parts.next().is_none())
}

/// The part, if it has this many lower-case hex digits.
fn hex(part: Option<&str>, digits: usize) -> Option<&str> {
    let is_digit = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    part.filter(|part| part.len() == digits && part.bytes().all(is_digit))
}

/// Whether the text is a list of 1 to 32 entries `<key>=<value>` with different keys.
fn is_state(text: &str) -> bool {
    if text.len() > MAX_STATE_CHARS {
        return false;
    }
    let mut keys = Vec::new();
    for entry in text.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|entry| !entry.is_empty()) {
        let Some((key, value)) = entry.split_once('=') else { return false };
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return false;
        }
        keys.push(key);
    }
    (1..=MAX_STATE_ENTRIES).contains(&keys.len())
}

fn is_key(text: &str) -> bool {
    let simple = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let inner = |b: u8| simple(b) || b"_-*/@".contains(&b);
    text.len() <= 256 && text.bytes().next().is_some_and(simple) && text.bytes().all(inner)
}

/// The space at the end of a value was removed with those around the entry.
fn is_value(text: &str) -> bool {
    let allowed = |b: u8| (0x20..=0x7e).contains(&b) && !b",=".contains(&b);
    (1..=256).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        let longest = format!("01{}-{}", &PARENT[2..], "x".repeat(MAX_PARENT_CHARS - 56));
        for (text, allowed) in [
            (PARENT, true),
            (&PARENT.replacen("00", "fe", 1), true),
            (&longest, true),
            (&format!("{longest}x"), false),
            (&format!("{PARENT}-00"), false),
            (&format!("{PARENT}0"), false),
            (&format!("cc{}0", &PARENT[2..]), false),
            (&PARENT.replacen("00", "ff", 1), false),
            (&PARENT.replacen("00", "0", 1), false),
            (&PARENT.to_uppercase(), false),
            (&PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false),
            (&PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)), false),
            (&PARENT.replace('-', "_"), false),
            (&PARENT[..54], false),
            (&format!(" {PARENT}"), false),
            ("", false),
        ] {
            assert_eq!(TraceContext::parse(text, None).is_some(), allowed, "{text}");
        }
    }

    #[test]
    fn a_malformed_tracestate_is_left_out() {
        let entries = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for (text, allowed) in [
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true),
            ("fw529a3039@dt=FfwAAAAA; x", true),
            ("a=1 ,\tb=2,,", true),
            ("0a_-*/@b= !~", true),
            (&entries(32), true),
            (&entries(33), false),
            (&format!("a={},b={}", "x".repeat(256), "x".repeat(251)), true),
            (&format!("a={},b={}", "x".repeat(256), "x".repeat(252)), false),
            (&format!("a={}", "x".repeat(257)), false),
            (&format!("{}=x", "a".repeat(257)), false),
            ("a=1,a=2", false),
            ("A=1", false),
            ("_a=1", false),
            ("a", false),
            ("a=", false),
            ("=1", false),
            ("a=b=c", false),
            ("a=é", false),
            ("a=\u{1}", false),
            (",", false),
            ("", false),
        ] {
            let context = TraceContext::parse(PARENT, Some(text)).unwrap();
            assert_eq!(context.state(), allowed.then_some(text), "{text}");
            assert_eq!(context.parent(), PARENT);
        }
    }
}
