//! A configuration file's way into a running server: by a reload, at a restart, or not at all.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use db4sci::model::Reason;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, Server, eventually};
use crate::specs::far_away;

/// A connection that a person has open, inside the server's container.
struct Session {
    client: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Session {
    #[track_caller]
    fn open(host: &Host, name: &str, server: Server) -> Self {
        let client = match server {
            Postgres => "exec psql -X -q -A -t -U postgres",
            _ => "exec mariadb -N -B -n -u root -p\"$(cat /db4sci/secrets/admin)\"",
        };
        let container = host.name(name);
        let mut client = Command::new("docker")
            .args(["exec", "-i", &container, "sh", "-c", client])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Session {
            to: client.stdin.take().unwrap(),
            from: BufReader::new(client.stdout.take().unwrap()),
            client,
        }
    }

    /// The one value that a query gives, on this same connection.
    #[track_caller]
    fn ask(&mut self, query: &str) -> String {
        writeln!(self.to, "{query};").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// The two servers of the test: name, engine, file, the server's own number of a connection.
const BOTH: [(&str, Server, &str, &str); 2] = [
    (
        "genomics",
        Postgres,
        "tuned.conf",
        "select pg_backend_pid()",
    ),
    ("proteomics", MariaDB, "tuned.cnf", "select connection_id()"),
];

/// Writes a configuration file, or another text of it, as an editor does.
#[track_caller]
fn write(host: &Host, server: Server, file: &str, text: &str) {
    let folder = host.path("dbconfig").join(format!("{server:?}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(".new"), text).unwrap();
    fs::rename(folder.join(".new"), folder.join(file)).unwrap();
}

/// Writes both files.
#[track_caller]
fn texts(host: &Host, postgres: &str, mariadb: &str) {
    write(host, Postgres, "tuned.conf", postgres);
    write(host, MariaDB, "tuned.cnf", &format!("[mysqld]\n{mariadb}"));
}

#[track_caller]
fn comes(host: &Host, name: &str, question: &str, answer: &str) {
    eventually(LONG, &format!("{name}: {question}: {answer}"), || {
        let said = host.try_sql(name, question)?;
        (said == answer).then_some(()).ok_or(said)
    });
}

/// All that was wished for both is in force, and nothing is held.
#[track_caller]
fn settle(host: &Host, generation: u64) {
    for (name, ..) in BOTH {
        host.shows(name, LONG, "all in force", |view| {
            view.observed_generation == generation && view.ready && view.held.is_empty()
        });
    }
}

#[test]
fn a_configuration_file_is_reloaded_or_waits_for_a_restart_as_the_server_needs() {
    let mut host = Host::new();
    let far = far_away();
    let names = BOTH.map(|(name, ..)| name);
    texts(&host, "work_mem = 5MB\n", "wait_timeout = 5000\n");
    for (name, server, file, _) in BOTH {
        host.spec(name, server, &[&far, &format!("config: {file}")]);
    }
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let runs = names.map(|name| host.run_of(name));
    let mut sessions = BOTH.map(|(name, server, ..)| Session::open(&host, name, server));
    let ids: Vec<String> = std::iter::zip(&mut sessions, BOTH)
        .map(|(session, (.., id))| session.ask(id))
        .collect();
    assert_eq!(sessions[0].ask("show work_mem"), "5MB");
    assert_eq!(sessions[1].ask("select @@global.wait_timeout"), "5000");

    // All of it can be reloaded: what the file sets, and what it leaves to the default again.
    let (postgres, mariadb) = (
        "log_lock_waits = off\njit = off\n",
        "max_connections = 99\nlocal-infile = false\n",
    );
    texts(&host, postgres, mariadb);
    settle(&host, 2);
    comes(&host, "genomics", "show jit", "off");
    let asked = ["show jit", "show log_lock_waits", "show work_mem"];
    let [jit, waits, memory] = asked.map(|question| sessions[0].ask(question));
    assert!(
        jit == "off" && waits == "off" && memory != "5MB",
        "{memory}"
    );
    let asked = ["max_connections", "local_infile", "wait_timeout"];
    let said = asked.map(|name| sessions[1].ask(&format!("select @@global.{name}")));
    assert_eq!(said, ["99", "0", "28800"]);
    assert_eq!(host.db4sci(&["plan"]).code, 0);

    // A part of it needs a restart: all of it waits, and says why.
    texts(
        &host,
        &format!("{postgres}max_connections = 55\nwork_mem = 9MB\n"),
        &format!("{mariadb}ft_min_word_len = 6\nwait_timeout = 600\n"),
    );
    let restarts = ["max_connections", "ft_min_word_len"];
    for ((name, _, file, _), setting) in BOTH.into_iter().zip(restarts) {
        let said = host.told(name, Reason::OutsideWindow, SOON);
        let expected = format!("restart: config -> {file} ({setting});");
        assert!(said.contains(&expected), "{said}");
        let plan = host.db4sci(&["plan", name]);
        assert!(
            plan.code == 3 && plan.out.contains("restart"),
            "{}",
            plan.out
        );
    }
    assert_eq!(sessions[0].ask("show work_mem"), memory);
    assert_eq!(sessions[0].ask("show max_connections"), "100");
    assert_eq!(sessions[1].ask("select @@global.wait_timeout"), "28800");

    // Comments, and sections for clients: the server is told nothing at all.
    let loaded = sessions[0].ask("select pg_conf_load_time()");
    sessions[1].ask("set global max_connections = 77; select 1");
    texts(
        &host,
        &format!("# why\n{postgres}\n"),
        &format!("{mariadb}# why\n[client]\nquick\n"),
    );
    settle(&host, 4);
    for (name, part) in names.into_iter().zip(["# why", "[client]"]) {
        let user =
            ["user.conf", "user.cnf"].map(|f| host.path(&format!("state/config/{name}/{f}")));
        let text = user.iter().find_map(|path| fs::read_to_string(path).ok());
        assert!(text.unwrap().contains(part), "{name}");
    }
    assert_eq!(sessions[0].ask("select pg_conf_load_time()"), loaded);
    assert_eq!(sessions[1].ask("select @@global.max_connections"), "77");

    // A value that the server does not take: it is said, tried again, and the file is as it was.
    texts(
        &host,
        "work_mem = much\n",
        "log_bin_trust_function_creators = maybe\n",
    );
    for ((name, ..), word) in BOTH.into_iter().zip(["work_mem", "log_bin_trust"]) {
        let said = host.told(name, Reason::Backoff, SOON);
        assert!(said.contains(word), "{said}");
    }
    eventually(SOON, "its last good text", || {
        let file = fs::read_to_string(host.path("state/config/genomics/user.conf")).unwrap();
        file.starts_with("# why").then_some(()).ok_or(file)
    });
    texts(&host, "work_mem = 6MB\n", "wait_timeout = 700\n");
    settle(&host, 6);
    assert_eq!(sessions[0].ask("show work_mem"), "6MB");
    assert_eq!(sessions[1].ask("select @@global.wait_timeout"), "700");

    // Through all of this, nobody's connection was cut.
    for ((session, (.., question)), id) in sessions.iter_mut().zip(BOTH).zip(&ids) {
        assert_eq!(session.ask(question), *id);
    }
    assert_eq!(names.map(|name| host.run_of(name)), runs);

    // At a restart, all of a file is in force, over what db4sci sets by itself.
    texts(
        &host,
        "max_connections = 55\n",
        "max_connections = 88\nft_min_word_len = 6\n",
    );
    for (name, server, file, _) in BOTH {
        let any = "maintenanceWindow: Any";
        host.spec(name, server, &[any, &format!("config: {file}")]);
    }
    comes(&host, "genomics", "show max_connections", "55");
    comes(&host, "proteomics", "select @@ft_min_word_len", "6");
    comes(&host, "proteomics", "select @@global.max_connections", "88");
    for (name, run) in names.into_iter().zip(runs) {
        let now = host.run_of(name);
        assert!(
            now.id == run.id && now.started_at != run.started_at,
            "{name}"
        );
    }
}

#[test]
fn killed_while_it_reloads_a_configuration_file_it_goes_on() {
    let mut host = Host::new();
    let text = |n: usize| format!("work_mem = {n}MB\n");
    write(&host, Postgres, "tuned.conf", &text(4));
    host.spec("genomics", Postgres, &["config: tuned.conf"]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let run = host.run_of("genomics");
    let points = ["reload.before", "reload.written", "reload.after"];
    for (n, failpoint) in (5..).zip(points) {
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        write(&host, Postgres, "tuned.conf", &text(n));
        host.wait_killed();
        host.start();
        comes(&host, "genomics", "show work_mem", &format!("{n}MB"));
        host.shows("genomics", LONG, "settled", |view| view.lane.is_none());
    }
    // The wish is taken back while nobody knows how far it came; a hand made the server read it.
    host.stop();
    host.start_with(&[("DB4SCI_FAILPOINT", "reload.written")]);
    write(&host, Postgres, "tuned.conf", &text(9));
    host.wait_killed();
    let mut session = Session::open(&host, "genomics", Postgres);
    session.ask("select pg_reload_conf()");
    eventually(SOON, "read by the server", || {
        let said = session.ask("show work_mem");
        (said == "9MB").then_some(()).ok_or(said)
    });
    write(&host, Postgres, "tuned.conf", &text(7));
    host.start();
    comes(&host, "genomics", "show work_mem", "7MB");
    assert_eq!(host.run_of("genomics"), run);
}
