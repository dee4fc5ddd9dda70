//! Roles of PostgreSQL besides the account's.

use crate::model::account::Rights;
use crate::model::server::Statement;
use crate::model::{Database, Secret};

use super::accounts::{quiet, server};
use super::{identifier, literal};

/// The first series with roles that read or write all data.
const DATA_ROLES: u32 = 14;
/// The first series in which not everybody may make tables in `public`.
const CLOSED_PUBLIC: u32 = 15;

pub(in crate::engine) fn make(
    db: &Database,
    user: &str,
    rights: Rights,
    password: &Secret,
) -> Vec<Statement> {
    let (role, owner) = (identifier(user), identifier(&db.account.user));
    let database = identifier(&db.database);
    let series: u32 = db.image.series.parse().unwrap_or(0);
    let makes = match rights {
        Rights::Admin => "createdb createrole",
        Rights::ReadOnly | Rights::ReadWrite => "nocreatedb nocreaterole",
    };
    let on_database = match rights {
        Rights::ReadOnly => "connect",
        Rights::ReadWrite | Rights::Admin => "connect, temporary",
    };
    let mut all = quiet();
    // 42710: the role exists.
    all.push(server(
        "create the account",
        format!("create role {role} login"),
        Some("42710"),
    ));
    all.push(server(
        "set the account's password",
        format!(
            "alter role {role} with login nosuperuser {makes} password {}",
            literal(password.expose())
        ),
        None,
    ));
    let mut texts = vec![
        format!("revoke all on database {database} from {role}"),
        format!("grant {on_database} on database {database} to {role}"),
        // What belongs to the database's own account belongs to its admins, too.
        match rights {
            Rights::Admin => format!("grant {owner} to {role}"),
            Rights::ReadOnly | Rights::ReadWrite => format!("revoke {owner} from {role}"),
        },
    ];
    if series >= DATA_ROLES {
        texts.push(match rights {
            Rights::ReadOnly => format!("revoke pg_write_all_data from {role}"),
            Rights::ReadWrite | Rights::Admin => format!("grant pg_write_all_data to {role}"),
        });
        texts.push(format!("grant pg_read_all_data to {role}"));
    }
    if series < CLOSED_PUBLIC {
        // Everybody may make tables in `public` there: a session that does not ask for more makes none.
        texts.push(match rights {
            Rights::ReadOnly => format!("alter role {role} set default_transaction_read_only = on"),
            Rights::ReadWrite | Rights::Admin => {
                format!("alter role {role} reset default_transaction_read_only")
            }
        });
    }
    let give = |text| server("give the account its rights", text, None);
    all.extend(texts.into_iter().map(give));
    if series < DATA_ROLES {
        all.extend(table_by_table(db, &role, &owner, rights));
    }
    all
}

/// Rights on what is there, and on what the database's own account makes later.
fn table_by_table(db: &Database, role: &str, owner: &str, rights: Rights) -> [Statement; 2] {
    let (tables, sequences) = match rights {
        Rights::ReadOnly => ("select", "select"),
        Rights::ReadWrite | Rights::Admin => {
            ("select, insert, update, delete", "usage, select, update")
        }
    };
    let each = [
        format!("revoke all on all tables in schema %I from {role}"),
        format!("revoke all on all sequences in schema %I from {role}"),
        format!("grant usage on schema %I to {role}"),
        format!("grant {tables} on all tables in schema %I to {role}"),
        format!("grant {sequences} on all sequences in schema %I to {role}"),
    ]
    .map(|text| format!("execute format({}, s);", literal(&text)));
    let later = [
        ("tables", tables),
        ("sequences", sequences),
        ("schemas", "usage"),
    ]
    .map(|(what, right)| {
        format!(
            "alter default privileges for role {owner} revoke all on {what} from {role}; \
             alter default privileges for role {owner} grant {right} on {what} to {role};"
        )
    });
    let text = format!(
        "do $db4sci$ declare s name; begin for s in select nspname from pg_namespace \
         where nspname !~ '^pg_' and nspname <> 'information_schema' loop {} end loop; end $db4sci$",
        each.join(" ")
    );
    [text, later.concat()].map(|text| inside(db, "give the account its rights", text, None))
}

pub(in crate::engine) fn remove(db: &Database, user: &str) -> Vec<Statement> {
    let (role, owner) = (identifier(user), identifier(&db.account.user));
    // 42704: there is no such role.
    let gone = Some("42704");
    vec![
        server(
            "keep the account out",
            format!("alter role {role} with nologin password null"),
            gone,
        ),
        server(
            "end its sessions",
            format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = {}",
                literal(user)
            ),
            None,
        ),
        inside(
            db,
            "give what it owns to the database's own account",
            format!("reassign owned by {role} to {owner}"),
            gone,
        ),
        inside(db, "take its rights", format!("drop owned by {role}"), gone),
        // 2BP01: it owns something in another database. It stays there, as nobody who could log in.
        server(
            "remove the account",
            format!("drop role if exists {role}"),
            Some("2BP01"),
        ),
    ]
}

fn inside(
    db: &Database,
    purpose: &'static str,
    text: String,
    done_code: Option<&'static str>,
) -> Statement {
    Statement {
        purpose,
        database: db.database.clone(),
        text: Secret::new(text),
        done_code,
    }
}
