//! Neo4j Community: dumped, loaded and counted at rest, since this edition can do none of it while it
//! runs. Its database of accounts, `system`, is a part like the other one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::neo4j::{DATABASE, SHELL_CLASS, SHELL_JAR, SUPERUSER, SYSTEM};
use super::watches::Archive;
use super::{Backups, Command, IN, Inventory, JOB_TARGET, LAST, OUT, PASSFILE, Part, Passwords};
use super::{Watch, shell};
use crate::engine::{ADMIN_SECRET, USER_SECRET, recipe};
use crate::model::{ContainerSpec, Contents, Database, Secret};

/// How archives begin: compressed with zstd, with gzip, or (older ones) gzip alone.
const BEGINNINGS: &[&[u8]] = &[b"DZV1", b"DGV1", b"\x1f\x8b"];
/// Goes before a database in the key of its last transaction.
const LAST_TRANSACTION: &str = "last transaction of ";
/// A script of the client.
const QUERY: &str = "query.cypher";
/// What `neo4j-admin` is told beside the image's own configuration.
const PLACE: &str = "place.conf";

pub(super) struct Neo4j;

/// `neo4j-admin database`, which finds the data where the server has it. Dumps go through its
/// standard streams alone: a shell that runs nothing but its arguments connects those with a pipe.
fn admin(db: &Database, stream: &str, verb: &str, args: &[&str]) -> Command {
    let first = db.layout.data.first();
    let data = first.map_or("/data", |(_, target)| target.as_str());
    let words = [
        "-c",
        &format!("exec \"$@\"{stream}"),
        "sh",
        "neo4j-admin",
        "database",
        verb,
        &format!("--additional-config={JOB_TARGET}/{PLACE}"),
    ];
    Command {
        program: "sh".to_owned(),
        args: words.iter().chain(args).map(|w| (*w).to_owned()).collect(),
        env: BTreeMap::new(),
        scripts: vec![(
            PLACE.to_owned(),
            format!("server.directories.data={data}\n"),
        )],
    }
}

/// The client in the image, at a server that lets everybody in.
fn client(database: &str, file: &str) -> Command {
    let words = [
        "--class-path",
        SHELL_JAR,
        SHELL_CLASS,
        "--address",
        "bolt://127.0.0.1:7687",
        "--format",
        "plain",
        "--database",
        database,
        "--file",
        file,
    ];
    Command {
        program: "java".to_owned(),
        args: words.map(str::to_owned).into(),
        ..Command::default()
    }
}

/// What `neo4j-admin database info` says of a database.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    database_name: String,
    last_committed_transaction: String,
    recovery_required: String,
}

impl Backups for Neo4j {
    fn at_rest(&self) -> bool {
        true
    }

    fn passfile(&self, _: &Database, _: &Secret) -> Secret {
        // Nobody logs in anywhere.
        Secret::new(String::new())
    }

    fn inventory(&self, _: &Database) -> Command {
        let mut command = client(DATABASE, &format!("{JOB_TARGET}/{QUERY}"));
        // A list prints as JSON does; so does its heading, which names the one database.
        let text = format!("RETURN ['{LAST}'] AS `[\"{DATABASE}\"]`;\n");
        command.scripts.push((QUERY.to_owned(), text));
        command
    }

    fn parts(&self, db: &Database, _: &Inventory, _: u64) -> Vec<Part> {
        let part = |database: &str| Part {
            name: format!("{database}.dump"),
            database: Some(database.to_owned()),
            dump: admin(db, &format!(" >{OUT}"), "dump", &["--to-stdout", database]),
            companion: None,
            // Its reader looks at the beginning alone; the restore test reads all.
            check: None,
        };
        vec![part(SYSTEM), part(DATABASE)]
    }

    fn watch(&self, _: &str) -> Box<dyn Watch> {
        Box::new(Archive::new("neo4j-admin", BEGINNINGS))
    }

