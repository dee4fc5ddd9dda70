//! What the tables prove of the ledger: the records that they keep. For a journal that lost some.

use futures_util::TryStreamExt;
use sqlx::Connection;

use super::{Access, TablesError, in_time};
use crate::admin::journal::{Head, follow};
use crate::model::names::MYDB_ADMIN;

const WHAT: &str = "read the ledger's records";

/// The number of the last record that the tables keep; 0: none.
///
/// # Errors
/// See [`TablesError`].
pub async fn last_record(access: &Access) -> Result<u64, TablesError> {
    in_time(WHAT, async {
        let sql = |e| TablesError::sql(WHAT, e);
        let mut root = access.as_superuser(MYDB_ADMIN).await?;
        let last = "select coalesce(max(seq), 0) from db4sci.records";
        let last: i64 = sqlx::query_scalar(last)
            .fetch_one(&mut root)
            .await
            .map_err(sql)?;
        let _ = root.close().await;
        Ok(u64::try_from(last).unwrap_or(0))
    })
    .await
}

/// The first step of a newer program that made these tables what they are; `None`: there is none, or no
/// tables.
///
/// # Errors
/// See [`TablesError`].
pub async fn newer_step(access: &Access) -> Result<Option<i64>, TablesError> {
    const WHAT: &str = "ask who made the tables";
    in_time(WHAT, async {
        let sql = |e| TablesError::sql(WHAT, e);
        let mut root = access.as_superuser(MYDB_ADMIN).await?;
        let there: bool = sqlx::query_scalar("select to_regclass('db4sci.steps') is not null")
            .fetch_one(&mut root)
            .await
            .map_err(sql)?;
        let newer = "select min(version) from db4sci.steps where version > $1";
        let newer = match there {
            false => None,
            true => sqlx::query_scalar(newer)
                .bind(super::last_step())
                .fetch_one(&mut root)
                .await
                .map_err(sql)?,
        };
        let _ = root.close().await;
        Ok(newer)
    })
    .await
}

/// The last record that the tables keep.
///
/// # Errors
/// See [`TablesError`].
pub async fn last_line(access: &Access) -> Result<Option<String>, TablesError> {
    in_time(WHAT, async {
        let sql = |e| TablesError::sql(WHAT, e);
        let mut root = access.as_superuser(MYDB_ADMIN).await?;
        let last = "select line from db4sci.records order by seq desc limit 1";
        let last = sqlx::query_scalar(last).fetch_optional(&mut root).await;
        let last = last.map_err(sql)?;
        let _ = root.close().await;
        Ok(last)
    })
    .await
}

/// The records after a number up to another one, as lines, as they stand there.
///
/// # Errors
/// See [`TablesError`].
pub async fn records_between(
    access: &Access,
    after: u64,
    upto: u64,
) -> Result<Vec<String>, TablesError> {
    in_time(WHAT, async {
        let sql = |e| TablesError::sql(WHAT, e);
        let mut root = access.as_superuser(MYDB_ADMIN).await?;
        let query = "select line from db4sci.records where seq > $1 and seq <= $2 order by seq";
        let lines = sqlx::query_scalar(query)
            .bind(super::clean::number(after))
            .bind(super::clean::number(upto))
            .fetch_all(&mut root)
            .await
            .map_err(sql)?;
        let _ = root.close().await;
        Ok(lines)
    })
    .await
}

/// Gives the records that follow a head, as lines, each checked and chained to the one before it; the
/// first that is not ends it. Returns the new head.
///
/// # Errors
/// See [`TablesError`]; also when `each` fails.
pub async fn records_from(
    access: &Access,
    mut head: Head,
    each: &mut (dyn FnMut(&str) -> Result<(), TablesError> + Send),
) -> Result<Head, TablesError> {
    let sql = |e| TablesError::sql(WHAT, e);
    let mut root = access.as_superuser(MYDB_ADMIN).await?;
    let query = "select line from db4sci.records where seq > $1 order by seq";
    let mut lines = sqlx::query_scalar::<_, String>(query)
        .bind(super::clean::number(head.seq))
        .fetch(&mut root);
    while let Some(line) = lines.try_next().await.map_err(sql)? {
        let Some(next) = follow(head, line.as_bytes()) else {
            break;
        };
        each(&line)?;
        head = next;
    }
    drop(lines);
    let _ = root.close().await;
    Ok(head)
}
