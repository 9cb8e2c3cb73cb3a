//! The resource use of a process, read from Linux's `/proc`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// The unit of CPU times in `/proc`. It is a hundredth of a second on all architectures of Linux.
const TICK: Duration = Duration::from_millis(10);

/// A running process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// This process, which contains the publishers and receivers.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// The CPU time of all its threads, including time in the kernel.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        // The second field is the program's name in parentheses, which can contain any character.
        let (_, fields) = stat.rsplit_once(')').context("the process has no name")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Ok(ticks.sum::<Result<u32, _>>().map(|ticks| TICK * ticks)?)
    }

    /// The proportional set size (PSS) in MiB, in which shared memory counts partially.
    pub(crate) fn pss_mib(self) -> anyhow::Result<f64> {
        let text = self.read("smaps_rollup")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no PSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = PathBuf::from(format!("/proc/{}/{file}", self.0));
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// Reads a process's memory once a second.
pub(crate) struct MemoryWatch(tokio::task::JoinHandle<()>, tokio::sync::watch::Receiver<f64>);

impl MemoryWatch {
    pub(crate) fn over(process: Process) -> Self {
        let (most, seen) = tokio::sync::watch::channel(0.0_f64);
        let watching = tokio::spawn(async move {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            loop {
                seconds.tick().await;
                if let Ok(pss) = process.pss_mib() {
                    most.send_modify(|most| *most = most.max(pss));
                }
            }
        });
        Self(watching, seen)
    }

    /// The maximum that was read, in MiB.
    pub(crate) fn most(self) -> f64 {
        self.0.abort();
        *self.1.borrow()
    }
}
