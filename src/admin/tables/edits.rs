//! What people wrote into `state` and nobody has answered yet.

use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Tables, TablesError, in_time};
use crate::model::{DbName, Timestamp};

const WHAT: &str = "read edits";

/// A row of `state` whose `generation` is ahead of its `observed_generation`.
///
/// It is answered by any entry of its name with `Who::Sql` of this generation, or by a
/// `Change::SpecRefused` with this `row_generation` (empty problems where nothing is to be done).
/// The first answer is the answer to all of it: an edit of both spec and state is answered with one
/// `Ledger::append_all`. An admission takes the larger of this generation and the book's next one.
/// Until it is answered, it is given out again.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The database.
    pub name: DbName,
    /// The spec as it stands in the row; `Err`: no JSON that this program can read, and why.
    pub spec: Result<Value, String>,
    /// The state as it stands in the row: one of `Running`, `Stopped`, `Maintenance`, `Retired`.
    pub state: String,
    /// When a state set by the person ends.
    pub until: Option<Timestamp>,
    /// Why.
    pub note: Option<String>,
    /// Which edit of the row it is.
    pub generation: u64,
    /// Who made it: the session's user.
    pub changed_by: String,
    /// When; `None`: nobody can tell.
    pub at: Option<Timestamp>,
}

impl Tables {
    /// All edits that wait for an answer, by name.
    ///
    /// # Errors
    /// See [`TablesError`]. A row that makes no sense is no error: it is left out and logged.
    pub async fn edits(&mut self) -> Result<Vec<Edit>, TablesError> {
        in_time(WHAT, async {
            // The spec comes as text, so that one row that cannot be read stops no other; infinite
            // instants cannot be held by the program at all.
            let rows = sqlx::query(
                "select name, spec::text, state,
                        case when isfinite(until) and until < '9999-12-31' then until end,
                        note, generation, changed_by, case when isfinite(ts) then ts end
                 from public.state where generation > observed_generation order by name",
            )
            .fetch_all(&mut self.conn)
            .await
            .map_err(|e| TablesError::sql(WHAT, e))?;
            let mut edits = Vec::with_capacity(rows.len());
            for row in &rows {
                match edit(row).map_err(|e| TablesError::sql(WHAT, e))? {
                    Ok(edit) => edits.push(edit),
                    Err(why) => tracing::warn!(why, "a row of state makes no sense"),
                }
            }
            Ok(edits)
        })
        .await
    }
}

fn edit(row: &PgRow) -> Result<Result<Edit, String>, sqlx::Error> {
    let name: String = row.try_get(0)?;
    let spec: String = row.try_get(1)?;
    let generation: i64 = row.try_get(5)?;
    let (name, generation) = match (name.parse(), u64::try_from(generation)) {
        (Ok(name), Ok(generation)) => (name, generation),
        (Err(why), _) => return Ok(Err(format!("name {name:?}: {why}"))),
        (_, Err(_)) => return Ok(Err(format!("`{name}`: generation {generation}"))),
    };
    Ok(Ok(Edit {
        name,
        spec: serde_json::from_str(&spec).map_err(|e| e.to_string()),
        state: row.try_get(2)?,
        until: row.try_get(3)?,
        note: row.try_get(4)?,
        generation,
        changed_by: row.try_get(6)?,
        at: row.try_get(7)?,
    }))
}
