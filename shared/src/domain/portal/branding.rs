//! How the platform marks the portal as its own: a name, a logo and a colour.

use std::fmt;

use super::origin::PortalOrigin;
use crate::domain::Invalid;

/// Most characters of the name.
const MAX_NAME_CHARS: usize = 64;
/// Most characters of the logo's URL.
const MAX_LOGO_CHARS: usize = 1_024;
/// The least contrast of text with its background (WCAG 2.2, AA).
const LEAST_CONTRAST: f64 = 4.5;

/// The name that the pages show: 1 to 64 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalName(String);

impl PortalName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Invalid`] if it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !(1..=MAX_NAME_CHARS).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(Invalid::new(format!("must be 1 to {MAX_NAME_CHARS} characters without control characters")));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The `https` URL of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoUrl {
    url: String,
    origin: PortalOrigin,
}

impl LogoUrl {
    /// Parses the URL of an image.
    ///
    /// # Errors
    /// [`Invalid`] for anything but an `https` origin and a path of characters that need no encoding.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("must be the https URL of an image, such as https://example.com/logo.svg");
        let path_at =
            "https://".len() + text.get("https://".len()..).and_then(|rest| rest.find('/')).ok_or_else(invalid)?;
        let (origin, path) = text.split_at(path_at);
        let of_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~%?=&+-".contains(&byte);
        if text.len() > MAX_LOGO_CHARS || !path.bytes().all(of_path) {
            return Err(invalid());
        }
        Ok(Self { url: text.to_owned(), origin: PortalOrigin::parse(origin).map_err(|_| invalid())? })
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The URL's origin.
    pub const fn origin(&self) -> &PortalOrigin {
        &self.origin
    }
}

/// A colour of 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

impl Colour {
    /// Black.
    pub const BLACK: Self = Self::new(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// The colour with these components.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// The contrast with another colour, from 1 to 21, as WCAG 2.2 defines it.
    pub fn contrast(self, other: Self) -> f64 {
        let (own, other) = (self.luminance(), other.luminance());
        (own.max(other) + 0.05) / (own.min(other) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |component: u8| {
            let value = f64::from(component) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// The colour moved a fraction of the way to another, in sixteenths.
    fn towards(self, other: Self, sixteenths: u16) -> Self {
        let mix = |own: u8, other: u8| {
            let mixed = (u16::from(own) * (16 - sixteenths) + u16::from(other) * sixteenths) / 16;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self::new(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
    }

    /// The colour, moved towards `target` until text in it can be read on `background`.
    fn readable_on(self, background: Self, target: Self) -> Self {
        let moved = (0..=16).map(|sixteenths| self.towards(target, sixteenths));
        moved.into_iter().find(|colour| colour.contrast(background) >= LEAST_CONTRAST).unwrap_or(target)
    }
}

/// The colour in CSS: `#1a2b3c`.
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// The colour of links and buttons. Pages use shades of it that can be read on their backgrounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent(Colour);

impl Default for Accent {
    /// A blue.
    fn default() -> Self {
        Self(Colour::new(0x2f, 0x5b, 0xd8))
    }
}

impl Accent {
    /// Parses `#` and six lower-case hex digits.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix('#').filter(|digits| !digits.bytes().any(|byte| byte.is_ascii_uppercase()));
        let mut bytes = [0; 3];
        let is_hex = digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut bytes).is_ok());
        let [red, green, blue] = bytes;
        let colour = is_hex.then_some(Self(Colour::new(red, green, blue)));
        colour.ok_or_else(|| Invalid::new("must be # and six lower-case hex digits"))
    }

    /// The shade for text on a light background, and for buttons with white text.
    #[must_use]
    pub fn on_light(self, background: Colour) -> Colour {
        self.0.readable_on(background, Colour::BLACK)
    }

    /// The shade for text on a dark background, and for buttons with dark text.
    #[must_use]
    pub fn on_dark(self, background: Colour) -> Colour {
        self.0.readable_on(background, Colour::WHITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accent_has_readable_shades() {
        let dark = Colour::new(0x14, 0x17, 0x1c);
        for text in ["#000000", "#ffffff", "#ffff00", "#2f5bd8", "#808080", "#00ff00", "#0000ff", "#ff0000"] {
            let accent = Accent::parse(text).unwrap();
            assert!(accent.on_light(Colour::WHITE).contrast(Colour::WHITE) >= LEAST_CONTRAST, "{text}");
            assert!(accent.on_dark(dark).contrast(dark) >= LEAST_CONTRAST, "{text}");
        }
        assert_eq!(Accent::parse("#2f5bd8").unwrap(), Accent::default());
        assert_eq!(Accent::default().on_light(Colour::WHITE).to_string(), "#2f5bd8", "a readable colour stays");
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 0.01);
        for text in ["", "2f5bd8", "#2F5BD8", "#2f5b", "#2f5bd8f", "#gggggg", "red"] {
            assert!(Accent::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_logo_is_an_https_url_that_fits_into_a_policy() {
        for (text, origin) in [
            ("https://example.com/logo.svg", Some("https://example.com")),
            ("https://cdn.example.com:8443/a/b-c.png?v=2", Some("https://cdn.example.com:8443")),
            ("https://example.com", None),
            ("http://example.com/logo.svg", None),
            ("https://example.com/logo.svg;script-src", None),
            ("https://example.com/\"onload", None),
            ("https://example.com/ä", None),
            ("", None),
        ] {
            let logo = LogoUrl::parse(text).ok();
            assert_eq!(logo.map(|logo| logo.origin().to_string()).as_deref(), origin, "{text}");
        }
    }

    #[test]
    fn a_name_has_no_control_characters() {
        for (text, allowed) in [("Acme <webhooks>", true), ("", false), ("a\nb", false), (&*"x".repeat(65), false)] {
            assert_eq!(PortalName::parse(text).is_ok(), allowed, "{text:?}");
        }
    }
}
