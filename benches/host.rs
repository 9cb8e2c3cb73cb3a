//! The local host's release build as a process of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use pigeonpost::Credentials;
use tokio::process::{Child, Command};

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// A running host. It is killed when this is dropped.
pub(crate) struct Host {
    executable: PathBuf,
    data: PathBuf,
    ports: [u16; 2],
    settings: Vec<(String, String)>,
    process: Child,
}

impl Host {
    /// Starts a host on a data directory and waits until it is healthy.
    pub(crate) async fn start(data: &Path) -> anyhow::Result<Self> {
        Self::start_with(data, &[]).await
    }

    /// The same with these settings in its environment.
    pub(crate) async fn start_with(data: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let executable = std::env::current_exe()?.with_file_name("pigeonpost");
        if !executable.exists() {
            bail!("{} is not there: cargo build --release", executable.display());
        }
        let ports = [free_port()?, free_port()?];
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let process = spawn(&executable, data, ports, &settings)?;
        let host = Self { executable, data: data.to_owned(), ports, settings, process };
        host.wait_until_healthy().await?;
        Ok(host)
    }

    /// Kills the process with SIGKILL, without warning.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Starts a killed host again, on the same ports and data.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = spawn(&self.executable, &self.data, self.ports, &self.settings)?;
        self.wait_until_healthy().await
    }

    /// How the demo organization is used.
    pub(crate) fn credentials(&self) -> anyhow::Result<Credentials> {
        Ok(serde_json::from_slice(&std::fs::read(self.data.join(Credentials::FILE))?)?)
    }

    async fn wait_until_healthy(&self) -> anyhow::Result<()> {
        let health = format!("http://127.0.0.1:{}/healthz", self.ports[0]);
        let healthy = async {
            while !reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(START, healthy).await.context("the host does not become healthy")
    }
}

fn spawn(executable: &Path, data: &Path, ports: [u16; 2], settings: &[(String, String)]) -> anyhow::Result<Child> {
    let mut command = Command::new(executable);
    command.arg("--data").arg(data);
    command.args(["--port".to_owned(), ports[0].to_string(), "--aws-port".to_owned(), ports[1].to_string()]);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
