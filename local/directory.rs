//! The data directory. One host at a time can lock it, and only its owner can read it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::clock;
use shared::domain::encryption::key_ring::{KEY_BYTES, KeyRing};
use zeroize::Zeroizing;

use crate::aws::Storage;
use crate::credentials::{self, StoredCredentials};

const LOCK: &str = "lock";
/// The file of the encryption keys, one on a line.
const ENCRYPTION_KEYS: &str = "encryption.keys";

/// A data directory that this host has locked. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Creates the directory if it does not exist, and locks it.
    ///
    /// # Errors
    /// If the directory cannot be created or written, or if another host has locked it.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        // The directory contains secrets.
        let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
        created.with_context(|| format!("cannot make the directory {shown}; choose another with --data"))?;
        let file = File::create(path.join(LOCK));
        let file =
            file.with_context(|| format!("cannot write to the directory {shown}; choose another with --data"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(TryLockError::WouldBlock) => {
                bail!("another host is using the directory {shown}; stop it, or choose another with --data")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock the directory {shown}; choose another with --data"))
            }
        }
    }

    /// The path of the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys that encrypt the confidential fields of endpoints. The first start makes one. Call it before
    /// [`Directory::storage`], which makes the databases.
    ///
    /// # Errors
    /// If the file cannot be read or written, or if that of a used directory is missing.
    pub(crate) fn encryption_keys(&self) -> anyhow::Result<KeyRing> {
        let file = self.path.join(ENCRYPTION_KEYS);
        let shown = file.display();
        if !file.exists() {
            // Another key could not decrypt what the table contains.
            if Storage::FILES.iter().any(|database| self.path.join(database).exists()) {
                bail!("{shown} is missing; {}", self.unusable());
            }
            let key = new_encryption_key();
            credentials::write_private(&self.path, ENCRYPTION_KEYS, key.as_bytes()).with_context(|| self.unusable())?;
        }
        let text = fs::read_to_string(&file).map(Zeroizing::new);
        let keys = KeyRing::parse(&text.with_context(|| self.unusable())?);
        keys.map_err(|error| anyhow!("{shown} {}; {}", error.0, self.unusable()))
    }

    /// Returns the storage in the directory. [`Storage::Directory`] documents `durable`. The database files are created
    /// here because they contain secrets too, and SQLite keeps the mode of an existing file.
    ///
    /// # Errors
    /// If a file cannot be created, or if a database file of a used directory is missing.
    pub(crate) fn storage(&self, durable: bool) -> anyhow::Result<Storage> {
        let [messages, items] = Storage::FILES.map(|file| self.path.join(file));
        let was_used = self.path.join(StoredCredentials::FILE).exists();
        // Starting without the queue's database would lose the deliveries whose messages it contains, and without the table's
        // everything else. A first start that was interrupted may have created only the queue's.
        for (file, is_expected) in [(&messages, was_used || items.exists()), (&items, was_used)] {
            if is_expected && !file.exists() {
                bail!("{} is missing; {}", file.display(), self.unusable());
            }
        }
        for file in Storage::FILES {
            credentials::touch_private(&self.path.join(file)).with_context(|| self.unusable())?;
        }
        Ok(Storage::Directory { path: self.path.clone(), durable })
    }

    /// The error message for data that cannot be read. The caller adds the cause.
    pub(crate) fn unusable(&self) -> String {
        let shown = self.path.display();
        format!("cannot use the data in {shown}; restore the directory from a backup, or choose another with --data")
    }
}

/// A key ring with a random key.
pub(crate) fn generated_keys() -> anyhow::Result<KeyRing> {
    KeyRing::parse(&new_encryption_key()).map_err(|error| anyhow!("an encryption key {}", error.0))
}

/// A random encryption key, in the format of [`KeyRing::parse`].
fn new_encryption_key() -> Zeroizing<String> {
    let bytes = Zeroizing::new(clock::secret_bytes::<KEY_BYTES>());
    Zeroizing::new(STANDARD.encode(*bytes))
}
