//! Endpoints: where one subscriber wants events.

use super::event_type::Subscription;
use super::fan_out::FanOutGroup;
use super::fields::{EditionId, EndpointUrl, Headers, Name, TimeoutSeconds};
use super::health::Health;
use super::ids::{EndpointId, OrganizationId};
use super::lane::Lane;
use super::schedule::RetrySchedule;
use super::secret::SigningSecret;
use super::time::Timestamp;

/// A subscriber's URL and everything about delivering to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its identifier.
    pub id: EndpointId,
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// What its owner chose.
    pub settings: EndpointSettings,
    /// Whether it is delivered to.
    pub status: EndpointStatus,
    /// What its deliveries are signed with.
    pub secrets: Secrets,
    /// How it has been doing.
    pub health: Health,
    /// The queue that its deliveries wait in.
    pub lane: Lane,
    /// The group that its target is in, for good.
    pub fan_out_group: FanOutGroup,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts the changes, so that of two changes at once one is refused.
    pub version: u64,
}

/// What an endpoint's owner chose.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSettings {
    /// What people call it.
    pub name: Name,
    /// Where deliveries go.
    pub url: EndpointUrl,
    /// Which events it wants.
    pub subscriptions: Vec<Subscription>,
    /// Headers added to every request.
    pub headers: Headers,
    /// How long one attempt may take.
    pub timeout: TimeoutSeconds,
    /// Restricts it to events of the same edition.
    pub edition: Option<EditionId>,
    /// Replaces the deployment's retry schedule.
    pub retry_schedule: Option<RetrySchedule>,
}

/// Whether an endpoint is delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointStatus {
    /// Deliveries are attempted.
    Active,
    /// Deliveries are made and parked until it is active again.
    Paused {
        /// When its owner paused it.
        at: Timestamp,
    },
    /// Nothing new is made for it; what was waiting is failed.
    Disabled {
        /// Why.
        reason: DisabledReason,
    },
}

/// Why an endpoint was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its owner did it.
    Owner,
    /// It answered 410 Gone.
    Gone,
    /// It was suspended for days without a success.
    Failing,
}

impl DisabledReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Gone, Self::Failing];

    /// The reason's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The reason with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The status that an owner can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedStatus {
    /// Deliver.
    Active,
    /// Park.
    Paused,
    /// Stop.
    Disabled,
    /// Anything but disabled: active if it is, else as it was.
    Enabled,
}

/// What an endpoint is made from.
#[derive(Debug)]
pub struct NewEndpoint {
    /// What its owner chose.
    pub settings: EndpointSettings,
    /// A secret that the owner brings, instead of a generated one.
    pub secret: Option<SigningSecret>,
    /// Its first status.
    pub status: WantedStatus,
}

/// The signing secrets of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The newest one.
    pub current: SigningSecret,
    /// The one before a rotation, and until when it signs beside the newest.
    pub previous: Option<(SigningSecret, Timestamp)>,
}

impl Secrets {
    /// One secret that signs alone.
    pub const fn only(current: SigningSecret) -> Self {
        Self { current, previous: None }
    }

    /// What a request at `now` is signed with, the newest first.
    pub fn signing_at(&self, now: Timestamp) -> Vec<&SigningSecret> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret)).collect()
    }

    /// The secrets after a rotation at `now`; the current one signs on for `overlap`.
    #[must_use]
    pub fn rotated(self, new: SigningSecret, overlap: std::time::Duration, now: Timestamp) -> Self {
        let previous = (!overlap.is_zero()).then(|| (self.current, now.plus(overlap)));
        Self { current: new, previous }
    }
}

/// What a change of an endpoint names; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointPatch {
    /// A new name.
    pub name: Option<Name>,
    /// A new URL.
    pub url: Option<EndpointUrl>,
    /// New subscriptions.
    pub subscriptions: Option<Vec<Subscription>>,
    /// New headers.
    pub headers: Option<Headers>,
    /// A new timeout.
    pub timeout: Option<TimeoutSeconds>,
    /// A new edition, or none.
    pub edition: Option<Option<EditionId>>,
    /// A new retry schedule, or the deployment's.
    pub retry_schedule: Option<Option<RetrySchedule>>,
    /// A secret that the owner brought; it signs alone from now on.
    pub secret: Option<SigningSecret>,
    /// A new status.
    pub status: Option<WantedStatus>,
}

