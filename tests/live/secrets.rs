//! Passwords and the keys that they are sealed under: what happens when one of them is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually, run};

#[test]
fn lost_secret_files_are_made_again_from_what_is_sealed() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    let names = ["genomics", "proteomics", "mydb_admin"];
    host.ready(&names);
    host.write("genomics", 1);
    host.write("proteomics", 1);
    let secrets = host.path("state/secrets");
    let read = |name: &str, file: &str| fs::read(secrets.join(name).join(file));
    let before = read("genomics", "user").unwrap();
    let runs = names.map(|name| host.run_of(name));

    // Under running servers: at the next look, and nobody notices.
    fs::remove_dir_all(&secrets).unwrap();
    host.ok(&["retry", "genomics"]);
    eventually(LONG, "the files are back", || {
        match read("genomics", "user") {
            Ok(text) if text == before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    host.ready(&names);
    assert_eq!(names.map(|name| host.run_of(name)), runs);

    // While the daemon is dead and the servers are down.
    host.kill();
    for name in names {
        host.docker(&["rm", "-f", &host.name(name)]);
    }
    fs::remove_dir_all(&secrets).unwrap();
    host.start();
    host.ready(&names);
    assert_eq!(read("genomics", "user").unwrap(), before);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.rows("proteomics"), [1]);
}

#[test]
fn a_lost_key_ends_the_start_before_anything_is_done() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    host.stop();
    let keys = host.path("state/keys");
    let sealing = || {
        let files = fs::read_dir(&keys).unwrap().flatten();
        let names = files.map(|f| f.path());
        names
            .filter(|path| {
                path.file_name()
                    .is_some_and(|n| n.to_string_lossy().starts_with("seal-"))
            })
            .collect::<Vec<_>>()
    };
    let all = sealing();
    assert_eq!(all.len(), 1);
    let (file, aside) = (all[0].clone(), host.path("aside"));
    fs::rename(&file, &aside).unwrap();
    host.docker(&["rm", "-f", &host.name("genomics")]);
    let journal = || {
        let mut bytes = 0;
        for file in fs::read_dir(host.path("state/journal")).unwrap().flatten() {
            bytes += file.metadata().unwrap().len();
        }
        bytes
    };
    let before = journal();

    let said = host.db4sci(&["run"]);
    assert_eq!(said.code, 1, "{}", said.all());
    for words in ["genomics", "0001-", "nothing was started", "lost-key"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(sealing().is_empty(), "no other key is made");
    let gone = host.try_docker(&["inspect", &host.name("genomics")]);
    assert_ne!(gone.code, 0, "{}", gone.all());
    assert_eq!(journal(), before);
    // init does not paper over it.
    let said = host.ok(&["init"]);
    assert!(said.contains("none in"), "{said}");
    assert!(sealing().is_empty());

    fs::rename(&aside, &file).unwrap();
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    assert_eq!(host.rows("genomics"), [1]);
    eventually(SOON, "all is told", || {
        let said = host.db4sci(&["get"]);
        (said.code == 0).then_some(()).ok_or_else(|| said.all())
    });
}

/// Whether the server knows a password.
fn knows(host: &Host, name: &str, password: &str) -> bool {
    let pass = host.path(&format!("pass-{name}"));
    let url = host.ok(&["connect", name, "--print"]);
    let port = host.view(name).unwrap().port.to_string();
    let mariadb = url.starts_with("mariadb");
    let line = if mariadb {
        format!("[client]\npassword=\"{password}\"\n")
    } else {
        format!("127.0.0.1:{port}:{name}:{name}:{password}\n")
    };
    fs::write(&pass, line).unwrap();
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = pass.display().to_string();
    let container = host.name(name);
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--log-driver", "none", "--network"]);
    command.arg(format!("container:{container}"));
    command.args(["--label", "db4sci.live=probe", "-v"]);
    command.arg(format!("{shown}:/pass:ro"));
    let image = host.container(name).json()["Image"].clone();
    if mariadb {
        command.args(["--entrypoint", "mariadb", image.as_str().unwrap()]);
        command.args([
            "--defaults-extra-file=/pass",
            "--protocol=tcp",
            "-h127.0.0.1",
        ]);
        command.args([&format!("-u{name}"), "-e", "select 1"]);
    } else {
        let text = fs::read_to_string(&pass).unwrap().replace(&port, "5432");
        fs::write(&pass, text).unwrap();
        command.args(["-e", "PGPASSFILE=/pass", "--entrypoint", "psql"]);
        command.arg(image.as_str().unwrap());
        command.args([
            "-h",
            "127.0.0.1",
            "-U",
            name,
            "-d",
            name,
            "-w",
            "-c",
            "select 1",
        ]);
    }
    run(command, LONG).code == 0
}

/// The password in a line of `db4sci password` or `rotate`.
pub fn password_in(said: &str) -> String {
    let at = said.find("password ").unwrap_or_else(|| panic!("{said}"));
    let words = &said[at + "password ".len()..];
    words.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn new_passwords_cut_no_connection_and_restart_nothing() {
    let mut host = Host::new();
    let logs_all = "parameters: {log_min_duration_sample: \"0\", log_transaction_sample_rate: \"1\", \
                    log_statement: all}";
    host.spec("genomics", Postgres, &[logs_all]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    let names = ["genomics", "proteomics", "mydb_admin"];
    host.ready(&names);
    let runs = names.map(|name| host.run_of(name));
    for (name, sleep) in [
        ("genomics", "select pg_sleep(15), 'awake'"),
        ("proteomics", "select sleep(15), 'awake'"),
    ] {
        // Shown once.
        let old = password_in(&host.ok(&["password", name]));
        let said = host.db4sci(&["password", name]);
        assert!(
            said.code == 1 && said.err.contains("rotate"),
            "{}",
            said.all()
        );
        assert!(knows(&host, name, &old));
        let own = fs::read(host.path("state/secrets").join(name).join("admin")).unwrap();
        let new = std::thread::scope(|scope| {
            let client = scope.spawn(|| host.sql(name, sleep));
            eventually(SOON, "the client is at work", || {
                let all = host.ok(&["sessions", name]);
                all.contains("sleep(").then_some(()).ok_or(all)
            });
            let said = host.ok(&["rotate", name, "--reason", "a leak"]);
            let new = password_in(&said);
            assert_ne!(new, old);
            assert!(knows(&host, name, &new), "{said}");
            assert!(!knows(&host, name, &old), "the old one is refused");
            assert!(client.join().unwrap().contains("awake"));
            new
        });
        let file = host.path("state/secrets").join(name).join("admin");
        let admin = fs::read_to_string(file).unwrap();
        assert_ne!(admin.as_bytes(), own);
        // An owner's parameters have the server log every statement, and none that holds a password.
        let logs = host.try_docker(&["logs", &host.name(name)]).all();
        if name == "genomics" {
            assert!(logs.contains("pg_sleep"), "statements are logged: {logs}");
        }
        for password in [old.as_str(), new.as_str(), admin.trim()] {
            assert!(!logs.contains(password), "{logs}");
        }
    }
    host.ok(&["rotate", "mydb_admin"]);
    host.ready(&names);
    assert_eq!(names.map(|name| host.run_of(name)), runs);
    // The tables are followed with the new passwords, at a new connection, too.
    host.docker(&["restart", &host.name("mydb_admin")]);
    host.ready(&names);
    let spec = r#"{"engine":"Postgres","owner":"x","contact":"x@example.org","resources":{"memory":"192Mi"}}"#;
    let insert =
        format!("insert into state (name, spec, state) values ('assays', '{spec}', 'Stopped')");
    eventually(LONG, "an edit is taken", || {
        let said = host.sql(
            "mydb_admin",
            "select observed_generation from state where name = 'assays'",
        );
        if said.trim().is_empty() {
            host.sql("mydb_admin", &insert);
        }
        (said.trim() == "1").then_some(()).ok_or(said)
    });
}

#[test]
fn killed_while_passwords_change_it_goes_on_with_either() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let failpoints = [
        "rotate.before",
        "rotate.changed",
        "rotate.taken",
        "rotate.after",
    ];
    for (n, failpoint) in (0..).zip(failpoints) {
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.ready(&["genomics"]);
        let said = host.db4sci(&["rotate", "genomics"]);
        // Killed at the very end, the answer may be out already, and has shown the password.
        let shown = said.code == 0;
        assert!(
            !shown || failpoint == "rotate.after",
            "{failpoint}: {}",
            said.all()
        );
        host.wait_killed();
        host.start();
        host.ready(&["genomics", "mydb_admin"]);
        if !shown {
            // Waits for the change to be over, so that what it shows is in force.
            let said = host.db4sci(&["password", "genomics"]);
            // Killed at the very end, it may have written that it shows it, and not have come to that.
            let lost = failpoint == "rotate.after" && said.all().contains("is shown once only");
            assert!(said.code == 0 || lost, "{failpoint}: {}", said.all());
        }
        host.write("genomics", n);
        let user = fs::read_to_string(host.path("state/secrets/genomics/user")).unwrap();
        assert!(knows(&host, "genomics", &user), "{failpoint}");
    }
    let run = host.run_of("genomics");
    // The sealing key: a new one with the daemon, and without it after a loss.
    let before = host.ok(&["key", "list", "-o", "name"]);
    host.ok(&["key", "renew"]);
    let list = host.ok(&["key", "list"]);
    assert!(
        list.contains("0002-") && before.lines().all(|key| list.contains(key)),
        "{list}"
    );
    host.stop();
    for file in fs::read_dir(host.path("state/keys")).unwrap().flatten() {
        fs::remove_file(file.path()).unwrap();
    }
    assert_eq!(host.db4sci(&["run"]).code, 1);
    assert_eq!(host.db4sci(&["key", "list"]).code, 1);
    let said = host.ok(&["key", "renew"]);
    assert!(said.contains("seals from now on"), "{said}");
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    assert_eq!(host.run_of("genomics"), run);
    let aside = host.path("keys-copy").display().to_string();
    let copied = host.ok(&["key", "export", &aside]);
    for kind in ["seal-", "ca.key", "backup"] {
        let there = copied.lines().filter(|line| line.contains(kind)).count();
        assert_eq!(there, 1, "{kind}: {copied}");
    }
}
