//! Bringing entries into the tables: by number, each once, a batch in one transaction.
//!
//! The log gets a row an entry. `state` and `container` get one upsert a database that the batch
//! touches, rendered from the book: what matters there is how it is now, not how it came to be so,
//! and rendering the same twice is the same as once.
//!
//! A row of `state` is *pending* while a person's edit in it has no answer in the entries applied
//! so far. The person's columns of a pending row are never written, whatever was admitted from
//! elsewhere meanwhile: the edit is answered first.

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::clean::{instant, json, number, text};
use super::{Tables, TablesError, TablesHarm, head_of, in_time};
use super::{backups, log, names, proof};
use crate::admin::book::{Book, Row};
use crate::admin::journal::{Head, Record};
use crate::model::database::Source;
use crate::model::{Change, DbName, Timestamp, WantedState, Who};

const WHAT: &str = "apply entries";

/// The reason in the table while a newer spec is refused.
const INVALID_SPEC: &str = "InvalidSpec";

impl Tables {
    /// Brings in records that follow each other, with the book as it is after the last of them or
    /// later. Those that are in already are passed over; when some are missing before them, nothing
    /// is done. Returns the last entry that is in the tables now.
    ///
    /// # Errors
    /// See [`TablesError`]; then nothing of them is in the tables, or all of them and only the
    /// answer was lost. Harm when the tables were made from other entries.
    pub async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError> {
        in_time(WHAT, async {
            let sql = |e| TablesError::sql(WHAT, e);
            let mut tx = self.conn.begin().await.map_err(sql)?;
            let row = sqlx::query(
                "select seq, hash, (select min(version) from db4sci.steps where version > $1)
                 from db4sci.applied for update",
            )
            .bind(super::last_step())
            .fetch_one(&mut *tx)
            .await
            .map_err(sql)?;
            let applied = head_of(&row)?;
            let from = records.partition_point(|r| r.entry.seq <= applied.seq);
            let (old, new) = records.split_at(from);
            let wrong_chain = TablesHarm::WrongChain { seq: applied.seq };
            if old.last().is_some_and(|r| r.head() != applied) {
                return Err(wrong_chain.into());
            }
            let next = applied.seq + 1;
            let ends = new.first().zip(new.last());
            let Some((first, last)) = ends.filter(|(first, _)| first.entry.seq == next) else {
                tx.rollback().await.map_err(sql)?;
                return Ok(applied);
            };
            if first.prev != applied.hash {
                return Err(wrong_chain.into());
            }
            log::write(&mut tx, new).await.map_err(sql)?;
            for record in new {
                backups::write(&mut tx, &record.entry).await.map_err(sql)?;
                names::write(&mut tx, &record.entry).await.map_err(sql)?;
            }
            let touches = touches(new);
            for (name, touch) in &touches {
                if let Some(row) = book.row(name) {
                    write_container(&mut tx, row, touch).await.map_err(sql)?;
                    write_state(&mut tx, row, touch).await.map_err(sql)?;
                } else {
                    let problems = book.unborn().find(|(unborn, _)| *unborn == name);
                    let problems = problems.map(|(_, problems)| problems);
                    write_unborn(&mut tx, name, problems, touch)
                        .await
                        .map_err(sql)?;
                }
            }
            let names: Vec<&DbName> = touches.keys().collect();
            proof::keep(&mut tx, new, &names).await.map_err(sql)?;
            sqlx::query("update db4sci.applied set seq = $1, hash = $2")
                .bind(number(last.entry.seq))
                .bind(last.hash.to_string())
                .execute(&mut *tx)
                .await
                .map_err(sql)?;
            tx.commit().await.map_err(sql)?;
            Ok(last.head())
        })
        .await
    }
}

/// What a batch does to one database's rows.
#[derive(Debug, Default, PartialEq)]
struct Touch {
    /// Number and time of the first entry that spoke of it.
    first: Option<(u64, Timestamp)>,
    /// The newest edit of the row that any entry answers; 0: none.
    answered: u64,
    /// The same up to its last admission, if there is one: what was written into the row after
    /// that edit, and perhaps refused, is not written over.
    admitted: Option<u64>,
    /// It has a new spec or override, or an override ended.
    steered: bool,
    /// Who steered it last, and when, unless that was the row's own editor.
    by: Option<(String, Timestamp)>,
    /// Its sealed secrets changed.
    sealed: bool,
    /// The container as last inspected.
    inspected: Option<serde_json::Value>,
}

