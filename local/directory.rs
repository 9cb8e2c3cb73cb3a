//! The data directory. One host at a time can lock it, and only its owner can read it.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::aws::Storage;
use crate::credentials::{self, StoredCredentials};

const LOCK: &str = "lock";

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
