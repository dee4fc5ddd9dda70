//! Rows of `state` that go with their database's name.

use sqlx::postgres::PgConnection;

use crate::model::{Change, DbName, Entry, Outcome};

/// Gives the row of a renamed database its new name, and takes away that of a copy that came to nothing.
pub(super) async fn write(conn: &mut PgConnection, entry: &Entry) -> Result<(), sqlx::Error> {
    match (&entry.change, &entry.name) {
        (Change::Renamed { from, .. }, Some(to)) => rename(conn, from, to).await,
        (Change::CopyEnded { .. }, Some(name)) if entry.outcome != Outcome::Done => {
            remove(conn, name, Answered::Only).await
        }
        _ => Ok(()),
    }
}

/// Which rows are removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// Those without an edit that waits for its answer.
    Only,
    /// All.
    OrNot,
}

async fn rename(conn: &mut PgConnection, from: &DbName, to: &DbName) -> Result<(), sqlx::Error> {
    // A row of the new name is a wish that was refused: the name was promised away. One that still
    // waits for its answer stays, and is answered as an edit of the renamed database.
    remove(conn, to, Answered::Only).await?;
    sqlx::query(
        "update public.state set name = $2
         where name = $1 and not exists (select from public.state where name = $2)",
    )
    .bind(from.as_str())
    .bind(to.as_str())
    .execute(&mut *conn)
    .await?;
    remove(conn, from, Answered::OrNot).await
}

/// Removes a row, and the checksum of it.
async fn remove(
    conn: &mut PgConnection,
    name: &DbName,
    which: Answered,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "delete from public.state where name = $1 and ($2 or generation <= observed_generation)",
    )
    .bind(name.as_str())
    .bind(which == Answered::OrNot)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "delete from db4sci.sums where of = 'state' and key = $1
         and not exists (select from public.state where name = $1)",
    )
    .bind(name.as_str())
    .execute(conn)
    .await
    .map(|_| ())
}
