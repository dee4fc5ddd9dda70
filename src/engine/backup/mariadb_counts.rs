//! What a server of MariaDB is asked: what it has, and how much of it there is.

use super::super::mariadb::{identifier, literal};
use super::inventory::{BROKEN, HISTORY, LOST, PLUGIN};
use super::mariadb_watch::{ACCOUNT, ROWS, WITH_HISTORY, two_names};
use crate::model::Contents;

/// Counts plugins that were installed.
pub(super) const INSTALLED: &str = "plugins";

/// Databases that the server makes by itself.
const SYSTEM: &str = "'information_schema', 'mysql', 'performance_schema', 'sys'";

/// Things of each database, as the dump counts them: (key, query).
const OBJECTS: [(&str, &str); 5] = [
    (
        "tables",
        "select table_schema s, count(*) n from information_schema.tables \
         where table_type in ('BASE TABLE', 'SYSTEM VERSIONED') group by 1",
    ),
    (
        "views",
        "select table_schema s, count(*) n from information_schema.views group by 1",
    ),
    (
        "triggers",
        "select trigger_schema s, count(*) n from information_schema.triggers group by 1",
    ),
    (
        "events",
        "select event_schema s, count(*) n from information_schema.events group by 1",
    ),
    (
        "routines",
        "select routine_schema s, count(*) n from information_schema.routines group by 1",
    ),
];

/// Asks for databases, tables with a history, views that do not work, plugins.
///
/// A server describes no column of a view that does not work: by that it is known, and a dump stops at it.
/// What loads a history has a name in the server; nothing dumps one that is told by transactions.
pub(super) fn inventory() -> String {
    let quoted = |name: &str| format!("concat('`', replace({name}, '`', '``'), '`')");
    let host = "substring_index(v.definer, '@', -1)";
    let user = format!("left(v.definer, char_length(v.definer) - char_length({host}) - 1)");
    format!(
        "select json_array(schema_name) from information_schema.schemata \
             where schema_name not in ({SYSTEM}) order by schema_name;\n\
             select json_array(table_schema, if(exists (select 1 from information_schema.system_variables \
             where variable_name = 'SYSTEM_VERSIONING_INSERT_HISTORY') \
             and not exists (select 1 from information_schema.columns c \
             where c.table_schema = t.table_schema and c.table_name = t.table_name \
             and c.generation_expression = 'ROW START' and c.data_type = 'bigint'), \
             '{HISTORY}', '{LOST}'), table_name) from information_schema.tables t \
             where table_type = 'SYSTEM VERSIONED' and table_schema not in ({SYSTEM});\n\
             select json_array(v.table_schema, '{BROKEN}', v.table_name, \
             concat('CREATE ALGORITHM=', v.algorithm, ' DEFINER=', {user}, '@', {host}, ' SQL SECURITY ', \
             v.security_type, ' VIEW ', {schema}, '.', {view}, ' AS ', v.view_definition, \
             if(v.check_option = 'NONE', '', concat(' WITH ', v.check_option, ' CHECK OPTION')))) \
             from information_schema.views v left join (select distinct table_schema, table_name \
             from information_schema.columns where table_schema not in ({SYSTEM})) c \
             on c.table_schema = v.table_schema and c.table_name = v.table_name \
             where c.table_name is null and v.table_schema not in ({SYSTEM});\n\
             select json_array(name, '{PLUGIN}', dl) from mysql.plugin order by name;\n",
        user = quoted(&user),
        host = quoted(host),
        schema = quoted("v.table_schema"),
        view = quoted("v.table_name"),
    )
}

/// Counts what was counted in the dump.
pub(super) fn counts(expected: &Contents, databases: &[String]) -> String {
    let mut text = String::from("set names utf8mb4;\n");
    for database in databases {
        for (key, query) in OBJECTS {
            text.push_str(&format!(
                "select json_array({}, coalesce((select n from ({query}) o where s = {}), 0));\n",
                literal(&format!("{}: {key}", identifier(database))),
                literal(database)
            ));
        }
    }
    if expected.counts.contains_key(INSTALLED) {
        text.push_str(&format!(
            "select json_array({}, count(*)) from mysql.plugin;\n",
            literal(INSTALLED)
        ));
    }
    for key in expected.counts.keys() {
        if let Some(table) = key.strip_prefix(ROWS) {
            let history = format!("{WITH_HISTORY}{table}");
            let all = match expected.counts.get(&history) {
                Some(_) => " for system_time all",
                None => "",
            };
            text.push_str(&format!(
                "select json_array({}, count(*)) from {table}{all};\n",
                literal(key)
            ));
        } else if let Some((database, table)) = key.strip_prefix(WITH_HISTORY).and_then(two_names) {
            text.push_str(&format!(
                "select json_array({}, count(*)) from information_schema.tables \
                 where table_schema = {} and table_name = {} and table_type = 'SYSTEM VERSIONED';\n",
                literal(key),
                literal(&database),
                literal(&table)
            ));
        } else if let Some(account) = key.strip_prefix(ACCOUNT) {
            text.push_str(&format!(
                "select json_array({}, count(*)) from mysql.user \
                 where concat('`', replace(user, '`', '``'), '`@`', host, '`') = {};\n",
                literal(key),
                literal(account)
            ));
        }
    }
    text
}
