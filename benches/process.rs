//! What a process uses, as Linux tells it in `/proc`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// `/proc` counts in hundredths of a second on every processor that Linux runs on.
const TICK: Duration = Duration::from_millis(10);

/// A running process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// This process: publishers and receivers together.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// The CPU time of all its threads until now, in the kernel's name included.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        // The second field is the program's name in parentheses, which may contain anything.
        let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Ok(ticks.sum::<Result<u32, _>>().map(|ticks| TICK * ticks)?)
    }

    /// Its memory in MiB, of what it shares with others only its share.
    pub(crate) fn pss_mib(self) -> anyhow::Result<f64> {
        self.kib("smaps_rollup", "Pss:")
    }

    /// The most memory that it ever had, in MiB, with all that it shares.
    pub(crate) fn peak_rss_mib(self) -> anyhow::Result<f64> {
        self.kib("status", "VmHWM:")
    }

    fn kib(self, file: &str, name: &str) -> anyhow::Result<f64> {
        let text = self.read(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context(name.to_owned())?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = PathBuf::from(format!("/proc/{}/{file}", self.0));
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// Looks at a process's memory once a second.
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

    /// The most that was seen, in MiB.
    pub(crate) fn most(self) -> f64 {
        self.0.abort();
        *self.1.borrow()
    }
}
