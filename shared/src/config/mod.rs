//! Configuration from the environment. No other module reads environment variables.

mod aws;

use std::env;
use std::time::Duration;

use crate::domain::Invalid;
use crate::domain::delivery::schedule::RetrySchedule;
use crate::domain::deployment::{Deployment, IngestQueues};
use crate::domain::encryption::KeySource;
use crate::domain::endpoint::destination::internal_targets::InternalTargets;
use crate::domain::endpoint::lane::ByLane;
use crate::domain::endpoint::url::UrlPolicy;
use crate::domain::event::MAX_DATA_BYTES;
use crate::domain::event::event_type::{Catalogue, EventType};
use crate::domain::network::AddressPolicy;
use crate::domain::portal::PortalSettings;
use crate::domain::portal::branding::{Accent, LogoUrl, PortalName};
use crate::domain::portal::origin::PortalOrigin;
use crate::domain::tenancy::access::PlatformRole;
use crate::domain::tenancy::api_key::{KeyHash, PlatformKey};
use crate::domain::tenancy::limits::{
    Limits, MOST_BURST, MOST_ENDPOINTS, MOST_EVENTS_PER_MONTH, MOST_EVENTS_PER_SECOND, Rate,
};

pub use aws::{aws, aws_clients, behavior_version, retries, timeouts};

/// Most bytes that the limit on an event's data may allow.
const MAX_EVENT_BYTES: u32 = MAX_DATA_BYTES as u32;

/// Most platform keys with full rights: the current one and its successor.
const MOST_PLATFORM_KEYS: usize = 2;

/// The longest retention, in days.
const MOST_DAYS: u32 = 99_999;

/// The table and queues of a deployment, and its settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the table (`TABLE_NAME`).
    pub table: String,
    /// The URLs of the queues (`QUEUE_URL` and `SLOW_QUEUE_URL`).
    pub queue_urls: ByLane<String>,
    /// All other settings.
    pub deployment: Deployment,
}

/// A setting is missing or invalid.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name}: {reason}")]
pub struct ConfigError {
    name: &'static str,
    reason: Invalid,
}

