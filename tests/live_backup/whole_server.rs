//! What lies beside the databases of a server, and what is easily left out: templates, empty databases,
//! how roles belong to each other, settings; and names of any script.

use std::process::Command;
use std::time::Duration;

use crate::host::{Host, LONG, MariaDB, Postgres, run};
use crate::hostile::inside;
use crate::{nothing_is_left, take, verify};

#[test]
fn templates_roles_settings_and_empty_databases_come_back() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    let server = |database: &str, sql: &str| {
        // Some of these take no other statement beside them.
        for statement in sql.split(";\n").filter(|s| !s.trim().is_empty()) {
            inside(&host, "genomics", "postgres", database, statement);
        }
    };
    server(
        "template1",
        "create table public.in_each (n int);\ninsert into public.in_each values (7);\n\
         create extension hstore;\n",
    );
    server(
        "postgres",
        "create database lab_template is_template true;\ncreate database nothing_in_it;\n\
         create role boss;\ncreate role worker;\ncreate role guest connection limit 3;\n\
         grant boss to worker with admin true, inherit false;\n\
         grant worker to guest with inherit true, set false;\n\
         grant boss to guest granted by worker;\n\
         alter role guest in database nothing_in_it set work_mem = '5MB';\n\
         alter system set work_mem = '7MB';\n",
    );
    server("lab_template", "create table kept as select 8 as n;\n");
    server(
        "genomics",
        "create extension hstore;\nselect lo_from_bytea(4242, 'a large object');\n\
         grant select on large object 4242 to guest;\n",
    );
    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);

    let both = |database: &str, sql: &str| {
        let answers = ["genomics", "copy"].map(|n| inside(&host, n, "postgres", database, sql));
        assert_eq!(answers[0], answers[1], "{sql}");
        answers[1].clone()
    };
    let databases = "select datname, datistemplate from pg_database order by 1";
    let names = both("postgres", databases);
    assert!(
        names.contains("lab_template|t") && names.contains("nothing_in_it|f"),
        "{names}"
    );
    assert_eq!(both("lab_template", "select n from kept"), "8");
    let members = "select m.rolname, r.rolname, g.rolname, admin_option, inherit_option, set_option \
                   from pg_auth_members a join pg_roles m on m.oid = member \
                   join pg_roles r on r.oid = roleid join pg_roles g on g.oid = grantor \
                   where r.rolname !~ '^pg_' order by 1, 2, 3";
    let members = both("postgres", members);
    assert!(members.contains("worker|boss|postgres|t|f|t"), "{members}");
    assert!(members.contains("guest|boss|worker|f|t|t"), "{members}");
    let roles = "select rolname, rolconnlimit, rolsuper, rolcreatedb from pg_roles order by 1";
    assert!(both("postgres", roles).contains("guest|3"));
    let settings = "select datname, rolname, setconfig from pg_db_role_setting s \
                    left join pg_database d on d.oid = setdatabase \
                    left join pg_roles r on r.oid = setrole order by 1, 2";
    assert!(both("postgres", settings).contains("nothing_in_it|guest|{work_mem=5MB}"));
    assert_eq!(
        inside(&host, "copy", "postgres", "postgres", "show work_mem"),
        "7MB"
    );
    let object = "select lo_get(4242), (select lomacl from pg_largeobject_metadata)";
    assert!(both("genomics", object).contains("guest=r/postgres"));
    // What is made from now on has what the template has.
    inside(
        &host,
        "copy",
        "postgres",
        "postgres",
        "create database made_later",
    );
    let there = "select n, '\"a\"=>\"b\"'::hstore -> 'a' from in_each";
    assert_eq!(
        inside(&host, "copy", "postgres", "made_later", there),
        "7|b"
    );
    nothing_is_left(&host);
}

