//! Whether the tables are as the daemon wrote them.
//!
//! In the transaction that writes a row its checksum is kept, too; what differs later was written by
//! somebody else. A row of `log` is summed together with the ledger's record that it shows, and of a
//! row of `state` with an edit that waits, a person's columns are left out: they are intent.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Tables, TablesError, TablesHarm, in_time};
use crate::admin::journal::Record;
use crate::model::DbName;

/// Rows that a harm names at most.
const NAMED: usize = 8;

/// The checksum of what only the daemon writes into a row `s` of `state`.
macro_rules! own {
    () => {
        "md5(row(s.name, s.c_id, s.source, s.last_state, s.observed, s.reason, s.message,
                 s.observed_generation)::text)"
    };
}

/// The columns of each table, as rows of table and checksum.
macro_rules! shapes {
    () => {
        "select c.relname::text as key, md5(string_agg(concat_ws(' ', a.attname, a.atttypid::regtype,
                a.attnotnull), ',' order by a.attnum)) as whole
         from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
           and c.relname in ('container', 'state', 'log', 'backup_log')
         group by c.relname"
    };
}

const ALTERED: &str = concat!(
    "select 'log', coalesce(l.id, r.seq)::text
     from public.log l full join db4sci.records r on r.seq = l.id
     where coalesce(md5(l::text || r.line), 'gone') is distinct from r.sum
     union all
     select 'backup_log', coalesce(b.id::text, s.key)
     from public.backup_log b
     full join (select * from db4sci.sums where of = 'backup_log') s on s.key = b.id::text
     where md5(b::text) is distinct from s.whole
     union all
     select 'container', coalesce(c.name, s.key)
     from public.container c
     full join (select * from db4sci.sums where of = 'container') s on s.key = c.uid::text
     where md5(c::text) is distinct from s.whole
     union all
     select 'state', coalesce(s.name, o.key)
     from public.state s
     full join (select * from db4sci.sums where of = 'state') o on o.key = s.name
     where case
         when o.key is null then (s.observed_generation, s.source, s.c_id, s.observed)
             is distinct from (0::bigint, 'row', null::bigint, null::text)
         when s.generation > s.observed_generation then ",
    own!(),
    " is distinct from o.own
         else md5(s::text) is distinct from o.whole end
     union all
     select 'the triggers', 'of ' || t from unnest(array['state', 'container', 'log', 'backup_log']) t
     where (select count(*) from pg_trigger where tgrelid = ('public.' || t)::regclass
            and tgname in ('guard_state', 'guard_rows') and tgenabled = 'O')
           <> case t when 'state' then 2 else 1 end
     union all
     select 'the columns', 'of ' || o.key from (",
    shapes!(),
    ") n join (select * from db4sci.sums where of = 'shape') o using (key)
     where n.whole <> o.whole
     union all
     select 'db4sci.applied', 'is at ' || a.seq from db4sci.applied a
     where a.seq <> (select count(*) from db4sci.records)"
);

/// Writes the checksums of what a transaction wrote: the entries' rows, and those of databases.
pub(super) async fn keep(
    conn: &mut PgConnection,
    records: &[Record],
    names: &[&DbName],
) -> Result<(), sqlx::Error> {
    let numbers: Vec<i64> = records
        .iter()
        .map(|r| super::clean::number(r.entry.seq))
        .collect();
    let lines: Vec<&str> = records.iter().map(|r| r.line.as_str()).collect();
    sqlx::query(
        "insert into db4sci.records (seq, line, sum)
         select r.seq, r.line, md5(l::text || r.line)
         from unnest($1::bigint[], $2::text[]) r (seq, line) join public.log l on l.id = r.seq",
    )
    .bind(&numbers)
    .bind(lines)
    .execute(&mut *conn)
    .await?;
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    sqlx::query(concat!(
        "insert into db4sci.sums (of, key, own, whole)
         select 'state', s.name, ",
        own!(),
        ", md5(s::text) from public.state s where s.name = any($1)
         union all
         select 'container', c.uid::text, '', md5(c::text)
         from public.container c where c.name = any($1)
         union all
         select 'backup_log', b.id::text, '', md5(b::text)
         from public.backup_log b where b.id = any($2)
         on conflict (of, key) do update set own = excluded.own, whole = excluded.whole"
    ))
    .bind(names)
    .bind(numbers)
    .execute(&mut *conn)
    .await?;
    // Once: whatever changes them later is not the daemon, but for a migration, which says so.
    sqlx::query(concat!(
        "insert into db4sci.sums (of, key, own, whole) select 'shape', n.key, '', n.whole from (",
        shapes!(),
        ") n on conflict do nothing"
    ))
    .execute(conn)
    .await?;
    Ok(())
}

impl Tables {
    /// Compares every row with what was kept of it.
    ///
    /// # Errors
    /// See [`TablesError`]; [`TablesHarm::Altered`] when one of them differs, is gone, or is
    /// nobody's.
    pub async fn prove(&mut self) -> Result<(), TablesError> {
        const WHAT: &str = "compare rows";
        in_time(WHAT, async {
            let sql = |e| TablesError::sql(WHAT, e);
            let rows = sqlx::query(ALTERED).fetch_all(&mut self.conn).await;
            let rows = rows.map_err(sql)?;
            let mut named = Vec::new();
            for row in rows.iter().take(NAMED) {
                let table: String = row.try_get(0).map_err(sql)?;
                let key: String = row.try_get(1).map_err(sql)?;
                named.push(format!("{table} {key}"));
            }
            let more = rows.len().saturating_sub(NAMED);
            if more > 0 {
                named.push(format!("{more} more"));
            }
            if named.is_empty() {
                Ok(())
            } else {
                Err(TablesHarm::Altered(named.join(", ")).into())
            }
        })
        .await
    }

    /// What all checksums come to that are kept beside the rows, those of the log aside: it has more than
    /// all others together, and the newest of them are compared with the ledger.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn sums(&mut self) -> Result<String, TablesError> {
        const WHAT: &str = "read checksums";
        in_time(WHAT, async {
            sqlx::query_scalar(
                "select coalesce(md5(string_agg(concat_ws(' ', of, key, own, whole), '|'
                        order by of, key)), '') from db4sci.sums",
            )
            .fetch_one(&mut self.conn)
            .await
            .map_err(|e| TablesError::sql(WHAT, e))
        })
        .await
    }

    /// Something that changes whenever a row of the tables does: cheap, and not told apart by whom.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn stamp(&mut self) -> Result<String, TablesError> {
        const WHAT: &str = "ask what changed";
        in_time(WHAT, async {
            let stamp: String = sqlx::query_scalar(
                "select coalesce(string_agg(concat_ws(' ', s.relid, pg_relation_filenode(s.relid),
                             s.n_tup_ins, s.n_tup_upd, s.n_tup_del), ',' order by s.relid), '')
                        || (select string_agg(concat(tgname, tgenabled), ',' order by oid) from pg_trigger
                            where not tgisinternal)
                 from pg_stat_user_tables s where s.schemaname in ('public', 'db4sci')",
            )
            .fetch_one(&mut self.conn)
            .await
            .map_err(|e| TablesError::sql(WHAT, e))?;
            Ok(stamp)
        })
        .await
    }

    /// The ledger's record of a number as the tables keep it.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn record(&mut self, seq: u64) -> Result<Option<String>, TablesError> {
        const WHAT: &str = "read a record";
        in_time(WHAT, async {
            sqlx::query_scalar("select line from db4sci.records where seq = $1")
                .bind(super::clean::number(seq))
                .fetch_optional(&mut self.conn)
                .await
                .map_err(|e| TablesError::sql(WHAT, e))
        })
        .await
    }
}
