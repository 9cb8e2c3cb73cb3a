//! What a host needs to know of itself at the next start, and what scripts need to use it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What scripts need to use a host: `credentials.json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Where the API listens.
    pub base_url: String,
    /// Where the embedded DynamoDB and SQS listen.
    pub aws_url: String,
    /// The platform's key.
    pub platform_key: String,
    /// The demo organization.
    pub organization_id: String,
    /// An owner's key of the demo organization.
    pub api_key: String,
}

/// What the host itself keeps: `host.json`. Hosts in memory do not touch it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) platform_key: String,
    pub(crate) organization_id: String,
    pub(crate) api_key: String,
    /// The endpoint at the demo receiver, unless the settings refuse that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_id: Option<String>,
}

impl Credentials {
    /// Where they are in a data directory.
    pub const FILE: &'static str = "credentials.json";
}

impl Kept {
    pub(crate) const FILE: &'static str = "host.json";

    /// Reads the file, if it is there.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        let file = directory.join(Self::FILE);
        let shown = file.display();
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
                format!("{shown} is damaged; restore it from a backup, or delete it to get a new demo organization")
            })?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {shown}; choose another directory with --data"))
            }
        }
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let unfinished = directory.join(format!("{name}.new"));
    let _ = fs::remove_file(&unfinished);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(serde_json::to_string_pretty(value)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(unfinished, directory.join(name))
}

/// Makes a file that only its owner can read, if there is none.
pub(crate) fn touch_private(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}
