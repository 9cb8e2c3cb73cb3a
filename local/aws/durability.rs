//! Bringing commits to disk, so that they outlive a power cut.
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

/// Waits until what was written to a file is on disk.
pub(crate) type SyncFile = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// What the operating system offers: `fdatasync`.
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
    /// The log of the database in `file`, which must be open: its log is there as long as it is.
    ///
    /// # Errors
    /// If the log is not there, or its directory cannot be synced.
    pub(crate) fn of(file: &Path, sync: SyncFile) -> io::Result<Self> {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let log = File::open(PathBuf::from(log))?;
        // Else the files themselves may be gone.
        File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Self { file: Arc::new(log), sync })
    }

    /// Blocks until every commit made before is on disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn sync(&self) -> io::Result<()> {
        (self.sync)(&self.file)
    }
}

/// Syncs for several callers at once: all that committed before a sync begins share it.
#[derive(Clone)]
pub(crate) struct GroupSync {
    log: Log,
    commits: Arc<AtomicU64>,
    /// How many of the commits are on disk. Held while a sync is under way.
    synced: Arc<Mutex<u64>>,
}

impl GroupSync {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, commits: Arc::default(), synced: Arc::default() }
    }

    /// Waits until the caller's commit, which was made before the call, is on disk.
    ///
    /// # Errors
    /// If the disk refuses.
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
