//! Who is connected to a server, and how a connection is ended.

use crate::model::server::Statement;
use crate::model::{Database, EngineKind, Secret};

/// What lists the connections of clients; db4sci's own are left out.
///
/// Of SQL and Cypher, a query with one column: a [`Session`](crate::model::session::Session) as JSON, or, of
/// Neo4j, as a map in the column `answer`. Of MongoDB, a command whose answer the adapter understands.
pub fn query(db: &Database) -> String {
    match db.engine {
        EngineKind::Postgres => "select json_build_object('id', pid::text, 'user', usename, \
             'database', datname, 'client', coalesce(host(client_addr), 'local'), \
             'program', nullif(application_name, ''), 'state', state, \
             'seconds', greatest(0, extract(epoch from clock_timestamp() - state_change))::bigint, \
             'statement', nullif(query, ''))::text \
             from pg_stat_activity where backend_type = 'client backend' \
             and pid <> pg_backend_pid() and not (usename = 'postgres' and application_name = 'db4sci') \
             order by pid"
            .to_owned(),
        EngineKind::MariaDB => "select json_object('id', cast(id as char), 'user', user, \
             'database', db, 'client', substring_index(host, ':', 1), 'program', null, \
             'state', command, 'seconds', greatest(0, time), 'statement', info) \
             from information_schema.processlist where command not in ('Daemon', 'Binlog Dump') \
             and id <> connection_id() and not (user = 'root' and host not like 'localhost%') \
             order by id"
            .to_owned(),
        EngineKind::MongoDB => r#"{"currentOp": 1, "$all": true}"#.to_owned(),
        EngineKind::Neo4j => format!(
            "{}\tCALL dbms.listConnections() \
             YIELD connectionId, connectTime, connector, username, userAgent, clientAddress \
             WHERE NOT (username = 'neo4j' AND userAgent STARTS WITH 'neo4rs') \
             RETURN {{id: connectionId, user: username, database: null, client: clientAddress, \
             program: userAgent, state: connector, \
             seconds: duration.inSeconds(datetime(connectTime), datetime()).seconds, \
             statement: null}} AS answer ORDER BY connectTime",
            db.database
        ),
    }
}

/// What ends one connection; of MongoDB, what it does just now. The error says what an id looks like.
pub fn end(db: &Database, id: &str) -> Result<Statement, String> {
    let number = || -> Result<u64, String> {
        id.parse()
            .map_err(|_| format!("`{id}` is no session of {}: a number is", db.engine))
    };
    let (database, text) = match db.engine {
        EngineKind::Postgres => (
            "postgres",
            format!("select pg_terminate_backend({})", number()?),
        ),
        EngineKind::MariaDB => ("mysql", format!("KILL CONNECTION {}", number()?)),
        EngineKind::MongoDB => ("admin", format!(r#"{{"killOp": 1, "op": {}}}"#, number()?)),
        EngineKind::Neo4j => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if id.is_empty() || !id.chars().all(plain) {
                return Err(format!("`{id}` is no session of Neo4j: `bolt-42` is"));
            }
            (
                db.database.as_str(),
                format!("CALL dbms.killConnection('{id}')"),
            )
        }
    };
    Ok(Statement {
        purpose: "end the session",
        database: database.to_owned(),
        text: Secret::new(text),
        // ER_NO_SUCH_THREAD: it ended by itself meanwhile.
        done_code: Some("1094"),
    })
}
