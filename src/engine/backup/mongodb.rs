//! MongoDB: an archive of all databases, and the accounts beside it.
//!
//! Accounts go their own way. `mongorestore` would merge them by a command of the server that gives
//! db4sci's own login the password of then; here each is put back as the document that it is, which
//! the role `restore` may, and the passwords of today are set after it.

use serde_json::{Value, json};

use super::super::mongodb::{ADMIN, SUPERUSER, percent};
use super::mongodb_watch::{DOCUMENTS, INDEXES, MongoArchive};
use super::watches::Lines;
use super::{Backups, Command, IN, Inventory, JOB_TARGET, OUT, One, PASSFILE, Part, Passwords};
use super::{Watch, Way, fresh_server, shell};
use crate::model::database::Tls;
use crate::model::{ContainerSpec, Contents, Database, Secret};

/// All databases.
pub(super) const DATA: &str = "data.archive";
/// Users and roles, a JSON document a line.
const ACCOUNTS: &str = "accounts.ejson";
/// Ends them.
const ACCOUNTS_END: &str = r#"["end"]"#;

/// Connects. The login file is what mongo-tools take as `--config`, too.
const LOGIN: &str = "const fs = require('fs');\n\
    const login = fs.readFileSync('/db4sci/job/passfile', 'utf8');\n\
    db = connect(JSON.parse(login.slice('uri:'.length)));\n\
    const admin = db.getSiblingDB('admin');\n";

/// Writes users and roles. `{out}` is the pipe.
const DUMP_ACCOUNTS: &str = "const out = fs.openSync({out}, 'w');\n\
    for (const kind of ['roles', 'users']) {\n\
    \x20 admin.getCollection('system.' + kind).find().sort({_id: 1}).forEach((found) => {\n\
    \x20   fs.writeSync(out, kind + ' ' + EJSON.stringify(found, {relaxed: false}) + '\\n');\n\
    \x20 });\n\
    }\n\
    fs.writeSync(out, '[\"end\"]\\n');\n\
    fs.closeSync(out);\n";

/// Puts users and roles back, and sets passwords. `{in}` is where they come from; `{own}` is the
/// login that this is done with, which stays as it is.
const LOAD_ACCOUNTS: &str = "const lines = fs.readFileSync({in}, 'utf8').split('\\n');\n\
    if (!lines.includes('[\"end\"]')) throw new Error('the accounts were cut off');\n\
    for (const line of lines) {\n\
    \x20 const [kind] = line.split(' ', 1);\n\
    \x20 const rest = line.slice(kind.length + 1);\n\
    \x20 if (kind === 'roles' || kind === 'users') {\n\
    \x20   const found = EJSON.parse(rest, {relaxed: false});\n\
    \x20   if (found._id === {own}) continue;\n\
    \x20   admin.getCollection('system.' + kind).replaceOne({_id: found._id}, found, {upsert: true});\n\
    \x20 } else if (kind === 'password') {\n\
    \x20   const {user, on, pwd} = JSON.parse(rest);\n\
    \x20   const there = db.getSiblingDB(on);\n\
    \x20   if (there.getUser(user)) there.updateUser(user, {pwd, mechanisms: ['SCRAM-SHA-256']});\n\
    \x20 }\n\
    }\n";

pub(super) struct MongoDb;

/// A script of the shell.
fn script(text: &str) -> Command {
    let name = "script.js";
    let words = ["--quiet", "--nodb", "--file"].map(str::to_owned);
    let path = format!("{JOB_TARGET}/{name}");
    Command {
        program: "mongosh".to_owned(),
        args: words.into_iter().chain([path]).collect(),
        // The shell keeps its history and settings at home, and the image gives it none to write.
        env: [("HOME".to_owned(), "/tmp".to_owned())].into(),
        scripts: vec![(name.to_owned(), format!("{LOGIN}{text}"))],
    }
}

/// A script that asks.
fn ask(text: &str) -> Command {
    script(&format!("{text}print('[\"end\"]');\n"))
}

fn tool(program: &str, args: &[&str]) -> Command {
    let config = format!("--config={PASSFILE}");
    let args = args.iter().map(|a| (*a).to_owned());
    Command {
        program: program.to_owned(),
        args: [config].into_iter().chain(args).collect(),
        ..Command::default()
    }
}

/// Loads documents although their collection's validator would refuse them now: it may be younger than they.
const ANY_DOCUMENT: &str = "--bypassDocumentValidation";

/// Loads an archive; accounts go their own way.
fn load_data() -> Command {
    tool(
        "mongorestore",
        &[
            &format!("--archive={IN}"),
            "--stopOnError",
            ANY_DOCUMENT,
            "--nsExclude=admin.system.*",
            "--nsExclude=config.*",
        ],
    )
}

