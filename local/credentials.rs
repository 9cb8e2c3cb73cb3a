//! The host's state that the next start reads, and the credentials that scripts use.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The addresses and keys that scripts use to call a host. They are stored in `credentials.json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The base URL of the API.
    pub base_url: String,
    /// The URL of the embedded DynamoDB and SQS.
    pub aws_url: String,
    /// The platform's key.
    pub platform_key: String,
    /// The id of the demo organization.
    pub organization_id: String,
    /// A key of the demo organization with the role `owner`.
    pub api_key: String,
}

/// The state that the host keeps for its next start. It is stored in `host.json`. A host in memory neither reads nor
/// writes it.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredCredentials {
    pub(crate) platform_key: String,
    pub(crate) organization_id: String,
    pub(crate) api_key: String,
    /// The id of the endpoint at the demo receiver. It is `None` if the settings refuse the receiver's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_id: Option<String>,
}

impl Credentials {
    /// The name of the file in the data directory.
    pub const FILE: &'static str = "credentials.json";
}

impl StoredCredentials {
    pub(crate) const FILE: &'static str = "host.json";

    /// Reads the file. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read or parsed.
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

/// Writes a file of JSON as [`write_private`].
pub(crate) fn write_private_json(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    write_private(directory, name, serde_json::to_string_pretty(value)?.as_bytes())
}

/// Writes a file atomically, with a line feed at its end. Only its owner can read it.
pub(crate) fn write_private(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(format!("{name}.new"));
    let _ = fs::remove_file(&unfinished);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(unfinished, directory.join(name))
}

/// Creates an empty file that only its owner can read, unless the file exists.
pub(crate) fn touch_private(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}