fn touches(records: &[Record]) -> BTreeMap<DbName, Touch> {
    let mut touches: BTreeMap<DbName, Touch> = BTreeMap::new();
    for entry in records.iter().map(|r| &r.entry) {
        let Some(name) = &entry.name else { continue };
        let touch = touches.entry(name.clone()).or_default();
        touch.first.get_or_insert((entry.seq, entry.at));
        let by_row = match &entry.who {
            Who::Sql { generation, .. } => Some(*generation),
            Who::Daemon | Who::Socket { .. } | Who::File(_) | Who::Commit { .. } => None,
        };
        touch.answered = touch.answered.max(by_row.unwrap_or(0));
        match &entry.change {
            Change::Admitted { .. }
            | Change::Renamed { .. }
            | Change::Overridden { .. }
            | Change::Resumed { .. } => {
                if matches!(
                    entry.change,
                    Change::Admitted { .. } | Change::Renamed { .. }
                ) {
                    touch.admitted = Some(touch.answered);
                }
                touch.steered = true;
                let other = (text(&entry.who.to_string()), entry.at);
                touch.by = by_row.is_none().then_some(other);
            }
            Change::SpecRefused { row_generation, .. } => {
                touch.answered = touch.answered.max(row_generation.unwrap_or(0));
            }
            Change::Sealed { .. }
            | Change::SecretsOffered { .. }
            | Change::SecretsTaken { .. }
            | Change::AccountWanted { .. }
            | Change::AccountUnwanted { .. } => touch.sealed = true,
            Change::Inspected { container, .. } => touch.inspected = Some(json(container)),
            Change::ImagePinned { .. }
            | Change::DataIdentified { .. }
            | Change::Initialised { .. }
            | Change::PasswordShown { .. }
            | Change::AccountMade { .. }
            | Change::AccountGone { .. }
            | Change::RestartAsked
            | Change::RetryAsked
            | Change::Released { .. }
            | Change::Approved { .. }
            | Change::ApprovalVoided { .. }
            | Change::HandsOff { .. }
            | Change::HandsOn { .. }
            | Change::LogHarmed { .. }
            | Change::AuditAcknowledged { .. }
            | Change::HistoryChosen { .. }
            | Change::Quarantined { .. }
            | Change::Observed { .. }
            | Change::Intended { .. }
            | Change::Backup { .. }
            | Change::BackupRemoved { .. }
            | Change::RestoreBegan { .. }
            | Change::RestoreEnded { .. }
            | Change::Retired { .. }
            | Change::TombstoneSet { .. }
            | Change::TombstoneTaken { .. }
            | Change::RemovalBegan { .. }
            | Change::Removed { .. }
            | Change::Forgotten { .. }
            | Change::StartedOver { .. }
            | Change::RecoverAsked { .. }
            | Change::RenameBegan { .. }
            | Change::RenameEnded { .. }
            | Change::CopyBegan { .. }
            | Change::CopyEnded { .. }
            | Change::Noticed { .. }
            | Change::Hibernated { .. }
            | Change::EjectBegan { .. }
            | Change::Ejected { .. }
            | Change::EjectEnded { .. }
            | Change::Acted { .. }
            | Change::Noted => {}
        }
    }
    touches
}

async fn write_container(
    conn: &mut PgConnection,
    row: &Row,
    touch: &Touch,
) -> Result<(), sqlx::Error> {
    let Some((seq, at)) = touch.first else {
        return Ok(());
    };
    let database = &row.database;
    let secrets = touch
        .sealed
        .then(|| serde_json::to_value(&row.secrets).unwrap_or_default());
    sqlx::query(
        "insert into public.container as c (id, uid, name, engine, image, image_id, data, ts, secrets)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (uid) do update set
             name = excluded.name, engine = excluded.engine, image = excluded.image,
             image_id = excluded.image_id, data = coalesce(excluded.data, c.data),
             secrets = coalesce(excluded.secrets, c.secrets), ts = excluded.ts
         where (c.name, c.engine, c.image, c.image_id, c.data, c.secrets) is distinct from
               (excluded.name, excluded.engine, excluded.image, excluded.image_id,
                coalesce(excluded.data, c.data), coalesce(excluded.secrets, c.secrets))",
    )
    .bind(number(seq))
    .bind(database.uid.0)
    .bind(database.name.as_str())
    .bind(database.engine.as_str())
    .bind(database.image.reference.as_str())
    .bind(database.image.pinned.as_ref().map(|id| text(id.as_str())))
    .bind(touch.inspected.as_ref())
    .bind(instant(at))
    .bind(secrets)
    .execute(conn)
    .await
    .map(|_| ())
}

