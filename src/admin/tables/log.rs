//! Rows of `log`: how an entry is shown there, and what stands there now.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow, Row};

use super::clean::{instant, number, text};
use super::{Access, Tables, TablesError, in_time};
use crate::admin::journal::Record;
use crate::model::Timestamp;
use crate::model::names::MYDB_ADMIN;

const WHAT: &str = "read the log's rows";

/// A row of `log`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LogRow {
    /// The entry's number.
    pub id: i64,
    /// When it was accepted, to the microsecond.
    pub ts: Timestamp,
    /// Who wanted it.
    pub who: String,
    /// The database.
    pub name: Option<String>,
    /// What it is.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// What happened.
    pub message: String,
    /// The record's checksum.
    pub hash: String,
}

impl LogRow {
    /// The row that shows a record.
    pub fn of(record: &Record) -> Self {
        let entry = &record.entry;
        LogRow {
            id: number(entry.seq),
            ts: instant(entry.at),
            who: text(&entry.who.to_string()),
            name: entry.name.as_ref().map(ToString::to_string),
            action: text(entry.change.kind()),
            outcome: text(&format!("{:?}", entry.outcome).to_lowercase()),
            message: text(&entry.message),
            hash: record.hash.to_string(),
        }
    }

    /// Where this row is not the one that was written, for people; `None`: nowhere.
    pub fn differs(&self, written: &LogRow) -> Option<String> {
        let none = || "nothing".to_owned();
        let name = |row: &LogRow| row.name.clone().unwrap_or_else(none);
        // PostgreSQL keeps microseconds.
        let ts = |row: &LogRow| row.ts.timestamp_micros();
        let time = |row: &LogRow| row.ts.to_rfc3339();
        let columns = [
            ("ts", ts(self) == ts(written), time(self), time(written)),
            same("who", &self.who, &written.who),
            same("name", &name(self), &name(written)),
            same("action", &self.action, &written.action),
            same("outcome", &self.outcome, &written.outcome),
            same("message", &self.message, &written.message),
            same("hash", &self.hash, &written.hash),
        ];
        let wrong = columns.iter().filter(|(_, same, ..)| !same);
        let told: Vec<String> = wrong
            .map(|(column, _, found, was)| {
                format!(
                    "its {column} is `{}`, and `{}` was written",
                    short(found),
                    short(was)
                )
            })
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

fn same<'c>(column: &'c str, found: &str, written: &str) -> (&'c str, bool, String, String) {
    (
        column,
        found == written,
        found.to_owned(),
        written.to_owned(),
    )
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    const MOST: usize = 160;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(MOST).map(clean).collect();
    if text.chars().count() > MOST {
        short.push('…');
    }
    short
}

/// Writes the rows of records.
pub(super) async fn write(conn: &mut PgConnection, records: &[Record]) -> Result<(), sqlx::Error> {
    let rows: Vec<LogRow> = records.iter().map(LogRow::of).collect();
    let texts = |of: fn(&LogRow) -> &String| -> Vec<&str> {
        rows.iter().map(|row| of(row).as_str()).collect()
    };
    sqlx::query(
        "insert into public.log (id, ts, who, name, action, outcome, message, hash)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
                              $6::text[], $7::text[], $8::text[])",
    )
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.ts).collect::<Vec<_>>())
    .bind(texts(|row| &row.who))
    .bind(
        rows.iter()
            .map(|row| row.name.as_deref())
            .collect::<Vec<_>>(),
    )
    .bind(texts(|row| &row.action))
    .bind(texts(|row| &row.outcome))
    .bind(texts(|row| &row.message))
    .bind(texts(|row| &row.hash))
    .execute(conn)
    .await
    .map(|_| ())
}

/// The tables as they are at one instant, whatever is written meanwhile.
pub struct Still<'t> {
    tx: sqlx::Transaction<'t, sqlx::Postgres>,
    /// The last entry that is in them.
    pub end: u64,
}

impl Tables {
    /// The tables as the superuser sees them, whatever was done to the daemon's own role.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn as_superuser(access: &Access) -> Result<Self, TablesError> {
        let conn = access.as_superuser(MYDB_ADMIN).await?;
        Ok(Tables { conn })
    }

    /// Holds on to what is in the tables now.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn still(&mut self) -> Result<Still<'_>, TablesError> {
        in_time(WHAT, async {
            let sql = |e| TablesError::sql(WHAT, e);
            let begin = "begin isolation level repeatable read read only";
            let mut tx = self.conn.begin_with(begin).await.map_err(sql)?;
            // What says how far they are may be what was altered, or be gone.
            let known = "select to_regclass('db4sci.applied') is not null";
            let known = sqlx::query_scalar(known).fetch_one(&mut *tx).await;
            let query = match known.map_err(sql)? {
                true => {
                    "select greatest((select max(seq) from db4sci.applied), max(id), 0) from public.log"
                }
                false => "select greatest(max(id), 0) from public.log",
            };
            let end = sqlx::query_scalar::<_, i64>(query).fetch_one(&mut *tx).await;
            let end = u64::try_from(end.map_err(sql)?).unwrap_or(0);
            Ok(Still { tx, end })
        })
        .await
    }
}

impl Still<'_> {
    /// The rows of `log` after a number, up to another one, by number.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn rows(
        &mut self,
        after: u64,
        upto: u64,
    ) -> Result<BTreeMap<i64, LogRow>, TablesError> {
        in_time(WHAT, async {
            let rows: Vec<LogRow> = sqlx::query_as(
                "select id, ts, who, name, action, outcome, message, hash from public.log
                 where id > $1 and id <= $2",
            )
            .bind(number(after))
            .bind(number(upto))
            .fetch_all(&mut *self.tx)
            .await
            .map_err(|e| TablesError::sql(WHAT, e))?;
            Ok(rows.into_iter().map(|row| (row.id, row)).collect())
        })
        .await
    }

    /// The ledger's records as the tables keep them, after a number, up to another one.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn lines(
        &mut self,
        after: u64,
        upto: u64,
    ) -> Result<BTreeMap<i64, String>, TablesError> {
        in_time(WHAT, async {
            let sql = |e| TablesError::sql(WHAT, e);
            let query = "select seq, line from db4sci.records where seq > $1 and seq <= $2";
            let rows = sqlx::query(query)
                .bind(number(after))
                .bind(number(upto))
                .fetch_all(&mut *self.tx)
                .await
                .map_err(sql)?;
            let pair = |row: sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
            rows.into_iter()
                .map(pair)
                .collect::<Result<_, _>>()
                .map_err(sql)
        })
        .await
    }

    /// Numbers of rows that no entry has.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn strays(&mut self, most: usize) -> Result<Vec<i64>, TablesError> {
        in_time(WHAT, async {
            sqlx::query_scalar("select id from public.log where id < 1 order by id limit $1")
                .bind(i64::try_from(most).unwrap_or(i64::MAX))
                .fetch_all(&mut *self.tx)
                .await
                .map_err(|e| TablesError::sql(WHAT, e))
        })
        .await
    }
}
