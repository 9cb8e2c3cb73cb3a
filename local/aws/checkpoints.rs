//! Moves commits from SQLite's write-ahead log into the database file, in a separate thread.
//!
//! By default a commit that leaves 1,000 pages in the log moves them itself, and syncs both files: 10 to 100 ms in which
//! the engine holds its lock, so no other call can read or write. Here another connection moves most of them before, beside
//! the commits. A commit that still finds 1,000 pages in the log moves the few that are left.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tracing::warn;

/// From how many pages on they are moved: well before a commit does it, and enough to be worth two syncs.
const PAGES: u32 = 500;
/// How many writes there are between two looks at the log. A write has one to some hundred pages.
const WRITES: u64 = 4;

/// Moves the commits of one database. Clones are the same; the thread ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints(Arc<Worker>);

#[derive(Debug)]
struct Worker {
    writes: AtomicU64,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Kept as long as the database is open, also if the thread has given up: SQLite locks this file, and closing it ends
    /// the locks of the whole process.
    _index: Arc<LogIndex>,
}

impl Checkpoints {
    /// Begins to look after the database in `file`, which must be open in WAL mode.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn begin(file: &Path) -> rusqlite::Result<Self> {
        let failed = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
        let index = Arc::new(LogIndex::of(file).map_err(failed)?);
        let connection = Connection::open(file)?;
        let ended = Arc::new(AtomicBool::new(false));
        let (ending, read) = (Arc::clone(&ended), Arc::clone(&index));
        let thread = thread::Builder::new().name("checkpoints".to_owned());
        let thread = thread.spawn(move || run(&connection, &read, &ending)).map_err(failed)?;
        Ok(Self(Arc::new(Worker { writes: AtomicU64::new(0), ended, thread: Some(thread), _index: index })))
    }

    /// Notes a commit.
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
            // It has said what went wrong.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, index: &LogIndex, ended: &AtomicBool) {
    while !ended.load(Ordering::SeqCst) {
        match index.pages_to_move() {
            Ok(pages) if pages < PAGES => thread::park(),
            Ok(_) => {
                // If a commit moves pages at this moment, this returns at once.
                let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
                if let Err(error) = moved {
                    warn!(%error, "commits are not moved from the write-ahead log beside the engine");
                    return;
                }
            }
            Err(error) => {
                warn!(%error, "the index of the write-ahead log cannot be read");
                return;
            }
        }
    }
}

/// The header of a database's WAL index, <https://sqlite.org/walformat.html#the_wal_index_file_format>.
#[derive(Debug)]
struct LogIndex(File);

impl LogIndex {
    /// Where the number of pages in the log is.
    const IN_LOG: u64 = 16;
    /// Where the number of those is that are in the database file as well.
    const MOVED: u64 = 96;

    fn of(file: &Path) -> std::io::Result<Self> {
        let mut index = file.as_os_str().to_owned();
        index.push("-shm");
        Ok(Self(File::open(PathBuf::from(index))?))
    }

    /// How many pages are in the log alone. While the log begins again the two numbers may not belong together, which is
    /// noticed at the next look.
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

    /// A database whose commits move nothing themselves.
    fn database(directory: &Path) -> (PathBuf, Connection) {
        let file = directory.join("test.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.execute_batch("CREATE TABLE t (page BLOB)").unwrap();
        (file, connection)
    }

    /// Fills at least that many pages of the log.
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
        assert!((7..17).contains(&index.pages_to_move().unwrap()), "the log began again");
    }

    #[test]
    fn many_pages_are_moved_beside_the_commits_and_few_stay_in_the_log() {
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
            assert!(Instant::now() < patience, "the pages are not moved");
            thread::yield_now();
        }
        drop(checkpoints);
        fill(&connection, PAGES);
        assert!(index.pages_to_move().unwrap() >= PAGES, "the thread has ended");
    }
}
