//! What is counted in a database of PostgreSQL.

/// Counts everything in one database: rows of each table, large objects, and things of the catalog.
/// What belongs to an extension is the extension's. `pg_catalog` alone is searched, so that nothing
/// in the database can stand in for what is called here.
///
/// It stands within a transaction, which keeps its locks to its end: on each table and each of its
/// indexes, more than a server has room for. So each count is rolled back, and the snapshot stays.
pub(super) const COUNTS: &str = r#"set search_path = pg_catalog;
set row_security = off;
\o /dev/null
select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout';
\o
select 'savepoint counted',
       format('select json_build_array(%L, count(*)) from only %I.%I',
              quote_ident(current_database()) || ': rows ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname),
              n.nspname, c.relname),
       'rollback to counted', 'release counted'
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
   and n.nspname !~ '^pg_(toast|temp)'
   and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass
                    and d.objid = c.oid and d.deptype = 'e')
 order by n.nspname, c.relname
\gexec
select json_build_array(quote_ident(current_database()) || ': large objects', count(*))
  from pg_largeobject_metadata;
select json_build_array(quote_ident(current_database()) || ': bytes of large objects',
                        coalesce(sum(length(data)), 0)) from pg_largeobject;
with mine as (
    select classid, objid from pg_depend where deptype = 'e'
)
select json_build_array(quote_ident(current_database()) || ': ' || what, n) from (
    select case c.relkind when 'v' then 'views' when 'm' then 'materialized views'
                when 'S' then 'sequences' when 'i' then 'indexes' when 'f' then 'foreign tables'
                when 'p' then 'partitioned tables' end as what, count(*) as n
      from pg_class c join pg_namespace ns on ns.oid = c.relnamespace
     where c.relkind in ('v', 'm', 'S', 'i', 'f', 'p')
       and ns.nspname not in ('pg_catalog', 'information_schema') and ns.nspname !~ '^pg_(toast|temp)'
       and ('pg_class'::regclass, c.oid) not in (select classid, objid from mine)
     group by 1
    union all
    select 'functions', count(*) from pg_proc p join pg_namespace ns on ns.oid = p.pronamespace
     where ns.nspname not in ('pg_catalog', 'information_schema')
       and ('pg_proc'::regclass, p.oid) not in (select classid, objid from mine)
    union all
    select 'triggers', count(*) from pg_trigger where not tgisinternal
    union all
    select 'extensions', count(*) from pg_extension
    union all
    select 'policies', count(*) from pg_policy
) counted order by what;
"#;
