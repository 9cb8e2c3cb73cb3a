//! The data directory: locked by one host at a time, and readable by its owner alone.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::aws::Storage;
use crate::credentials;

const LOCK: &str = "lock";

/// A data directory that this host alone uses, until this is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is missing, and locks it.
    ///
    /// # Errors
    /// If it cannot be made or written, or another host has locked it.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        // Secrets are kept in it.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make the directory {shown}; choose another with --data"))?;
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

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The storage in it; `durable` as there. Databases hold secrets, too, and SQLite keeps the mode of a file that is there.
    ///
    /// # Errors
    /// If a file cannot be made, or one is missing.
    pub(crate) fn storage(&self, durable: bool) -> anyhow::Result<Storage> {
        let [messages, items] = Storage::FILES.map(|file| self.path.join(file));
        if items.exists() && !messages.exists() {
            // Started without it, the host would never make the deliveries that were in it.
            bail!("{} is missing; {}", messages.display(), self.unusable());
        }
        for file in Storage::FILES {
            credentials::touch_private(&self.path.join(file)).with_context(|| self.unusable())?;
        }
        Ok(Storage::Directory { path: self.path.clone(), durable })
    }

    /// What to say, with its cause, of data that cannot be read.
    pub(crate) fn unusable(&self) -> String {
        let shown = self.path.display();
        format!("cannot use the data in {shown}; restore the directory from a backup, or choose another with --data")
    }
}
