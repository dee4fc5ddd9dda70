//! Encryption at rest, by the server's own means: what lies in its files, and what becomes of its key.

use std::fs;
use std::path::{Path, PathBuf};

use db4sci::model::view::BackupView;

use crate::host::{Host, MariaDB};

/// Longer than a word that a file has by chance; in the middle of a text, as rows are.
const WORDS: &str = "a-patient-of-ours-has-this";

/// The files below a folder that hold these words.
fn holding(folder: &Path, words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                let is_here = |part: &[u8]| part == words.as_bytes();
                if bytes.windows(words.len()).any(is_here) {
                    found.push(entry.path());
                }
            }
        }
    }
    found
}

/// Where the words are in a database's data at rest.
#[track_caller]
fn at_rest(host: &Host, name: &str) -> Vec<PathBuf> {
    host.ok(&["stop", name]);
    host.ok(&["wait", name, "--for", "stopped"]);
    holding(&host.path("volume").join(name), WORDS)
}

#[track_caller]
fn tell(host: &Host, name: &str) {
    host.sql(name, "create table visits (said text)");
    let insert = format!("insert into visits values ('{}')", WORDS);
    host.sql(name, &insert);
}

fn told(host: &Host, name: &str) -> String {
    host.sql(name, "select said from visits")
}

#[test]
fn what_a_server_encrypts_is_in_no_file_and_its_key_is_made_again() {
    let mut host = Host::new();
    let encrypted = ["genomics", "assays"];
    host.spec("genomics", MariaDB, &["encryption: Engine"]);
    host.spec(
        "assays",
        MariaDB,
        &["encryption: Engine", "image: MariaDB 10.11"],
    );
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "assays", "proteomics", "mydb_admin"]);
    for name in ["genomics", "assays", "proteomics"] {
        tell(&host, name);
    }
    let secrets = host.path("state/secrets");
    let key = |name: &str| secrets.join(name).join("encryption");
    let before = encrypted.map(|name| fs::read(key(name)).unwrap());
    assert_ne!(before[0], before[1]);
    // Tables that the server could not encrypt are not made.
    let insert = "create table plain (a int) engine=MyISAM";
    let said = host.db4sci(&["connect", "genomics", "--", "-e", insert]);
    assert_ne!(said.code, 0, "{}", said.all());
    // Its key is no password: it stays.
    host.ok(&["rotate", "genomics"]);
    assert_eq!(fs::read(key("genomics")).unwrap(), before[0]);
    let shown = host.container("genomics").json().to_string();
    let text = String::from_utf8(before[0].clone()).unwrap();
    assert!(!shown.contains(text.trim_start_matches("1;")), "{shown}");

    assert_ne!(at_rest(&host, "proteomics"), Vec::<PathBuf>::new());
    for name in encrypted {
        assert_eq!(at_rest(&host, name), Vec::<PathBuf>::new());
    }

    // The files are lost under servers that are down.
    for name in encrypted {
        fs::remove_file(key(name)).unwrap();
        host.ok(&["resume", name]);
    }
    host.ready(&encrypted);
    for (name, before) in encrypted.into_iter().zip(before) {
        assert_eq!(fs::read(key(name)).unwrap(), before);
        assert_eq!(told(&host, name), WORDS);
    }

    // What they would be made of cannot be opened.
    host.ok(&["stop", "genomics"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    host.stop();
    host.docker(&["rm", "-f", &host.name("genomics")]);
    fs::remove_file(key("genomics")).unwrap();
    let keys = fs::read_dir(host.path("state/keys")).unwrap().flatten();
    let sealing = |name: &str| name.starts_with("seal-");
    let mut keys = keys.filter(|file| sealing(&file.file_name().to_string_lossy()));
    let (file, aside) = (keys.next().unwrap().path(), host.path("aside"));
    fs::rename(&file, &aside).unwrap();
    let said = host.db4sci(&["run"]);
    assert_eq!(said.code, 1, "{}", said.all());
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    for words in ["genomics", "nothing was started", &name] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(!key("genomics").exists());
    fs::rename(&aside, &file).unwrap();
    host.start();
    host.ready(&encrypted);
    assert_eq!(told(&host, "genomics"), WORDS);
}

#[test]
fn backups_of_an_encrypted_database_are_proven_and_restored_under_its_key() {
    let mut host = Host::new();
    host.spec("genomics", MariaDB, &["encryption: Engine"]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    tell(&host, "genomics");
    let key = host.path("state/secrets/genomics/encryption");
    let before = fs::read(&key).unwrap();
    host.ok(&["backup", "now", "genomics", "--wait"]);
    let list = host.ok(&["backup", "list", "genomics", "-o", "json"]);
    let taken: Vec<BackupView> = serde_json::from_str(&list).unwrap();
    let id = taken[0].id.to_string();
    host.ok(&["backup", "verify", "genomics", &id]);
    host.sql("genomics", "delete from visits");
    host.ok(&["restore", "genomics", "--from", &id, "--yes"]);
    host.ready(&["genomics"]);
    assert_eq!(told(&host, "genomics"), WORDS);
    assert_eq!(fs::read(&key).unwrap(), before);
    assert_eq!(at_rest(&host, "genomics"), Vec::<PathBuf>::new());
}
