//! Moves commits from SQLite's write-ahead log into the database file, in a separate thread.
//!
//! By default a commit that leaves 1,000 pages in the log moves them itself and syncs both files. This takes 10 to 100
//! ms, in which the engine holds its lock, so no other call can read or write. Here a second connection moves most
//! pages earlier, concurrently with the commits. A commit that still finds 1,000 pages in the log moves the few
//! remaining ones.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tracing::warn;

/// The number of pages in the log from which on the thread moves them. It is far below the limit of a commit, and large
/// enough to justify two syncs.
const PAGES: u32 = 500;
/// The number of writes between two checks of the log. A write has between one and a few hundred pages.
const WRITES: u64 = 4;

/// Moves the commits of one database. Clones share the thread. It ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints(Arc<Worker>);

#[derive(Debug)]
struct Worker {
    writes: AtomicU64,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The file stays open as long as the database, even after the thread has stopped with an error. SQLite holds locks
    /// on this file, and closing it would release all locks of the process.
    _index: Arc<LogIndex>,
}

impl Checkpoints {
    /// Starts the thread that moves the commits of the database in `file`, which must be open in WAL mode.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn begin(file: &Path) -> rusqlite::Result<Self> {
        let failed = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
        let index = Arc::new(LogIndex::of(file).map_err(failed)?);
        let connection = Connection::open(file)?;
        let ended = Arc::new(AtomicBool::new(false));
        let (stopping, read) = (Arc::clone(&ended), Arc::clone(&index));
        let thread = thread::Builder::new().name("checkpoints".to_owned());
        let thread = thread.spawn(move || run(&connection, &read, &stopping)).map_err(failed)?;
        Ok(Self(Arc::new(Worker { writes: AtomicU64::new(0), ended, thread: Some(thread), _index: index })))
    }

    /// Counts a commit, and wakes the thread after every few commits.
    pub(crate) fn committed(&self) {
        if self.0.writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(WRITES) {
            self.0.wake();
        }
    }
}

impl Worker {
    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread has logged its error.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, index: &LogIndex, ended: &AtomicBool) {
    while !ended.load(Ordering::SeqCst) {
        match index.pages_to_move() {
            Ok(pages) if pages < PAGES => thread::park(),
            Ok(_) => {
                // If a commit is moving pages at the same time, this returns immediately.
                let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
                if let Err(error) = moved {
                    warn!(%error, "the checkpoint thread cannot move commits from the write-ahead log and stops");
                    return;
                }
            }
            Err(error) => {
                warn!(%error, "the checkpoint thread cannot read the index of the write-ahead log and stops");
                return;
            }
        }
    }
}

/// The header of a database's WAL index, <https://sqlite.org/walformat.html#the_wal_index_file_format>.
#[derive(Debug)]
struct LogIndex(File);

impl LogIndex {
    /// The offset of the number of pages in the log.
    const IN_LOG: u64 = 16;
    /// The offset of the number of pages in the log that are also in the database file.
    const MOVED: u64 = 96;

    fn of(file: &Path) -> std::io::Result<Self> {
        let mut index = file.as_os_str().to_owned();
        index.push("-shm");
        Ok(Self(File::open(PathBuf::from(index))?))
    }

    /// The number of pages that are only in the log. While SQLite restarts the log, the two numbers may be
    /// inconsistent. The next check corrects that.
    fn pages_to_move(&self) -> std::io::Result<u32> {
        let number = |at| {
            let (mut file, mut bytes) = (&self.0, [0; 4]);
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes).map(|()| u32::from_ne_bytes(bytes))
        };
        Ok(number(Self::IN_LOG)?.saturating_sub(number(Self::MOVED)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Creates a database whose commits do not move pages.
    fn database(directory: &Path) -> (PathBuf, Connection) {
        let file = directory.join("test.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.execute_batch("CREATE TABLE t (page BLOB)").unwrap();
        (file, connection)
    }

    /// Fills at least this many pages of the log.
    fn fill(connection: &Connection, pages: u32) {
        connection.execute("INSERT INTO t VALUES (zeroblob(?1))", [4_096 * pages]).unwrap();
    }

    #[test]
    fn pages_in_the_log_are_counted_until_they_are_moved() {
        let directory = tempfile::tempdir().unwrap();
        let (file, connection) = database(directory.path());
        let index = LogIndex::of(&file).unwrap();
        let before = index.pages_to_move().unwrap();
        fill(&connection, 100);
        assert!((100..110).contains(&(index.pages_to_move().unwrap() - before)));
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())).unwrap();
        assert_eq!(index.pages_to_move().unwrap(), 0);
        fill(&connection, 7);
        assert!((7..17).contains(&index.pages_to_move().unwrap()), "SQLite restarted the log");
    }

    #[test]
    fn the_thread_moves_pages_concurrently_with_commits_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let (file, connection) = database(directory.path());
        let index = LogIndex::of(&file).unwrap();
        let checkpoints = Checkpoints::begin(&file).unwrap();
        fill(&connection, PAGES / 2);
        (0..WRITES).for_each(|_| checkpoints.committed());
        assert!(index.pages_to_move().unwrap() >= PAGES / 2);
        fill(&connection, PAGES);
        (0..WRITES).for_each(|_| checkpoints.committed());
        let patience = Instant::now() + Duration::from_secs(60);
        while index.pages_to_move().unwrap() > 0 {
            assert!(Instant::now() < patience, "the thread did not move the pages in time");
            thread::yield_now();
        }
        drop(checkpoints);
        fill(&connection, PAGES);
        assert!(index.pages_to_move().unwrap() >= PAGES, "the thread has ended");
    }
}
