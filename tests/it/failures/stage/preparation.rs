//! What happens before the function runs, scene by scene.

use std::time::Duration;

use serde_json::json;
use shared::domain::endpoint::lane::Lane;
use shared::domain::job::{LAST_PASS_AFTER, SECOND_PASS_AFTER};

use super::{A_MINUTE, Stage, VISIBILITY, event, named};
use crate::event_types;
use crate::failures::scene::{MANY, MORE_THAN_AT_ONCE, Scene};
use crate::failures::wire::Wire;
use crate::support::{EVENT_TYPE, Fate};

/// Longer than usage is kept in memory.
const ELEVEN_MINUTES: Duration = Duration::from_secs(11 * 60);
/// Longer than the minimum duration of a release.
const TWO_MINUTES: Duration = Duration::from_secs(121);

impl Scene {
    /// Prepares the state before the function runs.
    pub(in crate::failures) async fn set(self, wire: &Wire) -> Stage {
        let mut stage = Stage::new(self, wire).await;
        match self {
            Self::Keyed | Self::Keyless | Self::Batch | Self::LargeBatch | Self::Message | Self::CutOff => {}
            Self::Limited => stage.limit().await,
            Self::LimitReached => {
                stage.limit().await;
                stage.use_up_tokens().await;
            }
            Self::Typed => drop(event_types::create(&stage.world, &json!({"name": EVENT_TYPE, "schema": true})).await),
            Self::PartlyRefused => {
                let schema = json!({"required": ["text"]});
                event_types::create(&stage.world, &json!({"name": EVENT_TYPE, "schema": schema})).await;
            }
            Self::ToPaused => stage.set_status("paused").await,
            Self::Named => stage.name_organization().await,
            Self::Replacing => {
                let refuse = |it: &str| if it == "BatchWriteItem" { Fate::Refuse } else { Fate::Pass };
                let tenant = stage.tenant.at(&stage.spoiled(refuse));
                tenant.post("/events", &named(event(10))).await.is_error(503, "unavailable");
                stage.world.advance(A_MINUTE);
            }
            Self::Again | Self::MessageAgain => {
                assert_eq!(stage.publish_over(&stage.world.process.clone()).await.status, 202);
            }
            Self::Repair => {
                let refuse = |it: &str| if it == "BatchWriteItem" { Fate::Refuse } else { Fate::Pass };
                stage.publish_over(&stage.spoiled(refuse)).await.is_error(503, "unavailable");
            }
            Self::Success
            | Self::Large
            | Self::ShortRetry
            | Self::LongRetry
            | Self::DelayedRetry
            | Self::Exhaustion => {
                stage.publish(2).await;
            }
            Self::SuccessAlone | Self::ShortRetryAlone | Self::LongRetryAlone | Self::ExhaustionAlone => {
                stage.publish(2).await;
            }
            Self::Gone | Self::GoneAlone => stage.publish(1).await,
            Self::Forwarding => {
                stage.publish(2).await;
                stage.world.set_lane(&stage.tenant, &stage.endpoint, Lane::Slow).await;
            }
            Self::Paused => {
                stage.publish(2).await;
                stage.set_status("paused").await;
            }
            Self::StillPaused => {
                stage.publish(2).await;
                stage.set_status("paused").await;
                assert_eq!(stage.process.poll_at_most(1).await, 1);
            }
            Self::LeasedAndPaused => {
                stage.publish(1).await;
                stage.fail_until_due().await;
                stage.world.sweep().await;
                stage.set_status("paused").await;
            }
            Self::RetryingAndPaused => {
                stage.publish(1).await;
                stage.fail_until_due().await;
                stage.set_status("paused").await;
            }
            Self::RetryingAndDeleted => {
                stage.publish(1).await;
                stage.fail_until_due().await;
                stage.delete().await;
            }
            Self::Deleted => {
                stage.publish(2).await;
                stage.delete().await;
            }
            Self::Suspension => stage.fail_nine().await,
            Self::ProbeFails | Self::ProbeSucceeds => {
                stage.suspend_and_park().await;
                stage.world.sweep().await;
            }
            Self::Probe => stage.suspend_and_park().await,
            Self::NothingToProbeWith => {
                stage.fail_nine().await;
                stage.world.drain().await;
                stage.world.advance(A_MINUTE);
            }
            Self::GiveUp => stage.wear_out().await,
            Self::BacklogMetrics => {
                stage.suspend_and_park().await;
                stage.world.clock.advance_to_backlog_metrics();
            }
            Self::Reencryption => {
                stage.store_without_keys().await;
                stage.suspend_and_park().await;
                stage.world.clock.advance_to_backlog_metrics();
            }
            Self::Recovered => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.publish(1).await;
            }
            Self::Counted => {
                stage.publish(1).await;
                assert_eq!(stage.process.poll().await, 1);
                stage.world.advance(ELEVEN_MINUTES);
                stage.publish(1).await;
            }
            Self::Resend | Self::ResendFails => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.send_again("resend").await;
            }
            Self::Isolated => {
                stage.publish(2).await;
                assert_eq!(stage.world.take_messages().await.len(), 2);
                stage.world.advance(VISIBILITY);
            }
            Self::Expunged => {
                stage.publish(1).await;
                stage.remove_only_the_data().await;
            }
            Self::OfDeletedOrganization => stage.delete_the_organization_of_a_message().await,
            Self::Due => {
                stage.publish(2).await;
                stage.fail_until_due().await;
            }
            Self::Release => {
                stage.hold(2).await;
                stage.resume_without_release().await;
            }
            Self::ReleaseOfFailing => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.hold(MORE_THAN_AT_ONCE).await;
                stage.resume_without_release().await;
            }
            Self::ReleaseEnds => {
                stage.hold(1).await;
                stage.set_status("active").await;
                stage.world.drain().await;
                stage.world.advance(TWO_MINUTES);
            }
            Self::ReleaseOfDisabled => {
                stage.hold(2).await;
                stage.set_status("disabled").await;
            }
            Self::ReleaseOfDeletedEnds => {
                stage.hold(2).await;
                stage.delete().await;
                stage.world.sweep().await;
                stage.world.advance(TWO_MINUTES);
            }
            Self::Recovery => {
                stage.publish(2).await;
                stage.world.drain().await;
                stage.ask_for_recovery().await;
            }
            Self::MissedReplay => {
                stage.miss(2).await;
                stage.ask_for_replay("missed").await;
            }
            Self::FullReplay => {
                stage.publish(2).await;
                stage.world.drain().await;
                stage.ask_for_replay("all").await;
            }
            Self::SendAll => {
                stage.publish(2).await;
                stage.world.purge().await;
                stage.world.advance(A_MINUTE);
                let (sdk, clock) = (stage.world.sdk(), stage.world.clock.clock());
                pigeonpost::send_all(&sdk, stage.world.table(), &clock).await.unwrap();
            }
            Self::Expunge => {
                stage.publish(1).await;
                stage.world.purge().await;
                stage.ask_to_expunge().await;
            }
            Self::ExpungeAnswered => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.send_again("retry").await;
                stage.world.drain().await;
                stage.ask_to_expunge().await;
            }
            Self::Deletion => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.delete_another_organization().await;
            }
            Self::DeletionEnds => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.delete_another_organization().await;
                for pause in [SECOND_PASS_AFTER, LAST_PASS_AFTER] {
                    stage.world.sweep().await;
                    stage.world.advance(pause);
                }
            }
            Self::LongRecovery => {
                stage.hold(MANY).await;
                stage.set_status("disabled").await;
                stage.world.sweep().await;
                stage.set_status("active").await;
                stage.ask_for_recovery().await;
            }
        }
        stage
    }
}
