//! Harmed tables out of the way, so that new ones can be made from the ledger. What was there lies in a
//! schema of its own, for whoever wants to know what happened; only the oldest of many is dropped.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{Access, DAEMON_ROLE, Tables, TablesError, in_time};
use crate::admin::quote::identifier;
use crate::model::names::MYDB_ADMIN;
use crate::model::{DbName, Timestamp};

/// Schemas of harmed tables begin with this.
const HARMED: &str = "harmed_";
/// So many of them are kept, the newest: each is a copy of all tables, and is in every backup.
const KEPT: i64 = 12;
/// All tables and the schema of each. With the records of the ledger goes what proves of an entry what it was.
const TABLES: [(&str, &str); 8] = [
    ("public", "container"),
    ("public", "state"),
    ("public", "log"),
    ("public", "backup_log"),
    ("db4sci", "applied"),
    ("db4sci", "records"),
    ("db4sci", "sums"),
    ("db4sci", "steps"),
];
/// Stands on the newest of them until what waits in it was carried over.
const UNREAD: &str = "edits are to be carried over";

/// Moves the tables into a schema of their own, and gives its name. All of it happens, or nothing.
///
/// # Errors
/// See [`TablesError`].
pub async fn set_aside(access: &Access, now: Timestamp) -> Result<String, TablesError> {
    const WHAT: &str = "set harmed tables aside";
    let schema = format!("{HARMED}{}", now.format("%Y%m%dt%H%M%Sz"));
    let (quoted, daemon) = (identifier(&schema)?, identifier(DAEMON_ROLE)?);
    in_time(WHAT, async {
        let sql = |e| TablesError::sql(WHAT, e);
        let mut root = access.as_superuser(MYDB_ADMIN).await?;
        let mut tx = root.begin().await.map_err(sql)?;
        let mut statements = vec![format!(
            "create schema if not exists {quoted} authorization {daemon}"
        )];
        for (of, table) in TABLES {
            if exists(&mut tx, of, table).await.map_err(sql)? {
                statements.push(format!("alter table {of}.{table} owner to {daemon}"));
                statements.push(format!("revoke all on {of}.{table} from public"));
                statements.push(format!("alter table {of}.{table} set schema {quoted}"));
            }
        }
        statements.push(format!("comment on schema {quoted} is '{UNREAD}'"));
        // The triggers go with their functions: nothing guards what is evidence now, and nobody but
        // the daemon's role may use the schema.
        statements.push("drop schema if exists db4sci cascade".to_owned());
        for statement in statements {
            tx.execute(AssertSqlSafe(statement)).await.map_err(sql)?;
        }
        tx.commit().await.map_err(sql)?;
        // On its own: that the oldest cannot be dropped keeps no tables from being made again.
        if let Err(error) = drop_oldest(&mut root).await {
            tracing::warn!(%error, "the oldest harmed tables of mydb_admin cannot be dropped");
        }
        let _ = root.close().await;
        Ok(())
    })
    .await?;
    Ok(schema)
}

/// Drops what was set aside before the newest ones.
async fn drop_oldest(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let oldest: Vec<String> = sqlx::query_scalar(
        "select quote_ident(nspname) from pg_namespace
         where nspname ~ ('^' || $1 || '[0-9]{8}t[0-9]{6}z$') order by nspname desc offset $2",
    )
    .bind(HARMED)
    .bind(KEPT)
    .fetch_all(&mut *conn)
    .await?;
    for schema in oldest {
        conn.execute(AssertSqlSafe(format!("drop schema {schema} cascade")))
            .await?;
    }
    Ok(())
}

async fn exists(conn: &mut PgConnection, of: &str, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select to_regclass($1 || '.' || $2) is not null")
        .bind(of)
        .bind(table)
        .fetch_one(conn)
        .await
}

impl Tables {
    /// Takes what people wrote, and nobody had answered, from harmed tables into those that were made
    /// in their place; gives the number of rows. A row of a name that was `left` by a rename is nobody's
    /// wish, unless it was edited. Nothing is to be done when no tables were set aside.
    ///
    /// # Errors
    /// See [`TablesError`]. What cannot be read in harmed tables stays there.
    pub async fn carry_over(&mut self, left: &[DbName]) -> Result<u64, TablesError> {
        const WHAT: &str = "carry edits over";
        let sql = |e| TablesError::sql(WHAT, e);
        let unread: Option<String> = sqlx::query_scalar(
            "select nspname::text from pg_namespace
             where starts_with(nspname, $1) and obj_description(oid, 'pg_namespace') = $2
             order by nspname desc limit 1",
        )
        .bind(HARMED)
        .bind(UNREAD)
        .fetch_optional(&mut self.conn)
        .await
        .map_err(sql)?;
        let Some(schema) = unread else { return Ok(0) };
        let schema = identifier(&schema)?;
        let copied = in_time(WHAT, self.copy_edits(&schema, left)).await;
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) if error.is_lost() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, %schema, "edits in harmed tables cannot be read");
                0
            }
        };
        self.conn
            .execute(AssertSqlSafe(format!(
                "comment on schema {schema} is 'harmed tables of mydb_admin, kept as evidence'"
            )))
            .await
            .map_err(sql)?;
        Ok(copied)
    }

    async fn copy_edits(&mut self, schema: &str, left: &[DbName]) -> Result<u64, TablesError> {
        const WHAT: &str = "carry edits over";
        let sql = |e| TablesError::sql(WHAT, e);
        let statement = format!(
            "insert into public.state as s (name, spec, state, until, note, changed_by, ts)
             select name, spec, state, until, note, changed_by, ts from {schema}.state h
             where h.generation > h.observed_generation
                or (h.name <> all ($1)
                    and not exists (select from public.state o where o.name = h.name))
             on conflict (name) do update set spec = excluded.spec, state = excluded.state,
                 until = excluded.until, note = excluded.note, changed_by = excluded.changed_by,
                 ts = excluded.ts, generation = s.generation + 1"
        );
        let left: Vec<&str> = left.iter().map(DbName::as_str).collect();
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(left)
            .execute(&mut self.conn)
            .await
            .map_err(sql)?;
        Ok(done.rows_affected())
    }
}
