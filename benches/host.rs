//! The release build of the local host in a process of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pigeonpost::Credentials;
use tokio::process::{Child, Command};

use crate::process::Process;

/// The time limit for a start.
const START: Duration = Duration::from_secs(60);

/// A running host. Dropping it kills the process.
pub(crate) struct Host {
    executable: PathBuf,
    data: PathBuf,
    ports: [u16; 2],
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    process: Child,
    started_in: Duration,
}

impl Host {
    /// Starts a host on a data directory and waits until it is healthy.
    pub(crate) async fn start(data: &Path) -> anyhow::Result<Self> {
        Self::start_with(data, &[], &[]).await
    }

    /// Starts a host with additional arguments and environment variables.
    pub(crate) async fn start_with(data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let executable = std::env::current_exe()?.with_file_name("pigeonpost");
        if !executable.exists() {
            bail!("{} does not exist: cargo build --release", executable.display());
        }
        let ports = [free_port()?, free_port()?];
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (process, started_in) = start(&executable, data, ports, &arguments, &settings).await?;
        Ok(Self { executable, data: data.to_owned(), ports, arguments, settings, process, started_in })
    }

    /// Kills the process with SIGKILL.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Starts a killed host again with the same ports and data.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let Self { executable, data, ports, arguments, settings, .. } = self;
        (self.process, self.started_in) = start(executable, data, *ports, arguments, settings).await?;
        Ok(())
    }

    /// The duration of the last start, from the start of the process to its first response.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// The process of the running host. Returns an error if it has ended.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        self.process.id().map(Process::new).context("the host has ended")
    }

    /// The credentials of the demo organization.
    pub(crate) fn credentials(&self) -> anyhow::Result<Credentials> {
        Ok(serde_json::from_slice(&std::fs::read(self.data.join(Credentials::FILE))?)?)
    }
}

/// Starts a process and waits until it is healthy. Returns the process and the duration.
async fn start(
    executable: &Path,
    data: &Path,
    ports: [u16; 2],
    arguments: &[String],
    settings: &[(String, String)],
) -> anyhow::Result<(Child, Duration)> {
    let (client, health) = (reqwest::Client::new(), format!("http://127.0.0.1:{}/healthz", ports[0]));
    let began = Instant::now();
    let process = spawn(executable, data, ports, arguments, settings)?;
    let healthy = async {
        while !client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(START, healthy).await.context("the host did not become healthy in time")?;
    Ok((process, began.elapsed()))
}

fn spawn(
    executable: &Path,
    data: &Path,
    ports: [u16; 2],
    arguments: &[String],
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let mut command = Command::new(executable);
    command.arg("--data").arg(data);
    command.args(["--port".to_owned(), ports[0].to_string(), "--aws-port".to_owned(), ports[1].to_string()]);
    command.args(arguments);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
