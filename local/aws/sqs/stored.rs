//! The row of a message in the journal's table.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::message::{Message, State};

/// Times are in microseconds since 1970. `attributes` is JSON.
pub(super) const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    id BLOB NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT,
    group_id TEXT,
    sent_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    receive_count INTEGER NOT NULL,
    dead_letter_source TEXT
) STRICT";

/// A message that was in the database when it was opened.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(super) queue: Arc<str>,
    pub(super) visible_at: SystemTime,
    /// The message in the state `Visible`. Its queue sets the state when it is created.
    pub(super) message: Message,
}

/// Reads all messages in the order of sending.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    let mut all = connection.prepare(
        "SELECT number, queue, id, body, attributes, group_id, sent_at, visible_at, receive_count, dead_letter_source
         FROM messages ORDER BY number",
    )?;
    all.query_map([], Stored::read)?.collect()
}

pub(super) fn insert(connection: &Connection, queue: &str, message: &Message) -> rusqlite::Result<()> {
    let unreadable = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    let attributes = (!message.attributes.is_empty()).then(|| serde_json::to_string(&message.attributes));
    let attributes = attributes.transpose().map_err(unreadable)?;
    let sql = "INSERT INTO messages (number, queue, id, body, attributes, group_id, sent_at, visible_at, receive_count, \
               dead_letter_source) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection
        .prepare_cached(sql)?
        .execute(params![
            message.number,
            queue,
            message.id.as_bytes(),
            message.body,
            attributes,
            message.group_id,
            micros(message.sent_at),
            micros(message.visible_at()),
            message.receive_count,
            message.dead_letter_source,
        ])
        .map(drop)
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let attributes: Option<String> = row.get(4)?;
        let attributes = attributes.map(|json| serde_json::from_str(&json)).transpose();
        let message = Message {
            number: row.get(0)?,
            id: Uuid::from_bytes(row.get(2)?),
            body: row.get(3)?,
            attributes: attributes
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, error.into()))?
                .unwrap_or_default(),
            group_id: row.get(5)?,
            sent_at: time(row.get(6)?),
            first_received_at: None,
            receive_count: row.get(8)?,
            dead_letter_source: row.get(9)?,
            state: State::Visible,
        };
        Ok(Self { queue: row.get::<_, String>(1)?.into(), visible_at: time(row.get(7)?), message })
    }
}

pub(super) fn micros(time: SystemTime) -> i64 {
    let micros = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    i64::try_from(micros).unwrap_or(i64::MAX)
}

fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros.unsigned_abs())
}