impl Settings {
    /// Reads the settings that `template.yaml` puts into a function's environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first variable that is missing or invalid.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(variable)
    }

    /// As [`Settings::from_environment`], but values in `fixed` override the environment, and values in `defaults`
    /// apply where the environment has none.
    ///
    /// # Errors
    /// As [`Settings::from_environment`].
    pub fn from_environment_with(fixed: &[(&str, &str)], defaults: &[(&str, &str)]) -> Result<Self, ConfigError> {
        Self::read(|name| among(fixed, name).or_else(|| variable(name)).or_else(|| among(defaults, name)))
    }

    /// As [`Settings::from_environment`], from any source of variables.
    ///
    /// # Errors
    /// As [`Settings::from_environment`].
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required = |name| variable(name).filter(|value| !value.is_empty()).ok_or(Invalid::new("is not set"));
        let optional = |name| variable(name).unwrap_or_default();
        let number = |name, default, most| match optional(name).as_str() {
            "" => Ok(default),
            text => text
                .parse::<u32>()
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| Invalid::new(format!("must be a whole number from 1 to {most}"))),
        };
        let flag = |name, default| match optional(name).as_str() {
            "" => Ok(default),
            "false" => Ok(false),
            "true" => Ok(true),
            _ => Err(Invalid::new("must be true or false")),
        };
        let schedule = || match optional("RETRY_SCHEDULE").as_str() {
            "" => Ok(RetrySchedule::default()),
            text => RetrySchedule::parse(text),
        };
        let all_platform_keys =
            || platform_keys(&required("PLATFORM_KEY_SHA256")?, PlatformRole::Full, MOST_PLATFORM_KEYS);
        let publishing_key = || platform_keys(&optional("PLATFORM_PUBLISH_KEY_SHA256"), PlatformRole::Publisher, 1);
        let limit = |name, most| match optional(name).as_str() {
            "" => Ok(None),
            text => {
                let number = text.parse::<u64>().ok().filter(|number| (1..=most).contains(number));
                number.map(Some).ok_or_else(|| Invalid::new(format!("must be a whole number from 1 to {most}")))
            }
        };
        let small = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
        let burst = small(at("EVENTS_BURST", limit("EVENTS_BURST", MOST_BURST.into()))?);
        let per_second = small(at("EVENTS_PER_SECOND", limit("EVENTS_PER_SECOND", MOST_EVENTS_PER_SECOND.into()))?);
        let rate = per_second.map(|per_second| Rate::new(per_second, burst)).transpose();
        let rate = at("EVENTS_BURST", rate)?;
        let event_types = at("EVENT_TYPES", parse_event_types(&optional("EVENT_TYPES")))?;
        let queue_urls = ByLane {
            fast: at("QUEUE_URL", required("QUEUE_URL"))?,
            slow: at("SLOW_QUEUE_URL", required("SLOW_QUEUE_URL"))?,
        };
        let internal_targets = InternalTargets::parse(&optional("INTERNAL_TARGETS"), &queue_urls);
        Ok(Self {
            table: at("TABLE_NAME", required("TABLE_NAME"))?,
            queue_urls,
            deployment: Deployment {
                // The key with fewer rights comes first, so that it applies if both variables contain the same key.
                platform_keys: [
                    at("PLATFORM_PUBLISH_KEY_SHA256", publishing_key())?,
                    at("PLATFORM_KEY_SHA256", all_platform_keys())?,
                ]
                .concat(),
                retry_schedule: at("RETRY_SCHEDULE", schedule())?,
                catalogue: match at("CATALOGUE_MODE", is_closed(&optional("CATALOGUE_MODE")))? {
                    _ if !event_types.is_empty() => Catalogue::closed(event_types),
                    true => Catalogue::closed([]),
                    false => Catalogue::default(),
                },
                urls: UrlPolicy {
                    allow_http: at("ALLOW_HTTP", flag("ALLOW_HTTP", false))?,
                    addresses: at("ALLOWED_NETWORKS", AddressPolicy::parse(&optional("ALLOWED_NETWORKS")))?,
                },
                internal_targets: at("INTERNAL_TARGETS", internal_targets)?,
                limits: Limits {
                    rate,
                    events_per_month: at("EVENTS_PER_MONTH", limit("EVENTS_PER_MONTH", MOST_EVENTS_PER_MONTH))?,
                    max_endpoints: at("MAX_ENDPOINTS", number("MAX_ENDPOINTS", 100, MOST_ENDPOINTS))?,
                    max_event_bytes: at(
                        "MAX_EVENT_BYTES",
                        number("MAX_EVENT_BYTES", MAX_EVENT_BYTES, MAX_EVENT_BYTES),
                    )?,
                },
                statistics: at("STATISTICS", flag("STATISTICS", true))?,
                secrets_readable: at("SECRETS_READABLE", flag("SECRETS_READABLE", false))?,
                portal: PortalSettings {
                    origins: at("PORTAL_ORIGINS", PortalOrigin::parse_list(&optional("PORTAL_ORIGINS")))?,
                    name: at("PORTAL_NAME", unless_empty(&optional("PORTAL_NAME"), PortalName::parse))?,
                    logo: at("PORTAL_LOGO_URL", unless_empty(&optional("PORTAL_LOGO_URL"), LogoUrl::parse))?,
                    accent: at("PORTAL_ACCENT", unless_empty(&optional("PORTAL_ACCENT"), Accent::parse))?
                        .unwrap_or_default(),
                    has_operators: at("OPERATOR_PORTAL", flag("OPERATOR_PORTAL", false))?,
                },
                retention: days(at("RETENTION_DAYS", number("RETENTION_DAYS", 30, MOST_DAYS))?),
                encryption_keys: match optional("SECRETS_KEY_PARAMETER") {
                    name if name.is_empty() => KeySource::None,
                    name => KeySource::Parameter(name),
                },
                only_process_since: None,
            },
        })
    }
}

