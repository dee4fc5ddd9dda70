//! Whether the tables of `mydb_admin` are whole on the disk, and its indexes say what they hold.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use super::{Access, TablesError, TablesHarm, in_time};
use crate::model::names::MYDB_ADMIN;

/// The schema of the checking functions, for as long as they are needed.
const HERE: &str = "db4sci_amcheck";
/// The tables and indexes that are checked: the daemon's own, and the server's catalog.
const WHOSE: &str = "c.relpersistence = 'p' and c.relnamespace::regnamespace::text in ('public', 'db4sci', 'pg_catalog')";

const WHAT: &str = "check tables and indexes";

/// Reads every page of the daemon's tables, and of the server's own catalog, with what is kept beside them
/// of long values, and compares every B-tree with its table, by PostgreSQL's `amcheck`: a page that nobody
/// asks for is noticed by nobody, and an index that lacks rows answers wrong. Gives how many tables and
/// indexes there are; `None`: this server has no `amcheck`. Before PostgreSQL 14 it knows of indexes only.
///
/// A page whose checksum is wrong is refused by the server as it is read here; what its writer wrote so, with
/// the right checksum, `amcheck` finds where it makes no sense.
///
/// The extension is made and gone again in one transaction, so that no backup knows of it.
///
/// # Errors
/// See [`TablesError`]; [`TablesHarm::Damaged`] names what is.
pub async fn check_indexes(access: &Access) -> Result<Option<usize>, TablesError> {
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
        let tables = tables(&mut tx, &schema).await?;
        let check = format!(
            "select {schema}.bt_index_check(c.oid::regclass, true)
             from pg_class c join pg_index i on i.indexrelid = c.oid join pg_am a on a.oid = c.relam
             where a.amname = 'btree' and i.indisready and i.indisvalid and {WHOSE}"
        );
        let indexes = sqlx::query(AssertSqlSafe(check))
            .fetch_all(&mut *tx)
            .await
            .map_err(sql)?;
        tx.rollback().await.map_err(sql)?;
        Ok(Some(tables + indexes.len()))
    })
    .await?;
    // A courtesy, as everywhere.
    let _ = root.close().await;
    Ok(checked)
}

/// Reads every page of the tables; gives how many tables there are, none where this `amcheck` cannot.
async fn tables(conn: &mut PgConnection, schema: &str) -> Result<usize, TablesError> {
    let sql = |e| TablesError::sql(WHAT, e);
    let knows = "select exists (select from pg_proc p join pg_extension e on e.extnamespace = p.pronamespace
                 where e.extname = 'amcheck' and p.proname = 'verify_heapam')";
    let knows: bool = sqlx::query_scalar(knows)
        .fetch_one(&mut *conn)
        .await
        .map_err(sql)?;
    if !knows {
        return Ok(0);
    }
    let check = format!(
        "select c.oid::regclass::text, h.blkno, h.msg
         from pg_class c
         left join lateral {schema}.verify_heapam(c.oid::regclass, on_error_stop => true,
             check_toast => true) h on true
         where c.relkind = 'r' and {WHOSE} order by c.oid"
    );
    let rows = sqlx::query(AssertSqlSafe(check))
        .fetch_all(&mut *conn)
        .await;
    let rows = rows.map_err(sql)?;
    for row in &rows {
        let message: Option<String> = row.try_get(2).map_err(sql)?;
        if let Some(message) = message {
            let table: String = row.try_get(0).map_err(sql)?;
            let block: Option<i64> = row.try_get(1).map_err(sql)?;
            let block = block.map_or_else(String::new, |block| format!(", page {block}"));
            let what = format!("table {table}{block}: {message}");
            return Err(TablesHarm::Damaged(what).into());
        }
    }
    Ok(rows.len())
}
