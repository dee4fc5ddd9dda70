//! The command line, as a person uses it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use db4sci::model::view::DatabaseView;
use db4sci::model::{Entry, Reason, Who};

use super::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, SOON, Said, Server, eventually, run};

/// No verb takes longer, `wait` aside.
const VERB: Duration = Duration::from_secs(60);
/// Nor does a work that a verb waits for: a restore is a backup, a load and several starts of a server.
const WORK: Duration = Duration::from_secs(900);

impl Host {
    /// Runs a verb to its end.
    #[track_caller]
    pub fn db4sci(&self, args: &[&str]) -> Said {
        let mut command = self.program();
        command.args(args);
        let works = ["backup", "restore", "delete", "rename", "clone", "eject"];
        let deadline = match args.first() {
            Some(verb) if works.contains(verb) => WORK,
            Some(_) | None => VERB + LONG,
        };
        run(command, deadline)
    }

    /// Runs a verb that must go well, and gives what it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.db4sci(args);
        assert_eq!(said.code, 0, "db4sci {args:?}: {}", said.all());
        said.out
    }

    /// Status and body of a page.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        let told = |e: std::io::Error| e.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.http())).map_err(told)?;
        stream.set_read_timeout(Some(SOON)).map_err(told)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(told)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(told)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| answer.clone())?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((status.ok_or_else(|| head.to_owned())?, body.to_owned()))
    }

    /// Waits until all of these answer.
    #[track_caller]
    pub fn ready(&self, names: &[&str]) {
        let timeout = format!("{}s", LONG.as_secs());
        let args: Vec<&str> = ["wait", "--timeout", &timeout]
            .into_iter()
            .chain(names.iter().copied())
            .collect();
        self.ok(&args);
    }

    /// One database as the daemon shows it; `None` when it knows none of that name.
    #[track_caller]
    pub fn view(&self, name: &str) -> Option<DatabaseView> {
        let said = self.db4sci(&["get", "-o", "json"]);
        assert!(said.code == 0 && said.err.is_empty(), "get: {}", said.all());
        let all: Vec<DatabaseView> = serde_json::from_str(&said.out).unwrap();
        all.into_iter().find(|view| view.name.as_str() == name)
    }

    /// Waits until a database is shown in some way.
    #[track_caller]
    pub fn shows(
        &self,
        name: &str,
        deadline: Duration,
        what: &str,
        mut is_so: impl FnMut(&DatabaseView) -> bool,
    ) -> DatabaseView {
        eventually(deadline, &format!("{name}: {what}"), || {
            match self.view(name) {
                Some(view) if is_so(&view) => Ok(view),
                Some(view) => {
                    let held: Vec<_> = view
                        .held
                        .iter()
                        .map(|h| format!("{:?}: {}", h.reason, h.message))
                        .collect();
                    Err(format!(
                        "{} {:?} {}; held {held:?}",
                        view.phase, view.reason, view.message
                    ))
                }
                None => Err("there is no such database".to_owned()),
            }
        })
    }

    /// Waits until a reason is told for a database; gives its message.
    #[track_caller]
    pub fn told(&self, name: &str, reason: Reason, deadline: Duration) -> String {
        let view = self.shows(name, deadline, &format!("{reason:?}"), |view| {
            view.held.iter().any(|held| held.reason == reason)
        });
        let held = view.held.into_iter().find(|held| held.reason == reason);
        held.map(|held| held.message).unwrap_or_default()
    }

    /// What waits of a database, as `plan -o json` has it.
    #[track_caller]
    pub fn plan(&self, name: &str) -> Value {
        let said = self.db4sci(&["plan", name, "-o", "json"]);
        let plan: Value = serde_json::from_str(&said.out).unwrap();
        let mut changes = plan["changes"].as_array().unwrap().iter();
        let waits = changes.find(|change| change["hash"].is_string());
        waits
            .unwrap_or_else(|| panic!("nothing waits: {plan}"))
            .clone()
    }

    /// Everything that happened to a database (to all with ""), oldest first.
    #[track_caller]
    pub fn events(&self, name: &str) -> Vec<Entry> {
        let mut args = vec!["events", "--since", "1h", "-o", "json"];
        args.extend((!name.is_empty()).then_some(name));
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// Asserts that a person began what was done, as the kind of its first entry says.
    #[track_caller]
    pub fn was_wanted_by_somebody(&self, name: &str, kind: &str) {
        let events = self.events(name);
        let first = events.iter().find(|e| e.change.kind() == kind);
        let who = first.map(|entry| &entry.who);
        let person = matches!(who, Some(Who::Socket { .. }));
        assert!(person, "{name}: {kind}: {who:?}");
    }

    /// The messages of all events of a database, one a line.
    #[track_caller]
    pub fn told_events(&self, name: &str) -> String {
        let lines: Vec<_> = self.events(name).into_iter().map(|e| e.message).collect();
        lines.join("\n")
    }

    /// Runs a statement of its engine's language as the database's own account, through
    /// `db4sci connect`.
    #[track_caller]
    pub fn try_sql(&self, name: &str, sql: &str) -> Result<String, String> {
        self.try_sql_as(name, None, sql)
    }

    /// The same as a further account.
    #[track_caller]
    pub fn try_sql_as(
        &self,
        name: &str,
        account: Option<&str>,
        sql: &str,
    ) -> Result<String, String> {
        let args: &[&str] = match self.server(name) {
            Postgres => &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
            MariaDB => &["-N", "-B", "-e", sql],
            MongoDB => &["--eval", sql],
            Neo4j => &["--format", "plain", sql],
        };
        let account = account.map_or(Vec::new(), |user| vec!["--account", user]);
        let args: Vec<&str> = [&["connect", name], account.as_slice(), &["--"], args].concat();
        let said = self.db4sci(&args);
        if said.code == 0 {
            Ok(said.out.trim().to_owned())
        } else {
            Err(said.err.trim().to_owned())
        }
    }

    /// Whether a login is let in by a server, whoever knows of it.
    #[track_caller]
    pub fn logs_in(&self, name: &str, user: &str, password: &str) -> bool {
        self.logs_in_at(name, name, user, password)
    }

    /// The same where the database inside the server has another name.
    #[track_caller]
    pub fn logs_in_at(&self, name: &str, database: &str, user: &str, password: &str) -> bool {
        let container = self.name(name);
        let url = format!("mongodb://{user}:{password}@127.0.0.1:27017/{database}");
        let (variable, word) = (format!("PGPASSWORD={password}"), format!("-p{password}"));
        let login = format!("-u{user}");
        let (env, args): (&[&str], Vec<&str>) = match self.server(name) {
            Postgres => (
                &["-e", &variable],
                vec![
                    "psql",
                    "-h",
                    "127.0.0.1",
                    "-U",
                    user,
                    "-d",
                    database,
                    "-c",
                    "select 1",
                ],
            ),
            MariaDB => (
                &[],
                vec!["mariadb", "-h127.0.0.1", &login, &word, "-e", "select 1"],
            ),
            MongoDB => (
                &[],
                vec!["mongosh", "--quiet", &url, "--eval", "db.stats().ok"],
            ),
            Neo4j => (
                &[],
                vec!["cypher-shell", "-u", user, "-p", password, "RETURN 1"],
            ),
        };
        let all = [&["exec"], env, &[container.as_str()], args.as_slice()].concat();
        self.try_docker(&all).code == 0
    }

    /// The engine of a database; PostgreSQL unless a test said otherwise.
    fn server(&self, name: &str) -> Server {
        self.servers.get(name).copied().unwrap_or(Postgres)
    }

    /// Runs SQL that must go well.
    #[track_caller]
    pub fn sql(&self, name: &str, sql: &str) -> String {
        self.try_sql(name, sql)
            .unwrap_or_else(|e| panic!("{name}: {sql}: {e}"))
    }

    /// Writes a row that has to be there ever after.
    #[track_caller]
    pub fn write(&self, name: &str, n: u32) {
        let statement = match self.server(name) {
            Postgres | MariaDB => format!(
                "create table if not exists kept (n int primary key); insert into kept values ({n})"
            ),
            MongoDB => format!("void db.kept.insertOne({{_id: {n}}})"),
            Neo4j => format!("CREATE (:Kept {{n: {n}}})"),
        };
        self.sql(name, &statement);
    }

    /// The rows that were written, in order.
    #[track_caller]
    pub fn rows(&self, name: &str) -> Vec<u32> {
        let (statement, heading) = match self.server(name) {
            Postgres | MariaDB => ("select n from kept order by n", 0),
            MongoDB => (
                "db.kept.find().sort({_id: 1}).toArray().map(row => row._id).join('\\n')",
                0,
            ),
            Neo4j => ("MATCH (row:Kept) RETURN row.n AS n ORDER BY n", 1),
        };
        let rows = self.sql(name, statement);
        let lines = rows.lines().skip(heading);
        lines.map(|line| line.parse().unwrap()).collect()
    }
}
