//! The key of the backups is lost, and found again.

use std::fs;

use db4sci::model::BackupState;

use crate::host::{Host, Postgres};
use crate::{backups, take, verify};

#[test]
fn a_lost_key_of_the_backups_ends_the_start_and_is_replaced_only_when_asked() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let old = take(&host, "genomics");
    verify(&host, &old).unwrap();
    host.stop();
    let (key, found) = (
        host.path("state/keys/backup.agekey"),
        host.path("state/keys/found.agekey"),
    );
    let aside = host.path("aside");
    fs::rename(&key, &aside).unwrap();

    let said = host.db4sci(&["run"]);
    assert_eq!(said.code, 1, "{}", said.all());
    for words in ["backup.agekey", "nothing was started", "lost-key"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(!key.exists(), "no other key is made");

    let said = host.ok(&["key", "renew"]);
    assert!(said.contains("backups are sealed with age1"), "{said}");
    assert_ne!(fs::read(&key).unwrap(), fs::read(&aside).unwrap());
    host.start();
    host.ready(&["genomics"]);
    let new = take(&host, "genomics");
    verify(&host, &new).unwrap();
    // That nobody can look at it here says nothing about it.
    let said = host.db4sci(&["backup", "verify", "genomics", &old.id.to_string()]);
    assert_eq!(said.code, 1, "{}", said.all());
    let words = "keys that this host does not have";
    assert!(said.err.contains(words), "{}", said.err);
    let now = backups(&host, "genomics");
    let now = now.into_iter().find(|b| b.id == old.id).unwrap();
    assert_eq!(now.state, BackupState::Verified);
    host.stop();

    fs::rename(&aside, &found).unwrap();
    host.start();
    host.ready(&["genomics"]);
    verify(&host, &old).unwrap();
    verify(&host, &new).unwrap();
}