fn own_id() -> String {
    format!("{ADMIN}.{SUPERUSER}")
}

impl Backups for MongoDb {
    fn passfile(&self, db: &Database, password: &Secret) -> Secret {
        // It is the server's own loopback: TLS is spoken where the server takes nothing else.
        let tls = match db.tls {
            Some(Tls::Required) => "&tls=true&tlsInsecure=true",
            Some(Tls::Preferred) | None => "",
        };
        let uri = format!(
            "mongodb://{SUPERUSER}:{}@127.0.0.1:27017/?authSource={ADMIN}{tls}",
            percent(password.expose())
        );
        Secret::new(format!("uri: {}\n", Value::from(uri)))
    }

    fn inventory(&self, _: &Database) -> Command {
        ask(
            "for (const {name} of db.adminCommand({listDatabases: 1, nameOnly: true}).databases) {\n\
             \x20 if (!['admin', 'config', 'local'].includes(name)) print(JSON.stringify([name]));\n\
             }\n",
        )
    }

    fn parts(&self, _: &Database, _: &Inventory, _: u64) -> Vec<Part> {
        let out = Value::from(OUT).to_string();
        let part = |name: &str, dump| Part {
            name: name.to_owned(),
            database: None,
            dump,
            companion: None,
            // The watch demands an end of each collection, and of the list of accounts.
            check: None,
        };
        vec![
            part(DATA, tool("mongodump", &[&format!("--archive={OUT}")])),
            part(ACCOUNTS, script(&DUMP_ACCOUNTS.replace("{out}", &out))),
        ]
    }

    fn watch(&self, part: &str) -> Box<dyn Watch> {
        if part == ACCOUNTS {
            let kinds = [("users ", "users"), ("roles ", "roles")];
            Box::new(Lines::new(ACCOUNTS_END, &kinds))
        } else {
            Box::new(MongoArchive::default())
        }
    }

    fn how_counted(&self) -> &'static str {
        "as the archive went by: each collection while others wrote to it, not at one instant; a time series by its \
         buckets, and from MongoDB 8.3 on by its indexes alone"
    }

    fn load(&self, _: &Database, part: &str, _: Option<&str>) -> Command {
        if part == ACCOUNTS {
            let text = LOAD_ACCOUNTS.replace("{in}", &Value::from(IN).to_string());
            return script(&text.replace("{own}", &Value::from(own_id()).to_string()));
        }
        load_data()
    }

    fn one(&self, _: &Way<'_>, database: &str, _: Option<&str>) -> Option<One> {
        let name = Value::from(database).to_string();
        Some(One {
            prepare: None,
            dump: tool(
                "mongodump",
                &[&format!("--archive={OUT}"), &format!("--db={database}")],
            ),
            clear: ask(&format!("db.getSiblingDB({name}).dropDatabase();\n")),
            limit: None,
            load: load_data(),
            // There is no way to rename a database.
            swap: None,
        })
    }

    fn epilogue(&self, db: &Database, part: &str, passwords: Passwords<'_>) -> Option<Secret> {
        if part != ACCOUNTS {
            return None;
        }
        let set = |user: &str, on: &str, password: &Secret| {
            let entry = json!({"user": user, "on": on, "pwd": password.expose()});
            format!("password {entry}\n")
        };
        let mut text = String::new();
        if let Some(user) = passwords.user {
            text.push_str(&set(&db.account.user, &db.database, user));
        }
        // Last: it is what this is done with.
        text.push_str(&set(SUPERUSER, ADMIN, passwords.admin));
        Some(Secret::new(text))
    }

    fn count(&self, _: &Database, expected: &Contents, _: &[String]) -> Vec<Command> {
        let mut text = String::from(
            "const say = (key, n) => print(JSON.stringify([key, Number(n)]));\n\
             const names = {};\n\
             const there = (on, name) => {\n\
             \x20 names[on] ??= db.getSiblingDB(on).getCollectionInfos({}, {nameOnly: true}).map((c) => c.name);\n\
             \x20 return names[on].includes(name);\n\
             };\n\
             for (const kind of ['users', 'roles']) {\n\
             \x20 say(kind, admin.getCollection('system.' + kind).countDocuments({}));\n\
             }\n",
        );
        for key in expected.counts.keys() {
            let (what, name) = if let Some(name) = key.strip_prefix(DOCUMENTS) {
                ("countDocuments({})", name)
            } else if let Some(name) = key.strip_prefix(INDEXES) {
                ("getIndexes().length", name)
            } else {
                continue;
            };
            // The names are quoted as JSON, which the shell reads as its own. The buckets of a time
            // series are a collection like any other here, and listed among them.
            let Some((on, collection)) = split(name) else {
                continue;
            };
            text.push_str(&format!(
                "if (there({on}, {collection})) \
                 say({}, db.getSiblingDB({on}).getCollection({collection}).{what});\n",
                Value::from(key.as_str())
            ));
        }
        vec![ask(&text)]
    }

    fn calm(&self, spec: &mut ContainerSpec) {
        // Documents that expire there would be missing from what is counted.
        spec.command
            .extend(["--setParameter", "ttlMonitorEnabled=false"].map(str::to_owned));
    }

    fn restore_script(&self, _: &Database, files: &[(String, String, Option<String>)]) -> String {
        let name = |wanted: &str| {
            let found = files.iter().find(|(_, part, _)| part == wanted);
            shell(found.map_or("", |(file, ..)| file))
        };
        let load = LOAD_ACCOUNTS.replace("{in}", "'/tmp/accounts'");
        let load = load.replace("{own}", &Value::from(own_id()).to_string());
        let login = LOGIN.replace(PASSFILE, "/tmp/login");
        fresh_server(
            &format!("-e MONGO_INITDB_ROOT_USERNAME={SUPERUSER} "),
            "MONGO_INITDB_ROOT_PASSWORD",
            // While it is initialised, a server listens here, too, and goes again.
            "sh -c 'case $(cat /proc/1/comm) in bash | docker-entry*) exit 1 ;; esac; \
             mongosh --quiet --host 127.0.0.1 --eval 1'",
        ) + "run() { docker exec -i \"$NAME\" \"$@\"; }\n"
            + &format!(
                "quoted=$(printf %s \"$PASSWORD\" | od -An -v -tx1 | tr -d '\\n' | sed 's/ /%/g')\n\
                 printf 'uri: \"mongodb://{SUPERUSER}:%s@127.0.0.1:27017/?authSource={ADMIN}\"\\n' \"$quoted\" |\n  \
                 run sh -c 'umask 077; cat >/tmp/login'\n\
                 plain {data} |\n  \
                 run mongorestore --config=/tmp/login --archive --stopOnError {ANY_DOCUMENT} \\\n    \
                 --nsExclude='admin.system.*' --nsExclude='config.*'\n\
                 plain {accounts} | run sh -c 'umask 077; cat >/tmp/accounts'\n\
                 run sh -c 'cat >/tmp/accounts.js' <<'SCRIPT'\n{login}{load}SCRIPT\n\
                 run mongosh --quiet --nodb --file /tmp/accounts.js\n\
                 run rm -f /tmp/login /tmp/accounts /tmp/accounts.js\n",
                data = name(DATA),
                accounts = name(ACCOUNTS),
            )
    }
}

