//! The command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, ValueExt};

/// What `--help` prints.
pub const USAGE: &str = "\
Runs all of Pigeonpost in one process, on an embedded DynamoDB and SQS.

Usage: pigeonpost [--port PORT] [--aws-port PORT] [--address IP] [--data DIR] [--in-memory] [--no-triggers] [--verbose]

  --port PORT      where the API listens (default 8080)
  --aws-port PORT  where the embedded DynamoDB and SQS listen (default 8001)
  --address IP     the IPv4 address that both listen on (default 127.0.0.1); who reaches it may do anything
  --data DIR       where data and credentials are kept (default .pigeonpost)
  --in-memory      keep the data in memory only; credentials still go to the directory
  --no-triggers    leave the queue and the sweep to somebody else, such as `sam local`
  --verbose        log every request and every failed attempt
  --help           print this

Settings are read from the environment as on AWS: RETRY_SCHEDULE, EVENT_TYPES, MAX_ENDPOINTS,
RETENTION_DAYS, ALLOWED_NETWORKS (default: loopback, --address) and ALLOW_HTTP (default: true).";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the API listens; 0 picks a free port.
    pub port: u16,
    /// Where the embedded DynamoDB and SQS listen; 0 picks a free port.
    pub aws_port: u16,
    /// The address that both listen on.
    pub address: Ipv4Addr,
    /// Where data and credentials are kept.
    pub data: PathBuf,
    /// Whether the data is kept in memory only.
    pub in_memory: bool,
    /// Whether the host leaves the queue and the sweep to somebody else.
    pub no_triggers: bool,
    /// Whether every request is logged.
    pub verbose: bool,
    /// Whether only the usage is wanted.
    pub help: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 8080,
            aws_port: 8001,
            address: Ipv4Addr::LOCALHOST,
            data: PathBuf::from(".pigeonpost"),
            in_memory: false,
            no_triggers: false,
            verbose: false,
            help: false,
        }
    }
}

impl Options {
    /// Reads the command line's arguments.
    ///
    /// # Errors
    /// [`lexopt::Error`] naming the argument that makes no sense.
    pub fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("port") => options.port = arguments.value()?.parse()?,
                Long("aws-port") => options.aws_port = arguments.value()?.parse()?,
                Long("address") => options.address = arguments.value()?.parse()?,
                Long("data") => options.data = arguments.value()?.into(),
                Long("in-memory") => options.in_memory = true,
                Long("no-triggers") => options.no_triggers = true,
                Long("verbose") => options.verbose = true,
                Long("help") | Short('h') => options.help = true,
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_unknown_ones_refused() {
        let parse = |arguments: &[&str]| Options::parse(lexopt::Parser::from_args(arguments));
        assert_eq!(parse(&[]).unwrap(), Options::default());
        let given = parse(&["--port", "1", "--aws-port=2", "--data", "d", "--in-memory", "--no-triggers"]).unwrap();
        assert_eq!((given.port, given.aws_port, given.in_memory, given.no_triggers), (1, 2, true, true));
        for bad in
            [&["--port"][..], &["--port", "x"], &["--port", "70000"], &["--address", "::"], &["--colour"], &["stray"]]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
