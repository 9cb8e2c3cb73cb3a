//! The command line.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

const AFTER_HELP: &str = "\
Environment:
  RETRY_SCHEDULE, EVENT_TYPES, CATALOGUE_MODE, MAX_ENDPOINTS, RETENTION_DAYS, EVENTS_PER_SECOND, EVENTS_BURST,
  EVENTS_PER_MONTH, MAX_EVENT_BYTES, STATISTICS, PORTAL_ORIGINS, PORTAL_NAME, PORTAL_LOGO_URL, PORTAL_ACCENT,
  INTERNAL_TARGETS, ALLOWED_NETWORKS, ALLOW_HTTP, SECRETS_READABLE, OPERATOR_PORTAL
      The settings of a deployment. Here the last four default to the machine's own addresses, true, true and true.
  SSL_CERT_FILE
      A PEM file with all certificate authorities to trust, instead of the system's.";

/// The options and the subcommand of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "pigeonpost",
    version,
    about = "Runs all of Pigeonpost in one process, on an embedded DynamoDB and SQS",
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Options {
    /// The port where the API listens; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// The port where the embedded DynamoDB and SQS listen; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    pub aws_port: u16,
    /// The IPv4 address that both listen on; programs that reach it may do anything
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    pub address: Ipv4Addr,
    /// A name for this machine that requests may have in `Host`, besides localhost; can be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// The directory for data and credentials
    #[arg(long, value_name = "DIR", default_value = ".pigeonpost")]
    pub data: PathBuf,
    /// Keep the data in memory only; credentials are still written to the directory
    #[arg(long)]
    pub in_memory: bool,
    /// Answer only when what was written is on disk, so that a power cut takes nothing back
    #[arg(long, conflicts_with = "in_memory")]
    pub durable: bool,
    /// Run neither consumer nor sweep, for functions that run elsewhere, such as in `sam local`
    #[arg(long)]
    pub no_triggers: bool,
    /// Log every request and every failed attempt
    #[arg(long)]
    pub verbose: bool,
    /// A subcommand to run instead of the host
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A subcommand that runs instead of the host.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// List what waits in a deployment on AWS, by organization
    ///
    /// This reads the whole index of waiting deliveries. It costs half a read unit for each 20 deliveries, including
    /// failed ones. Region and credentials come from the environment: AWS_REGION, AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
    Backlog {
        /// The stack's output TableName
        #[arg(long, value_name = "NAME")]
        table: String,
        /// The stack's outputs QueueUrl and SlowQueueUrl, each with the option before it
        #[arg(long = "queue-url", value_name = "URL", required = true)]
        queue_urls: Vec<String>,
    },
    /// Resend all deliveries that should be in the queues of a deployment on AWS
    ///
    /// Use it after a table was restored or a queue was lost. This reads the whole table to find the endpoints, and
    /// writes a job for each. The sweep then sends their unfinished deliveries that are not parked. Region and
    /// credentials come from the environment, as for backlog.
    SendAll {
        /// The stack's output TableName
        #[arg(long, value_name = "NAME")]
        table: String,
    },
}

/// The reason why no command runs: the command line requests help or the version, or is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// The text that `--help` or `--version` prints.
    #[error("{0}")]
    Help(String),
    /// The error in the command line, in one line.
    #[error("{0}")]
    Wrong(String),
}

impl Default for Options {
    /// The options of an empty command line.
    fn default() -> Self {
        Self::parse_from(["pigeonpost"])
    }
}

impl Options {
    /// Parses a command line whose first argument is the program's name.
    ///
    /// # Errors
    /// Returns [`NotRun`] if the command line requests help or the version, or is invalid.
    pub fn read<T: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = T>) -> Result<Self, NotRun> {
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            if error.use_stderr() { NotRun::Wrong(one_line(&text)) } else { NotRun::Help(text) }
        })
    }
}

/// Reduces the parser's message to one line: the error, its tip if there is one, and a reference to `--help`.
fn one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let wrong = lines.next().unwrap_or_default();
    let tip = lines.find(|line| line.starts_with("tip:")).map(|tip| format!("; {tip}")).unwrap_or_default();
    format!("{wrong}{tip}; see pigeonpost --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, NotRun> {
        Options::read(["pigeonpost"].iter().chain(arguments))
    }

    #[test]
    fn arguments_are_read() {
        assert_eq!(read(&[]).unwrap(), Options::default());
        let given =
            read(&["--port", "1", "--aws-port=2", "--data", "d", "--in-memory", "--no-triggers", "--name", "a.test"])
                .unwrap();
        assert_eq!(given.names, ["a.test"]);
        assert_eq!((given.port, given.aws_port, given.in_memory, given.no_triggers), (1, 2, true, true));
    }

    #[test]
    fn the_backlog_subcommand_reads_a_table_and_its_queues() {
        let command = read(&["backlog", "--table", "t", "--queue-url", "q", "--queue-url", "r"]).unwrap().command;
        let queue_urls = ["q", "r"].map(str::to_owned).to_vec();
        assert_eq!(command, Some(Command::Backlog { table: "t".to_owned(), queue_urls }));
    }

    #[test]
    fn the_send_all_subcommand_reads_a_table() {
        let command = read(&["send-all", "--table", "t"]).unwrap().command;
        assert_eq!(command, Some(Command::SendAll { table: "t".to_owned() }));
    }

    #[test]
    fn an_invalid_command_line_fails_with_a_message_of_one_line() {
        for (arguments, expected) in [
            (&["--port"][..], "a value is required for '--port <PORT>'"),
            (&["--port", "x"], "invalid value 'x' for '--port <PORT>'"),
            (&["--port", "70000"], "invalid value '70000' for '--port <PORT>'"),
            (&["--port", "1", "--port", "2"], "'--port <PORT>' cannot be used multiple times"),
            (&["--address", "::"], "invalid value '::' for '--address <IP>'"),
            (&["--in-memory=yes"], "unexpected value 'yes' for '--in-memory'"),
            (&["--colour"], "unexpected argument '--colour' found"),
            (&["--prot", "1"], "unexpected argument '--prot' found; tip: a similar argument exists: '--port'"),
            (&["stray"], "unrecognized subcommand 'stray'"),
            (&["backlog", "--table", "t"], "the following required arguments were not provided"),
            (
                &["--port", "1", "backlog", "--table", "t", "--queue-url", "q"],
                "the subcommand 'backlog' cannot be used",
            ),
        ] {
            let Err(NotRun::Wrong(message)) = read(arguments) else { panic!("{arguments:?} is accepted") };
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains('\n') && message.ends_with("; see pigeonpost --help"), "{message}");
        }
    }
}