/// What stopped every backup of a server, or made good ones pass for damaged.
#[test]
fn crowded_half_dropped_and_strangely_set_servers_are_backed_up_and_come_back() {
    let mut host = Host::new();
    // Room for about a thousand locks. The dump needs one a table, which are 500, with four indexes each.
    let few = [
        "image: PostgreSQL 15",
        "parameters: {max_locks_per_transaction: 10}",
    ];
    host.spec("genomics", Postgres, &few);
    host.start();
    host.ready(&["genomics"]);
    let on = |name: &str, sql: &str| inside(&host, name, "postgres", "postgres", sql);
    for from in (1..=500).step_by(50) {
        let until = from + 49;
        let made = format!(
            "do $$ begin for n in {from}..{until} loop execute format('create table t%s as select %s as n', n, n); \
             for i in 1..4 loop execute format('create index on t%s (n)', n); end loop; end loop; end $$"
        );
        inside(&host, "genomics", "postgres", "genomics", &made);
    }
    on("genomics", "create database half_gone");
    // As the server leaves it when DROP DATABASE is cut off.
    let cut_off = "update pg_database set datconnlimit = -2 where datname = 'half_gone'";
    on("genomics", cut_off);
    on(
        "genomics",
        "alter system set shared_preload_libraries = pg_stat_statements",
    );
    let run_before = host.run_of("genomics");
    host.ok(&["restart", "genomics"]);
    host.shows("genomics", LONG, "another run", |view| {
        view.ready && host.run_of("genomics") != run_before
    });
    on(
        "genomics",
        "alter system set pg_stat_statements.max = 10000",
    );
    on("genomics", "alter system set work_mem = '7MB'");
    on("genomics", "alter system set vacuum_defer_cleanup_age = 5");

    let backup = take(&host, "genomics");
    let said = host.ok(&["events", "genomics"]);
    assert!(
        said.contains("; without half_gone: a DROP DATABASE"),
        "{said}"
    );
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    let to = ["--as", "newer", "--image", "PostgreSQL 17"];
    let copied = host.ok(&[&["restore", "genomics", "--from", &id], &to[..]].concat());
    assert!(
        copied.contains("newer is ready") && copied.contains("vacuum_defer_cleanup_age"),
        "{copied}"
    );
    assert_eq!(on("newer", "show pg_stat_statements.max"), "10000");
    assert_eq!(on("newer", "show work_mem"), "7MB");
    let tables =
        "select count(*) from pg_tables where schemaname = 'public' and tablename like 't%'";
    assert_eq!(
        inside(&host, "newer", "postgres", "genomics", tables),
        "500"
    );

    // It runs on with what it would not start with.
    on(
        "genomics",
        "alter system set shared_preload_libraries = nowhere",
    );
    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    let copied = host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    let without = "the server does not start";
    assert!(
        copied.contains("copy is ready") && copied.contains(without),
        "{copied}"
    );
    assert_eq!(on("copy", "show shared_preload_libraries"), "");
    nothing_is_left(&host);

    let to = host.path("fetched");
    host.ok(&["backup", "download", &id, "--to", &to.display().to_string()]);
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);
    let manifest = std::fs::read_to_string(to.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let container = host.name("genomics-restored");
    let mut script = Command::new("sh");
    script
        .arg("restore.sh")
        .current_dir(&to)
        .env("KEY", keys.join("backup.agekey"))
        .env("IMAGE", manifest["imageId"].as_str().unwrap())
        .env("NAME", &container);
    let said = run(script, Duration::from_secs(180));
    let asked = host.try_docker(&[
        "exec", &container, "psql", "-U", "postgres", "-Atc", tables, "genomics",
    ]);
    host.try_docker(&["rm", "-f", "-v", &container]);
    assert!(
        said.code == 0 && said.err.contains(without),
        "{}",
        said.all()
    );
    assert_eq!(asked.out.trim(), "500", "{}", asked.all());

    // As after a start with another library.
    let sorts = |told: bool| {
        host.shows("genomics", LONG, "how its text is sorted", |view| {
            let found = view.condition("CollationsCurrent");
            found.is_some_and(|c| c.message.contains("`sorted`")) == told
        });
    };
    on(
        "genomics",
        "create database sorted template template0 locale_provider icu icu_locale 'en' lc_collate 'C' lc_ctype 'C'",
    );
    sorts(false);
    let other = "update pg_database set datcollversion = '2.31' where datname = 'sorted'";
    on("genomics", other);
    sorts(true);
    let again = "alter database sorted refresh collation version";
    on("genomics", again);
    sorts(false);
}

#[test]
fn names_of_any_script_come_back_in_mariadb() {
    let mut host = Host::new();
    host.spec("chem", MariaDB, &[]);
    host.start();
    host.ready(&["chem"]);
    let statements = "create database `База ü 数据`; use `База ü 数据`; \
         create table `таблица 表` (`столбец ß` int, t text); \
         insert into `таблица 表` values (1, 'Ünï 数'), (2, null); \
         create view `вид 看` as select * from `таблица 表`; \
         create procedure `процедура`() insert into `таблица 表` values (3, 'ä'); \
         create function `функция ü`() returns int deterministic return 5; \
         create trigger `триггер` before insert on `таблица 表` for each row set new.t = concat(new.t, '!'); \
         create event `событие 事`  on schedule every 1 day do delete from `таблица 表`; \
         create user `пользователь ü`@'%' identified by 'pw'";
    host.sql("chem", statements);
    let backup = take(&host, "chem");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    host.ok(&["restore", "chem", "--from", &id, "--as", "copy"]);
    host.holds("copy", MariaDB);
    let called = "use `База ü 数据`; call `процедура`(); \
                  select group_concat(coalesce(t, '-') order by `столбец ß`) from `вид 看`";
    assert_eq!(host.sql("copy", called), "Ünï 数,-,ä!");
    assert_eq!(host.sql("copy", "select `База ü 数据`.`функция ü`()"), "5");
    let events = "select event_schema, event_name, status from information_schema.events";
    assert_eq!(host.sql("copy", events), "База ü 数据\tсобытие 事\tENABLED");
    nothing_is_left(&host);
}
