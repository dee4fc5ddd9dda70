//! Passwords and the keys that they are sealed under: what happens when one of them is lost.

use std::fs;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually};

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
    let all: Vec<_> = fs::read_dir(&keys).unwrap().flatten().collect();
    assert_eq!(all.len(), 1);
    let (file, aside) = (all[0].path(), host.path("aside"));
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
    assert_eq!(
        fs::read_dir(&keys).unwrap().count(),
        0,
        "no other key is made"
    );
    let gone = host.try_docker(&["inspect", &host.name("genomics")]);
    assert_ne!(gone.code, 0, "{}", gone.all());
    assert_eq!(journal(), before);
    // init does not paper over it.
    let said = host.ok(&["init"]);
    assert!(said.contains("none in"), "{said}");
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 0);

    fs::rename(&aside, &file).unwrap();
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    assert_eq!(host.rows("genomics"), [1]);
    eventually(SOON, "all is told", || {
        let said = host.db4sci(&["get"]);
        (said.code == 0).then_some(()).ok_or_else(|| said.all())
    });
}
