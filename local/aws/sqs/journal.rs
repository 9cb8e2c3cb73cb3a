//! Stores the messages so that they survive the process: one thread writes them to a SQLite database in group commits.
//!
//! The queues in memory decide, and the journal follows them. A change is recorded while the queues are locked, so the
//! commits have the order of the changes. [`Journal::committed`] waits for all changes that were recorded before.
//! Receives are not recorded: after a restart, a message that was in flight is visible immediately. A message that was
//! delayed, or hidden by `ChangeMessageVisibility`, stays hidden until its time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::error::{INTERNAL, SqsError};
use super::message::{Message, State};
use super::stored::{self, Stored};
use crate::aws::checkpoints::Checkpoints;
use crate::aws::durability::Log;

/// The maximum number of changes in one commit. It limits how long the first change waits for the others.
const COMMIT: usize = 1_000;
/// The time limit for waiting for another process's lock on the file.
const BUSY: Duration = Duration::from_secs(5);

/// Records changes of messages. Clones write to the same database. A journal in memory records nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    entries: Option<mpsc::UnboundedSender<Entry>>,
    last_number: Arc<AtomicI64>,
    /// The number of failed commits.
    failures: Arc<AtomicU64>,
}

/// A point in time before changes are recorded. [`Journal::committed`] takes it to detect failed commits since then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    failures: u64,
}

/// A change of the stored messages. It identifies a message by its number.
#[derive(Debug)]
enum Change {
    Insert { queue: Arc<str>, message: Box<Message> },
    Hide { number: i64, until: SystemTime, receive_count: u32 },
    Move { number: i64, queue: Arc<str>, message: Box<Message> },
    Delete { number: i64 },
    Purge { queue: Arc<str> },
}

#[derive(Debug)]
enum Entry {
    Change(Change),
    /// Notifies a waiter when all earlier changes are committed or have failed.
    Barrier(oneshot::Sender<()>),
}

impl Journal {
    /// Opens the database, or creates it, and reads the messages in it. If `log` returns a log, each commit is synced
    /// to disk before its waiters are notified.
    ///
    /// # Errors
    /// If the file cannot be read or written, or is not such a database.
    pub(crate) fn open(
        file: &Path,
        log: impl FnOnce() -> std::io::Result<Option<Log>>,
    ) -> rusqlite::Result<(Self, Vec<Stored>)> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(BUSY)?;
        // Commits survive a killed process. A power failure can lose the latest ones, unless `log` syncs them.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(stored::TABLE)?;
        let messages = stored::read(&connection)?;
        let log = log().map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let last_number = messages.iter().map(|stored| stored.message.number).max().unwrap_or(0);
        let (entries, received) = mpsc::unbounded_channel();
        let journal = Self {
            entries: Some(entries),
            last_number: Arc::new(AtomicI64::new(last_number)),
            failures: Arc::default(),
        };
        let checkpoints = Checkpoints::begin(file)?;
        let writer = Writer { connection, log, checkpoints, failures: Arc::clone(&journal.failures) };
        let thread = thread::Builder::new().name("sqs-journal".to_owned()).spawn(move || writer.run(received));
        thread.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok((journal, messages))
    }

    /// The next message number.
    pub(crate) fn next_number(&self) -> i64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records a sent message.
    pub(crate) fn insert(&self, queue: &Arc<str>, message: &Message) {
        self.record(|| Change::Insert { queue: Arc::clone(queue), message: Box::new(message.clone()) });
    }

    /// Records the time until which a received message is hidden.
    pub(crate) fn hide(&self, message: &Message, until: SystemTime) {
        let (number, receive_count) = (message.number, message.receive_count);
        self.record(|| Change::Hide { number, until, receive_count });
    }

    /// Records that a message moved from another queue as a dead letter.
    pub(crate) fn move_to(&self, queue: &Arc<str>, message: &Message) {
        let (number, queue) = (message.number, Arc::clone(queue));
        self.record(|| Change::Move { number, queue, message: Box::new(message.clone()) });
    }

    /// Records the deletion of a message.
    pub(crate) fn delete(&self, message: &Message) {
        self.record(|| Change::Delete { number: message.number });
    }

    /// Records the deletion of all messages of a queue.
    pub(crate) fn purge(&self, queue: &Arc<str>) {
        self.record(|| Change::Purge { queue: Arc::clone(queue) });
    }

    /// The current point in time, for [`committed`](Self::committed).
    pub(crate) fn moment(&self) -> Moment {
        Moment { failures: self.failures.load(Ordering::SeqCst) }
    }

    /// Waits until all changes recorded since that point are committed.
    ///
    /// # Errors
    /// Returns `InternalError` if a commit has failed since then. A restart may then lose a message.
    pub(crate) async fn committed(&self, since: Moment) -> Result<(), SqsError> {
        let Some(entries) = &self.entries else { return Ok(()) };
        let (sender, answer) = oneshot::channel();
        let reached = entries.send(Entry::Barrier(sender)).is_ok() && answer.await.is_ok();
        if reached && self.moment().failures == since.failures {
            return Ok(());
        }
        Err(SqsError::new(INTERNAL, "The messages could not be written to the data directory."))
    }

    fn record(&self, change: impl FnOnce() -> Change) {
        if let Some(entries) = &self.entries {
            // If the thread has ended, `committed` reports it.
            let _ = entries.send(Entry::Change(change()));
        }
    }
}

