//! The tables of `mydb_admin`: what the ledger shows to people with SQL, and what they write there.
//!
//! - `access`: where the server is, and logins;
//! - here: connecting, making the tables, and how much of the ledger is in them;
//! - `apply`: bringing entries in, by number, each once;
//! - `log`: rows of the log, written and compared;
//! - `proof`: whether they are as they were written;
//! - `indexes`: whether tables are whole on the disk, and indexes say what they hold;
//! - `names`: rows that go with their name;
//! - `mend`: harmed ones out of the way;
//! - `witness`: what they prove of the ledger;
//! - `edits`: what people wrote and nobody has answered;
//! - `feed`: the hint that there is something to look at.
//!
//! Nothing here decides what an edit means, or whether it is accepted.

mod access;
mod apply;
mod backups;
mod clean;
mod edits;
mod error;
mod feed;
mod indexes;
mod log;
mod mend;
mod names;
mod proof;
mod witness;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use crate::admin::journal::Head;

pub use access::{Access, DAEMON_ROLE, PEOPLE_ROLE};
pub use edits::Edit;
pub use error::{TablesError, TablesHarm};
pub use feed::{Feed, Hint};
pub use indexes::check_indexes;
pub use log::{LogRow, Still};
pub use mend::set_aside;
pub use witness::{last_line, last_record, newer_step, records_between, records_from};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(35);

/// One connection to the tables, as the daemon's role.
///
/// # Caveats
/// After an error, and after a call whose future was dropped, the connection may be in the middle
/// of something: drop it, and connect again. What was not committed is undone by the server.
#[derive(Debug)]
pub struct Tables {
    conn: PgConnection,
}

impl Tables {
    /// Connects. The roles and the database were made by [`crate::admin::bootstrap`].
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn connect(access: &Access) -> Result<Self, TablesError> {
        let conn = access.as_daemon().await?;
        Ok(Tables { conn })
    }

    /// Makes the tables, or brings them to this program's form. Does nothing when they have it.
    ///
    /// # Errors
    /// [`TablesHarm::Newer`] when a newer program made them; then nothing was changed.
    pub async fn migrate(&mut self) -> Result<(), TablesError> {
        let steps = steps();
        in_time("make the tables", async {
            steps
                .run_direct(None, &mut self.conn, false)
                .await
                .map_err(TablesError::migrate)
        })
        .await
    }

    /// The last entry of the ledger that is in the tables.
    ///
    /// # Errors
    /// See [`TablesError`]; harm when the row that says it is gone, or one of the four tables, and when a newer
    /// program has changed them since.
    pub async fn applied(&mut self) -> Result<Head, TablesError> {
        const WHAT: &str = "read what is applied";
        in_time(WHAT, async {
            let row = sqlx::query(
                "select seq, hash, (select min(version) from db4sci.steps where version > $1),
                     array(select t from unnest(array['container', 'state', 'log', 'backup_log']) t
                     where to_regclass('public.' || t) is null)
                 from db4sci.applied",
            )
            .bind(last_step())
            .fetch_one(&mut self.conn)
            .await
            .map_err(|e| TablesError::sql(WHAT, e))?;
            let head = head_of(&row)?;
            let gone: Vec<String> = row.try_get(3).map_err(|e| TablesError::sql(WHAT, e))?;
            if !gone.is_empty() {
                return Err(TablesHarm::Missing(format!("no table {}", gone.join(", "))).into());
            }
            Ok(head)
        })
        .await
    }

    /// How far the server has written, and how much of that is on its disk.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn wal(&mut self) -> Result<Wal, TablesError> {
        const WHAT: &str = "ask what is on its disk";
        in_time(WHAT, async {
            let sql = |e| TablesError::sql(WHAT, e);
            let row = sqlx::query(
                "select (pg_current_wal_insert_lsn() - '0/0')::bigint,
                        (pg_current_wal_flush_lsn() - '0/0')::bigint",
            )
            .fetch_one(&mut self.conn)
            .await
            .map_err(sql)?;
            let at = |column: usize| row.try_get(column).map(i64::cast_unsigned).map_err(sql);
            let (written, flushed) = (at(0)?, at(1)?);
            Ok(Wal { written, flushed })
        })
        .await
    }

    /// Whether the server still answers on this connection.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&mut self) -> Result<(), TablesError> {
        in_time("ping", async {
            self.conn
                .ping()
                .await
                .map_err(|e| TablesError::sql("ping", e))
        })
        .await
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        // Closing is a courtesy; the server notices by itself otherwise.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.conn.close()).await;
    }
}

/// The steps that made the tables of this program.
fn steps() -> Migrator {
    Migrator {
        table_name: Cow::Borrowed("db4sci.steps"),
        create_schemas: Cow::Borrowed(&[Cow::Borrowed("db4sci")]),
        ..sqlx::migrate!("src/admin/migrations")
    }
}

/// The last of them.
fn last_step() -> i64 {
    let all = steps();
    all.iter().map(|step| step.version).max().unwrap_or(0)
}

/// Positions in a server's log of writes, in bytes since its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wal {
    /// The end of what was written.
    pub written: u64,
    /// The end of what is on the disk.
    pub flushed: u64,
}

/// Reads what is applied: number, checksum, and the first step that this program does not know.
fn head_of(row: &sqlx::postgres::PgRow) -> Result<Head, TablesError> {
    const WHAT: &str = "read what is applied";
    if let Some(version) = row.try_get(2).map_err(|e| TablesError::sql(WHAT, e))? {
        return Err(TablesHarm::Newer { version }.into());
    }
    let seq: i64 = row.try_get(0).map_err(|e| TablesError::sql(WHAT, e))?;
    let hash: String = row.try_get(1).map_err(|e| TablesError::sql(WHAT, e))?;
    let damaged = |why: String| TablesHarm::Missing(format!("db4sci.applied is damaged: {why}"));
    Ok(Head {
        seq: u64::try_from(seq).map_err(|e| damaged(e.to_string()))?,
        hash: hash.parse().map_err(damaged)?,
    })
}

async fn in_time<T>(
    what: &'static str,
    work: impl Future<Output = Result<T, TablesError>>,
) -> Result<T, TablesError> {
    match tokio::time::timeout(ANSWER, work).await {
        Ok(result) => result,
        Err(_) => Err(TablesError::TimedOut {
            what,
            seconds: ANSWER.as_secs(),
        }),
    }
}