    fn how_counted(&self) -> &'static str {
        "the last transaction of each database, at rest"
    }

    fn load(&self, db: &Database, _: &str, database: Option<&str>) -> Command {
        let database = database.unwrap_or(DATABASE);
        let words = ["--from-stdin", "--overwrite-destination=true", database];
        admin(db, &format!(" <{IN}"), "load", &words)
    }

    fn epilogue(&self, _: &Database, _: &str, _: Passwords<'_>) -> Option<Secret> {
        None
    }

    fn count(&self, db: &Database, _: &Contents, _: &[String]) -> Vec<Command> {
        vec![admin(db, "", "info", &["--format=json"])]
    }

    fn counts(&self, answer: &[u8]) -> Result<BTreeMap<String, u64>, String> {
        let text = String::from_utf8_lossy(answer);
        let start = text.find('[').unwrap_or(0);
        let all: Vec<Info> = serde_json::from_str(text[start..].trim())
            .map_err(|e| format!("`{}`: {e}", text.chars().take(200).collect::<String>()))?;
        let mut counts = BTreeMap::new();
        for info in all {
            let name = info.database_name;
            if info.recovery_required != "false" {
                return Err(format!(
                    "{name} did not come to rest: its server was killed, and has to recover it first"
                ));
            }
            let last = info.last_committed_transaction.parse::<u64>();
            let last = last.map_err(|e| format!("the last transaction of {name}: {e}"))?;
            counts.insert(format!("{LAST_TRANSACTION}{name}"), last);
        }
        Ok(counts)
    }

    fn open_door(&self, spec: &mut ContainerSpec) {
        spec.env.insert("NEO4J_AUTH".to_owned(), "none".to_owned());
    }

    fn set_passwords(&self, db: &Database, wanted: Passwords<'_>) -> Option<(Command, Secret)> {
        let engine = recipe(db.engine);
        // The server refuses a password that is the old one, and the backup's may be that of today: on the
        // way to it there is another one, in a server that nobody reaches.
        let between = Secret::new(format!("{}-", wanted.admin.expose()));
        let mut statements = engine.password_statements(db, ADMIN_SECRET, &between);
        statements.extend(engine.password_statements(db, ADMIN_SECRET, wanted.admin));
        if let Some(user) = wanted.user {
            statements.extend(engine.password_statements(db, USER_SECRET, user));
        }
        let text: String = statements
            .iter()
            .map(|statement| format!("{};\n", statement.text.expose()))
            .collect();
        Some((client(SYSTEM, PASSFILE), Secret::new(text)))
    }

    fn restore_script(&self, _: &Database, files: &[(String, String, Option<String>)]) -> String {
        let mut text = String::from("docker volume create \"$NAME\" >/dev/null\n");
        for (file, _, database) in files {
            text.push_str(&format!(
                "plain {} | docker run --rm -i -v \"$NAME:/data\" \"$IMAGE\" neo4j-admin database load \\\n  \
                 --from-stdin --overwrite-destination=true {}\n",
                shell(file),
                shell(database.as_deref().unwrap_or(DATABASE)),
            ));
        }
        text + &OPENED.replace("{user}", SUPERUSER)
    }
}

/// Accounts come back with the passwords of then. A server that lets everybody in, and that nobody
/// else reaches, sets the privileged one.
const OPENED: &str = r#"docker run -d --name "$NAME" --network none --hostname localhost \
  -v "$NAME:/data" -e NEO4J_AUTH=none "$IMAGE" >/dev/null
until_in cypher-shell 'RETURN 1'
printf "ALTER USER {user} SET PLAINTEXT PASSWORD '%s' CHANGE NOT REQUIRED;\n" "$PASSWORD" |
  docker exec -i "$NAME" cypher-shell --database system
docker stop --time 120 "$NAME" >/dev/null
docker rm "$NAME" >/dev/null
docker run -d --name "$NAME" -v "$NAME:/data" "$IMAGE" >/dev/null
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_today_that_is_the_backup_s_too_is_no_reason_to_fail() {
        let mut db = crate::runtime::fixture::database("graph", std::path::Path::new("/srv"));
        db.engine = crate::model::EngineKind::Neo4j;
        let admin = Secret::new("hunter2hunter2");
        let wanted = Passwords {
            admin: &admin,
            user: None,
            daemon: None,
        };
        let (_, text) = Neo4j.set_passwords(&db, wanted).unwrap();
        let lines: Vec<&str> = text.expose().lines().collect();
        assert_eq!(lines.len(), 2, "another one comes in between");
        assert!(lines[0].contains("'hunter2hunter2-'") && lines[1].contains("'hunter2hunter2'"));
    }

    #[test]
    fn what_did_not_come_to_rest_is_told() {
        let line = |recovery| {
            format!(
                r#"[{{"databaseName":"neo4j","inUse":"false","lastCommittedTransaction":"8","recoveryRequired":"{recovery}"}}]"#
            )
        };
        let counts = Neo4j.counts(line("false").as_bytes()).unwrap();
        assert_eq!(counts["last transaction of neo4j"], 8);
        let error = Neo4j.counts(line("true").as_bytes()).unwrap_err();
        assert!(error.contains("did not come to rest"), "{error}");
        assert!(Neo4j.counts(b"").is_err());
    }
}
