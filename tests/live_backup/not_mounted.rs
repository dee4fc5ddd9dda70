//! The disk of one of two stores is not mounted: its folder is there, and empty.

use std::fs;

use crate::files::walk;
use crate::host::{Host, Postgres};
use crate::{backups, take, verify};

#[test]
fn a_store_whose_disk_is_not_mounted_loses_no_backup_and_keeps_nobody_from_restoring() {
    let mut host = Host::new();
    let (local, offsite) = (host.path("local"), host.path("offsite"));
    let text = format!(
        "container_host: localhost\nstores:\n  - {{name: local, path: {}}}\n  - {{name: offsite, path: {}}}\n",
        local.display(),
        offsite.display()
    );
    fs::write(host.path("config.yaml"), text).unwrap();
    host.set("DB4SCI_CONFIG", "config.yaml");
    for folder in [&local, &offsite] {
        fs::create_dir(folder).unwrap();
    }
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let slot = take(&host, "genomics").id.slot;
    host.write("genomics", 2);
    let of = |host: &Host, store: &str| {
        let mut all = backups(host, "genomics").into_iter();
        let found = all.find(|b| b.id.slot == slot && b.id.store == store);
        found.unwrap_or_else(|| panic!("{store} has none of {slot}"))
    };
    let (here, there) = (of(&host, "local"), of(&host, "offsite"));

    let away = host.path("offsite-away");
    fs::rename(&offsite, &away).unwrap();
    fs::create_dir(&offsite).unwrap();
    for again in 0..2 {
        let why = verify(&host, &there).unwrap_err();
        assert!(why.contains("not mounted?"), "{why}");
        let same = of(&host, "offsite");
        assert!(same.state.good(), "{same:?}");
        if again == 0 {
            // One that never saw the mark knows its own ledger.
            host.stop();
            host.start();
            host.ready(&["genomics"]);
        }
    }
    let id = here.id.to_string();
    let said = host.db4sci(&["restore", "genomics", "--from", &id, "--yes"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.all().contains("is not in offsite"), "{}", said.all());
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    // Neither of that backup nor of the journal.
    assert_eq!(walk(&offsite), Vec::<std::path::PathBuf>::new());

    let said = host.db4sci(&["doctor"]);
    let line = said.all();
    let line = line.lines().find(|l| l.contains("store offsite"));
    assert!(
        line.is_some_and(|l| l.contains("not mounted?")),
        "{}",
        said.all()
    );
    assert_eq!(
        walk(&offsite),
        Vec::<std::path::PathBuf>::new(),
        "nor a mark"
    );

    fs::remove_dir(&offsite).unwrap();
    fs::rename(&away, &offsite).unwrap();
    verify(&host, &there).unwrap();
}