impl Endpoint {
    /// A new endpoint.
    pub fn new(
        id: EndpointId,
        organization: &OrganizationId,
        settings: EndpointSettings,
        secret: SigningSecret,
        wanted: WantedStatus,
        now: Timestamp,
    ) -> Self {
        let status = match wanted {
            WantedStatus::Active | WantedStatus::Enabled => EndpointStatus::Active,
            WantedStatus::Paused => EndpointStatus::Paused { at: now },
            WantedStatus::Disabled => EndpointStatus::Disabled { reason: DisabledReason::Owner },
        };
        Self {
            id,
            organization: organization.clone(),
            settings,
            status,
            secrets: Secrets::only(secret),
            health: Health::default(),
            lane: Lane::default(),
            fan_out_group: FanOutGroup::default(),
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// Whether it is disabled: unfinished deliveries to it fail.
    pub const fn is_disabled(&self) -> bool {
        matches!(self.status, EndpointStatus::Disabled { .. })
    }

    /// Whether deliveries are attempted: it is active and not suspended.
    pub const fn accepts(&self) -> bool {
        matches!(self.status, EndpointStatus::Active) && self.health.suspension.is_none()
    }

    /// Whether deliveries are parked instead of attempted: it is paused or suspended.
    pub const fn parks(&self) -> bool {
        matches!(self.status, EndpointStatus::Paused { .. }) || self.health.suspension.is_some()
    }

    /// The endpoint after a change.
    #[must_use]
    pub fn patched(mut self, patch: EndpointPatch, now: Timestamp) -> Self {
        let settings = &mut self.settings;
        let moved = patch.url.as_ref().is_some_and(|url| *url != settings.url);
        replace(&mut settings.name, patch.name);
        replace(&mut settings.url, patch.url);
        replace(&mut settings.subscriptions, patch.subscriptions);
        replace(&mut settings.headers, patch.headers);
        replace(&mut settings.timeout, patch.timeout);
        replace(&mut settings.edition, patch.edition);
        replace(&mut settings.retry_schedule, patch.retry_schedule);
        replace(&mut self.secrets, patch.secret.map(Secrets::only));
        if moved && self.health.suspension.is_some() {
            // What was suspended is not there any more.
            self.health = self.health.unsuspended();
        }
        if let Some(wanted) = patch.status {
            self.take_status(wanted, DisabledReason::Owner, now);
        }
        self.updated_at = now;
        self
    }

    /// The endpoint after the engine or its owner disabled it.
    #[must_use]
    pub fn disabled(mut self, reason: DisabledReason, now: Timestamp) -> Self {
        self.take_status(WantedStatus::Disabled, reason, now);
        self.updated_at = now;
        self
    }

    fn take_status(&mut self, wanted: WantedStatus, reason: DisabledReason, now: Timestamp) {
        use EndpointStatus::{Active, Disabled, Paused};
        let suspended = self.health.suspension.is_some();
        self.status = match (wanted, self.status) {
            // Its owner says that it works again.
            (WantedStatus::Active, Active) if suspended => Active,
            (WantedStatus::Active, Active)
            | (WantedStatus::Paused, Paused { .. })
            | (WantedStatus::Disabled, Disabled { .. })
            | (WantedStatus::Enabled, Active | Paused { .. }) => return,
            (WantedStatus::Paused, _) => Paused { at: now },
            (WantedStatus::Active | WantedStatus::Enabled, _) => Active,
            (WantedStatus::Disabled, _) => Disabled { reason },
        };
        self.health = self.health.unsuspended();
    }
}

fn replace<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::fields::UrlPolicy;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
    const LATER: Timestamp = Timestamp::from_unix_seconds(1_774_382_500);

    /// An active endpoint that wants everything.
    pub(in super::super) fn endpoint() -> Endpoint {
        let settings = EndpointSettings {
            name: Name::parse("test").unwrap(),
            url: EndpointUrl::parse("https://example.com/", &UrlPolicy::default()).unwrap(),
            subscriptions: vec![Subscription::All],
            headers: Headers::default(),
            timeout: TimeoutSeconds::default(),
            edition: None,
            retry_schedule: None,
        };
        let organization = OrganizationId::new(NOW, [2; 8]);
        let secret = SigningSecret::generate([3; 16]);
        Endpoint::new(EndpointId::new(NOW, [1; 8]), &organization, settings, secret, WantedStatus::Active, NOW)
    }

    fn status(wanted: WantedStatus) -> EndpointPatch {
        EndpointPatch { status: Some(wanted), ..EndpointPatch::default() }
    }

    #[test]
    fn pausing_resuming_and_disabling() {
        let paused = endpoint().patched(status(WantedStatus::Paused), NOW);
        assert_eq!(paused.status, EndpointStatus::Paused { at: NOW });
        assert!(paused.parks());

        let still = paused.clone().patched(status(WantedStatus::Paused), LATER);
        assert_eq!(still.status, paused.status);

        let resumed = paused.patched(status(WantedStatus::Active), LATER);
        assert_eq!(resumed.status, EndpointStatus::Active);

        let disabled = resumed.clone().patched(status(WantedStatus::Disabled), LATER);
        assert_eq!(disabled.status, EndpointStatus::Disabled { reason: DisabledReason::Owner });
        assert!(disabled.is_disabled());

        let enabled = disabled.patched(status(WantedStatus::Enabled), LATER);
        assert_eq!(enabled.status, EndpointStatus::Active);
        let paused = enabled.patched(status(WantedStatus::Paused), LATER);
        assert_eq!(paused.clone().patched(status(WantedStatus::Enabled), LATER).status, paused.status);

        let gone = resumed.disabled(DisabledReason::Gone, LATER);
        assert_eq!(gone.clone().disabled(DisabledReason::Owner, LATER).status, gone.status);
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let before = endpoint();
        let name = Name::parse("new").unwrap();
        let after =
            before.clone().patched(EndpointPatch { name: Some(name.clone()), ..EndpointPatch::default() }, LATER);
        let mut expected = before;
        expected.settings.name = name;
        expected.updated_at = LATER;
        assert_eq!(after, expected);
    }

    #[test]
    fn both_secrets_sign_until_the_overlap_ends() {
        let old = SigningSecret::generate([1; 16]);
        let new = SigningSecret::generate([2; 16]);
        let rotated = Secrets::only(old.clone()).rotated(new.clone(), Duration::from_secs(10), NOW);
        assert_eq!(rotated.signing_at(NOW), [&new, &old]);
        assert_eq!(rotated.signing_at(NOW.plus(Duration::from_secs(10))), [&new]);
        assert_eq!(Secrets::only(old).rotated(new.clone(), Duration::ZERO, NOW), Secrets::only(new));
    }
}
