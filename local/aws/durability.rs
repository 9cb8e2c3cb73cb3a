//! Syncs commits to disk so that they survive a power failure.
//!
//! SQLite's write-ahead log with `synchronous = NORMAL` writes a commit to the log file without waiting for the disk.
//! A sync of that file after the commit makes it durable: SQLite itself syncs before and after it moves pages from the
//! log to the database.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// A function that blocks until a file's written data is on disk.
pub(crate) type SyncFile = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// Uses the operating system's `fdatasync`.
pub(crate) fn system_sync() -> SyncFile {
    Arc::new(File::sync_data)
}

/// The write-ahead log of an open database.
#[derive(Clone)]
pub(crate) struct Log {
    file: Arc<File>,
    sync: SyncFile,
}

impl Log {
    /// Opens the log of the database in `file`. The database must be open, because SQLite deletes the log when it
    /// closes the database.
    ///
    /// # Errors
    /// If the log does not exist, or its directory cannot be synced.
    pub(crate) fn of(file: &Path, sync: SyncFile) -> io::Result<Self> {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let log = File::open(PathBuf::from(log))?;
        // The sync makes the directory entries of new files durable.
        File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Self { file: Arc::new(log), sync })
    }

    /// Blocks until every earlier commit is on disk.
    ///
    /// # Errors
    /// If the sync fails.
    pub(crate) fn sync(&self) -> io::Result<()> {
        (self.sync)(&self.file)
    }
}

/// Coalesces the syncs of concurrent callers. One sync covers all commits that were made before it began.
#[derive(Clone)]
pub(crate) struct GroupSync {
    log: Log,
    commits: Arc<AtomicU64>,
    /// The number of commits that are on disk. The mutex is locked during a sync.
    synced: Arc<Mutex<u64>>,
}

impl GroupSync {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, commits: Arc::default(), synced: Arc::default() }
    }

    /// Waits until the caller's commit is on disk. The commit must precede the call.
    ///
    /// # Errors
    /// If the sync fails.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        let own = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        let mut synced = self.synced.lock().await;
        if *synced >= own {
            return Ok(());
        }
        let all = self.commits.load(Ordering::SeqCst);
        let log = self.log.clone();
        tokio::task::spawn_blocking(move || log.sync()).await.map_err(io::Error::other)??;
        *synced = all;
        Ok(())
    }
}
