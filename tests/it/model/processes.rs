//! Processes that run concurrently, and that die.

use std::time::Duration;

use futures_util::future::join_all;

use super::operations::Work;
use super::{Allowed, Run, ignore_failed_deliveries};
use crate::support::{Fuse, Process, World};

impl Run {
    /// Runs `work` in a healthy process, or with `cut` in one that dies after this number of writes and sends. `None`
    /// if it died.
    pub(super) async fn run_process<T>(&self, cut: Option<usize>, work: impl AsyncFnOnce(&Process) -> T) -> Option<T> {
        let Some(calls) = cut else { return Some(work(&self.world.process).await) };
        let fuse = Fuse::after(calls);
        let process = fuse.process(&self.world);
        fuse.run(work(&process)).await
    }

    pub(super) async fn run(&mut self, processes: &[Work], cut: Option<usize>) -> Allowed {
        let fuse = Fuse::after(cut.unwrap_or(usize::MAX));
        let mut running = Vec::new();
        for (index, work) in processes.iter().enumerate() {
            let process = match (index, cut) {
                (0, Some(_)) => fuse.process(&self.world),
                (0, None) => self.consumer.clone(),
                _ => self.world.another_process(),
            };
            let fuse = (index == 0 && cut.is_some()).then(|| fuse.clone());
            let world = &self.world;
            running.push(async move {
                let work = work.perform(&process, world);
                match fuse {
                    Some(fuse) => fuse.run(work).await.is_some(),
                    None => {
                        work.await;
                        true
                    }
                }
            });
        }
        let alone = processes.len() == 1;
        if cut.is_some() && alone {
            self.receivers.iter().for_each(|receiver| receiver.behind(&fuse));
        }
        let dies = join_all(running).await.contains(&false);
        self.world.advance(Duration::from_secs(1));
        ignore_failed_deliveries(&self.receivers, self.world.clock.now());
        let consumers = processes.iter().filter(|work| matches!(work, Work::Deliver { .. })).count();
        // A job may send a second message for a delivery that a consumer is processing.
        let sends_again = self.sending_again && processes.iter().any(|work| matches!(work, Work::Sweep));
        let redelivers = sends_again || processes.iter().any(|work| matches!(work, Work::Redeliver { .. }));
        let (retries, replays) = (self.recovering, self.replaying);
        Allowed { retries, replays, dies, consumers, redelivers, ..Allowed::default() }
    }
}

impl Work {
    async fn perform(self, process: &Process, world: &World) {
        match self {
            Self::Deliver { lane, most } => drop(process.poll_of(lane, most).await),
            Self::Sweep => process.sweep().await,
            Self::Redeliver { turns } => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                world.redeliver();
            }
        }
    }
}