async fn write_state(conn: &mut PgConnection, row: &Row, touch: &Touch) -> Result<(), sqlx::Error> {
    let database = &row.database;
    // The answer to an edit of a file's spec is that the file's own stands there again.
    let spec = match &database.source {
        Source::File(_) | Source::Builtin if touch.answered > 0 => Some(touch.answered),
        Source::File(_) | Source::Builtin | Source::Row | Source::Api => touch.admitted,
    };
    // Whatever the answer to an edit was, the row then shows the state that is in force.
    let steered = (touch.steered || touch.answered > 0).then_some(touch.answered);
    let given = match json(&database.given) {
        object @ serde_json::Value::Object(_) => object,
        _ => serde_json::json!({}),
    };
    let (reason, message) = said(row);
    let over = row.over.as_ref();
    let (by, at) = touch
        .by
        .clone()
        .map_or((None, None), |(by, at)| (Some(by), Some(instant(at))));
    sqlx::query(
        "insert into public.state as s
             (name, spec, state, until, note, c_id, source, observed, reason, message,
              generation, observed_generation, changed_by, ts)
         values ($1, $2, $3, $4, $5, (select id from public.container where uid = $6), $7, $8, $9,
                 $10, $11, $11, coalesce($12, ''), coalesce($13, now()))
         on conflict (name) do update set
             spec  = case when $14::bigint is not null
                          and s.generation <= greatest(s.observed_generation, $14)
                     then excluded.spec else s.spec end,
             state = case when $15::bigint is not null
                          and s.generation <= greatest(s.observed_generation, $15)
                     then excluded.state else s.state end,
             until = case when $15::bigint is not null
                          and s.generation <= greatest(s.observed_generation, $15)
                     then excluded.until else s.until end,
             note  = case when $15::bigint is not null
                          and s.generation <= greatest(s.observed_generation, $15)
                          and (excluded.note is not null or $12 is not null)
                     then excluded.note else s.note end,
             changed_by = case when $15::bigint is not null
                          and s.generation <= greatest(s.observed_generation, $15)
                     then coalesce($12, s.changed_by) else s.changed_by end,
             ts    = case when $15::bigint is not null
                          and s.generation <= greatest(s.observed_generation, $15)
                     then coalesce($13, s.ts) else s.ts end,
             c_id = excluded.c_id,
             source = excluded.source,
             last_state = case when s.observed is distinct from excluded.observed
                     then s.observed else s.last_state end,
             observed = excluded.observed,
             reason = excluded.reason,
             message = excluded.message,
             generation = case when s.generation > greatest(s.observed_generation, $16)
                     then s.generation else greatest(s.generation, excluded.generation) end,
             observed_generation = case when s.generation > greatest(s.observed_generation, $16)
                     then greatest(s.observed_generation, $16)
                     else greatest(s.generation, excluded.generation) end",
    )
    .bind(database.name.as_str())
    .bind(given)
    .bind(word(row.steered()))
    .bind(over.and_then(|o| o.until).map(instant))
    .bind(over.map(|o| text(&o.reason)))
    .bind(database.uid.0)
    .bind(text(&database.source.to_string()))
    .bind(row.phase.as_str())
    .bind(reason)
    .bind(message)
    .bind(number(database.generation))
    .bind(by)
    .bind(at)
    .bind(spec.map(number))
    .bind(steered.map(number))
    .bind(number(touch.answered))
    .execute(conn)
    .await
    .map(|_| ())
}

/// The answer in a row whose spec was never good. Without such a row there is nothing to tell.
async fn write_unborn(
    conn: &mut PgConnection,
    name: &DbName,
    problems: Option<&[String]>,
    touch: &Touch,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update public.state set reason = $2, message = $3,
             observed_generation = greatest(observed_generation, least(generation, $4))
         where name = $1",
    )
    .bind(name.as_str())
    .bind(problems.map(|_| INVALID_SPEC))
    .bind(problems.map(|problems| text(&problems.join("\n"))))
    .bind(number(touch.answered))
    .execute(conn)
    .await
    .map(|_| ())
}

/// Reason and message of a row: a refused spec comes first, since a person waits for that answer.
fn said(row: &Row) -> (Option<String>, Option<String>) {
    match &row.refused {
        Some(problems) => (
            Some(INVALID_SPEC.to_owned()),
            Some(text(&problems.join("\n"))),
        ),
        None => (
            row.reason.map(|reason| reason.as_str()),
            Some(text(&row.message)).filter(|m| !m.is_empty()),
        ),
    }
}

fn word(state: WantedState) -> &'static str {
    match state {
        WantedState::Running => "Running",
        WantedState::Stopped => "Stopped",
        WantedState::Maintenance => "Maintenance",
        WantedState::Retired => "Retired",
    }
}