struct Writer {
    connection: Connection,
    log: Option<Log>,
    checkpoints: Checkpoints,
    failures: Arc<AtomicU64>,
}

impl Writer {
    /// Commits changes until all senders are dropped.
    fn run(mut self, mut entries: mpsc::UnboundedReceiver<Entry>) {
        let mut batch = Vec::new();
        while entries.blocking_recv_many(&mut batch, COMMIT) > 0 {
            let (mut changes, mut waiting) = (Vec::new(), Vec::new());
            for entry in batch.drain(..) {
                match entry {
                    Entry::Change(change) => changes.push(change),
                    Entry::Barrier(sender) => waiting.push(sender),
                }
            }
            if let Err(error) = self.commit(&changes) {
                self.failures.fetch_add(1, Ordering::SeqCst);
                error!(%error, "cannot write changes of messages to the journal");
            }
            for sender in waiting {
                let _ = sender.send(());
            }
        }
    }

    fn commit(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        for change in changes {
            change.write(&transaction)?;
        }
        transaction.commit()?;
        self.checkpoints.committed();
        if let Some(log) = &self.log {
            log.sync()?;
        }
        Ok(())
    }
}

impl Change {
    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let execute = |sql, values: &[&dyn rusqlite::ToSql]| connection.prepare_cached(sql)?.execute(values).map(drop);
        match self {
            Self::Insert { queue, message } => stored::insert(connection, queue, message),
            Self::Hide { number, until, receive_count } => execute(
                "UPDATE messages SET visible_at = ?2, receive_count = ?3 WHERE number = ?1",
                params![number, stored::micros(*until), receive_count],
            ),
            Self::Move { number, queue, message } => {
                execute("DELETE FROM messages WHERE number = ?1", params![number])?;
                stored::insert(connection, queue, message)
            }
            Self::Delete { number } => execute("DELETE FROM messages WHERE number = ?1", params![number]),
            Self::Purge { queue } => execute("DELETE FROM messages WHERE queue = ?1", params![&**queue]),
        }
    }
}

impl Message {
    /// The time at which the message becomes visible after a restart: the end of its delay, or else the time at which
    /// it was sent.
    pub(super) fn visible_at(&self) -> SystemTime {
        match self.state {
            State::Delayed { until } => until,
            State::Visible | State::InFlight { .. } => self.sent_at,
        }
    }
}