/// Reads the URLs of the queues from which the ingest function publishes.
///
/// # Errors
/// [`ConfigError`] naming the variable that is missing.
pub fn ingest_queues() -> Result<IngestQueues, ConfigError> {
    let required = |name| variable(name).filter(|value| !value.is_empty()).ok_or(Invalid::new("is not set"));
    Ok(IngestQueues {
        queue: at("INGEST_QUEUE_URL", required("INGEST_QUEUE_URL"))?,
        dead_letter: at("INGEST_DEAD_LETTER_QUEUE_URL", required("INGEST_DEAD_LETTER_QUEUE_URL"))?,
    })
}

fn among(values: &[(&str, &str)], name: &str) -> Option<String> {
    values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

/// An environment variable. Invalid UTF-8 is replaced, so that no parser mistakes the value for a valid one.
fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the only module that reads the environment")]
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The level of Lambda's logging configuration; `INFO` if it is not set.
pub fn log_level() -> tracing::Level {
    variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(tracing::Level::INFO)
}

/// The name of the deployment in its metrics (`STACK_NAME`); `pigeonpost` if it is not set.
pub fn stack_name() -> String {
    variable("STACK_NAME").filter(|name| !name.is_empty()).unwrap_or_else(|| "pigeonpost".to_owned())
}

fn at<T>(name: &'static str, value: Result<T, Invalid>) -> Result<T, ConfigError> {
    value.map_err(|reason| ConfigError { name, reason })
}

/// A duration of this many days.
pub const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 24 * 60 * 60)
}

/// Parses a setting that may be empty.
fn unless_empty<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn platform_keys(list: &str, role: PlatformRole, most: usize) -> Result<Vec<PlatformKey>, Invalid> {
    let invalid = || Invalid::new(format!("must be up to {most} SHA-256 in 64 hex digits, separated by commas"));
    let hashes = list.split(',').filter(|_| !list.is_empty()).map(|hash| KeyHash::parse(hash).ok_or_else(invalid));
    let keys = hashes.map(|hash| hash.map(|hash| PlatformKey { hash, role })).collect::<Result<Vec<_>, _>>()?;
    if keys.len() > most { Err(invalid()) } else { Ok(keys) }
}

fn parse_event_types(list: &str) -> Result<Vec<EventType>, Invalid> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parse = |entry| {
        EventType::parse(entry)
            .map_err(|Invalid(reason)| Invalid(format!("names {entry:?}, but an event type {reason}")))
    };
    entries.map(parse).collect()
}

