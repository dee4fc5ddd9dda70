//! Whether the indexes of `mydb_admin` say what its tables hold.

use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{Access, TablesError, in_time};
use crate::model::names::MYDB_ADMIN;

/// The schema of the checking functions, for as long as they are needed.
const HERE: &str = "db4sci_amcheck";

/// Compares every B-tree of the daemon's tables, and of the server's own catalog, with its table, by
/// PostgreSQL's `amcheck`: an index that lacks rows answers wrong, and tells of that in no error. Gives how
/// many there are; `None`: this server has no `amcheck`.
///
/// The extension is made and gone again in one transaction, so that no backup knows of it.
///
/// # Errors
/// See [`TablesError`]; [`TablesHarm::Damaged`](super::TablesHarm::Damaged) names an index that is.
pub async fn check_indexes(access: &Access) -> Result<Option<usize>, TablesError> {
    const WHAT: &str = "check indexes";
    let sql = |e| TablesError::sql(WHAT, e);
    let mut root = access.as_superuser(MYDB_ADMIN).await?;
    let checked = in_time(WHAT, async {
        let mut tx = root.begin().await.map_err(sql)?;
        let there: bool = sqlx::query_scalar(
            "select exists (select from pg_available_extensions where name = 'amcheck')",
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(sql)?;
        if !there {
            return Ok(None);
        }
        for statement in [
            format!("create schema {HERE}"),
            format!("create extension if not exists amcheck with schema {HERE}"),
        ] {
            tx.execute(AssertSqlSafe(statement)).await.map_err(sql)?;
        }
        // Elsewhere, where somebody had it before.
        let schema: String = sqlx::query_scalar(
            "select quote_ident(n.nspname) from pg_extension e
             join pg_namespace n on n.oid = e.extnamespace where e.extname = 'amcheck'",
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(sql)?;
        let check = format!(
            "select {schema}.bt_index_check(c.oid::regclass, true)
             from pg_class c join pg_index i on i.indexrelid = c.oid join pg_am a on a.oid = c.relam
             where a.amname = 'btree' and i.indisready and i.indisvalid and c.relpersistence = 'p'
               and c.relnamespace::regnamespace::text in ('public', 'db4sci', 'pg_catalog')"
        );
        let indexes = sqlx::query(AssertSqlSafe(check))
            .fetch_all(&mut *tx)
            .await
            .map_err(sql)?;
        tx.rollback().await.map_err(sql)?;
        Ok(Some(indexes.len()))
    })
    .await?;
    // A courtesy, as everywhere.
    let _ = root.close().await;
    Ok(checked)
}