/// The two names of a key, each still quoted.
fn split(name: &str) -> Option<(String, String)> {
    let mut names = serde_json::Deserializer::from_str(name).into_iter::<String>();
    let first = names.next()?.ok()?;
    let rest = name.get(names.byte_offset()..)?.strip_prefix('.')?;
    let second: String = serde_json::from_str(rest).ok()?;
    let quoted = |text: String| Value::from(text).to_string();
    Some((quoted(first), quoted(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_named_whatever_it_is_called() {
        let odd = split(r#""a\".\"b"."c.d""#);
        assert_eq!(
            odd,
            Some((r#""a\".\"b""#.to_owned(), r#""c.d""#.to_owned()))
        );
        assert_eq!(split("shop.a"), None);
    }
    #[test]
    fn what_is_loaded_is_all_that_was_there_whatever_a_validator_or_a_ttl_says_by_now() {
        let site = crate::runtime::fixture::site(std::path::Path::new("/var/lib/db4sci"));
        let db = crate::runtime::fixture::database("genomics", std::path::Path::new("/data"));
        let image = crate::model::ImageSeen {
            id: crate::model::ImageId("sha256:ab".to_owned()),
            entrypoint: Vec::new(),
            volumes: Vec::new(),
        };
        let recipe = crate::engine::recipe(crate::model::EngineKind::MongoDB);
        let mut spec = recipe.container(&db, &site, &image);
        MongoDb.calm(&mut spec);
        let last: Vec<&str> = spec
            .command
            .iter()
            .rev()
            .map(String::as_str)
            .take(2)
            .collect();
        assert_eq!(last, ["ttlMonitorEnabled=false", "--setParameter"]);
        let load = MongoDb.load(&db, DATA, None);
        assert!(load.args.contains(&ANY_DOCUMENT.to_owned()));
        let files = [DATA, ACCOUNTS].map(|part| (format!("{part}.age"), part.to_owned(), None));
        assert!(MongoDb.restore_script(&db, &files).contains(ANY_DOCUMENT));
    }
}