fn is_closed(mode: &str) -> Result<bool, Invalid> {
    match mode {
        "" | "open" => Ok(false),
        "closed" => Ok(true),
        _ => Err(Invalid::new("must be open or closed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn read(extra: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let base = [("TABLE_NAME", "t"), ("QUEUE_URL", "q"), ("SLOW_QUEUE_URL", "s"), ("PLATFORM_KEY_SHA256", HASH)];
        Settings::read(|name| {
            let found = extra.iter().chain(&base).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn settings_that_are_not_set_have_defaults() {
        let deployment = read(&[]).unwrap().deployment;
        let limits = Limits { rate: None, events_per_month: None, max_endpoints: 100, max_event_bytes: 256 * 1024 };
        assert_eq!(deployment.retry_schedule, RetrySchedule::default());
        assert_eq!((deployment.limits, deployment.retention), (limits, days(30)));
        assert!(!deployment.urls.allow_http && deployment.statistics && !deployment.secrets_readable);
        assert!(!deployment.catalogue.is_closed());
        let PortalSettings { origins, name, logo, accent, has_operators } = deployment.portal;
        assert!(origins.is_empty() && name.is_none() && logo.is_none() && !has_operators);
        assert_eq!(accent, Accent::default());
    }

    #[test]
    fn a_catalogue_is_closed_by_its_mode_or_by_names_of_types() {
        for (mode, types, closed, allows) in [
            ("", "", false, true),
            ("open", "", false, true),
            ("closed", "", true, false),
            ("open", "a.b", true, false),
            ("closed", "a.b, c-d", true, true),
        ] {
            let catalogue = read(&[("CATALOGUE_MODE", mode), ("EVENT_TYPES", types)]).unwrap().deployment.catalogue;
            let allowed = catalogue.check_known(&EventType::parse("c-d").unwrap());
            assert_eq!((catalogue.is_closed(), allowed.is_ok()), (closed, allows), "{mode} {types}");
        }
    }

    #[test]
    fn a_rate_has_a_burst_of_at_least_a_hundred() {
        let rate = |burst| read(&[("EVENTS_PER_SECOND", "7"), ("EVENTS_BURST", burst)]);
        assert_eq!(rate("").unwrap().deployment.limits.rate, Rate::new(7, None).ok());
        assert_eq!(rate("300").unwrap().deployment.limits.rate, Rate::new(7, Some(300)).ok());
        assert!(rate("99").unwrap_err().to_string().contains("EVENTS_BURST"));
    }

    #[test]
    fn there_are_up_to_two_platform_keys_with_full_rights_and_one_for_publishing() {
        let other = "0".repeat(64);
        let both = format!("{HASH},{other}");
        let read = |extra: &[(&str, &str)]| {
            let keys = read(extra).unwrap().deployment.platform_keys;
            keys.iter().map(|key| (key.hash.to_string(), key.role)).collect::<Vec<_>>()
        };
        let [first, second] = [HASH, &other].map(|hash| (hash.to_owned(), PlatformRole::Full));
        assert_eq!(read(&[]), std::slice::from_ref(&first));
        assert_eq!(read(&[("PLATFORM_KEY_SHA256", &both)]), [first.clone(), second]);
        let publisher = (other.clone(), PlatformRole::Publisher);
        assert_eq!(read(&[("PLATFORM_PUBLISH_KEY_SHA256", &other)]), [publisher, first]);
    }

    #[test]
    fn the_error_names_the_invalid_setting() {
        let (two, three) = ([HASH; 2].join(","), [HASH; 3].join(","));
        for (name, value) in [
            ("PLATFORM_KEY_SHA256", &*three),
            ("PLATFORM_KEY_SHA256", &format!("{HASH},")),
            ("PLATFORM_PUBLISH_KEY_SHA256", "abc"),
            ("PLATFORM_PUBLISH_KEY_SHA256", &two),
            ("TABLE_NAME", ""),
            ("QUEUE_URL", ""),
            ("SLOW_QUEUE_URL", ""),
            ("PLATFORM_KEY_SHA256", "abc"),
            ("RETRY_SCHEDULE", "1,x"),
            ("EVENT_TYPES", "a..b"),
            ("CATALOGUE_MODE", "shut"),
            ("ALLOW_HTTP", "yes"),
            ("STATISTICS", "no"),
            ("SECRETS_READABLE", "yes"),
            ("PORTAL_ORIGINS", "http://app.example.com"),
            ("PORTAL_NAME", "two\nlines"),
            ("PORTAL_LOGO_URL", "logo.svg"),
            ("PORTAL_ACCENT", "blue"),
            ("OPERATOR_PORTAL", "yes"),
            ("ALLOWED_NETWORKS", "localhost"),
            ("INTERNAL_TARGETS", "https://example.com/"),
            ("EVENTS_PER_SECOND", "0"),
            ("EVENTS_PER_SECOND", "100001"),
            ("EVENTS_PER_MONTH", "many"),
            ("MAX_EVENT_BYTES", "262145"),
            ("MAX_ENDPOINTS", "-1"),
            ("MAX_ENDPOINTS", "0"),
            ("MAX_ENDPOINTS", "8001"),
            ("RETENTION_DAYS", "a month"),
            ("RETENTION_DAYS", "0"),
            ("RETENTION_DAYS", "100000"),
            ("RETENTION_DAYS", "3\u{fffd}"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
