//! `cargo run`: all of Pigeonpost in one process.

use std::io::{Write, stdout};
use std::path::Path;

use pigeonpost::{Credentials, Host, Options, USAGE};
use shared::telemetry;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse(lexopt::Parser::from_env())?;
    if options.help {
        writeln!(stdout(), "{USAGE}")?;
        return Ok(());
    }
    telemetry::start_locally(if options.verbose { Level::INFO } else { Level::WARN });
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let host = Host::start(&options).await?;
    greet(&host, &options.data)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    writeln!(stdout(), "\nFinishing what is under way …")?;
    host.stop().await
}

fn greet(host: &Host, data: &Path) -> anyhow::Result<()> {
    let (address, aws) = (host.address(), host.aws_address());
    let file = data.join(Credentials::FILE);
    let credentials: Credentials = serde_json::from_slice(&std::fs::read(&file)?)?;
    let (organization, key) = (&credentials.organization_id, &credentials.api_key);
    let restored = match host.restored() {
        0 => String::new(),
        count => format!("  Resumed        {count} unfinished deliveries\n"),
    };
    write!(
        stdout(),
        r#"Pigeonpost is ready.

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
