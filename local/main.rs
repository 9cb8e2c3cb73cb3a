//! The program `pigeonpost`, which runs the local host.

use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use pigeonpost::{Command, Credentials, Host, NotRun, Options, backlog, send_all};
use shared::clock::Clock;
use shared::{config, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

/// The exit status for an invalid command line.
const WRONG_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    // Errors of writing to the terminal are ignored, because they cannot be reported.
    match Options::read(std::env::args_os()) {
        Ok(options) => match run(&options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(stderr(), "error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Err(NotRun::Help(text)) => {
            let _ = write!(stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(NotRun::Wrong(message)) => {
            let _ = writeln!(stderr(), "{message}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    telemetry::start_locally(if options.verbose { Level::INFO } else { Level::WARN });
    match &options.command {
        Some(Command::Backlog { table, queue_urls }) => {
            write!(stdout(), "{}", backlog(&config::aws(), table, queue_urls).await?)?;
            return Ok(stdout().flush()?);
        }
        Some(Command::SendAll { table }) => {
            let requested = send_all(&config::aws(), table, &Clock::system()).await?;
            writeln!(stdout(), "The sweep resends the queued deliveries of {requested} endpoints.")?;
            return Ok(stdout().flush()?);
        }
        None => {}
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let host = Host::start(options).await?;
    greet(&host, &options.data)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    writeln!(stdout(), "\nWaiting for requests and attempts in progress …")?;
    host.stop().await
}

fn greet(host: &Host, data: &Path) -> anyhow::Result<()> {
    let (address, aws) = (host.address(), host.aws_address());
    let file = data.join(Credentials::FILE);
    let credentials: Credentials = serde_json::from_slice(&std::fs::read(&file)?)?;
    let (organization, key) = (&credentials.organization_id, &credentials.api_key);
    let restored = match host.restored() {
        0 => String::new(),
        count => format!("  In the queue   {count} messages of an earlier run\n"),
    };
    write!(
        stdout(),
        r#"Pigeonpost is ready.

  Portal         http://{address}/  (signed in to the demo organization)
  API            http://{address}
  DynamoDB, SQS  http://{aws}
  Credentials    {file}
{restored}
Publish your first event:

  curl -X POST http://{address}/v1/organizations/{organization}/events \
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
    -d '{{"type":"member.added","data":{{"member":"mbr_1"}}}}'

See what the demo receiver got:

  curl http://{address}/demo/receiver

Stop with Ctrl-C.
"#,
        file = file.display()
    )?;
    Ok(stdout().flush()?)
}
