//! `mydb_admin` is lost while its stores are away: nothing begins anew, and users' databases go on.

use std::fs;

use crate::host::{Host, LONG, Postgres, eventually};
use crate::recovery::{ADMIN, log_up_to, newest};
use crate::{nothing_is_left, place, take, verify};

#[test]
fn mydb_admin_waits_for_a_store_and_comes_back_with_it() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let backup = take(&host, ADMIN);
    verify(&host, &backup).unwrap();
    let last = newest(&host);
    let log = log_up_to(&host, last);

    let place = place(&backup);
    let store = place.ancestors().find(|at| at.ends_with("backups"));
    let store = store.unwrap().to_owned();
    let away = host.path("store-away");
    fs::rename(&store, &away).unwrap();
    // Neither a folder nor nothing: it cannot be listed, and it is not empty.
    fs::write(&store, "").unwrap();
    host.destroy(ADMIN);
    eventually(LONG, "it is told what it waits for", || {
        let view = host.view(ADMIN).unwrap();
        let said = host.ok(&["describe", ADMIN]);
        let waits = !view.ready && said.contains("local");
        waits.then_some(()).ok_or(said)
    });

    // A database is healed meanwhile, by this daemon and by the next one.
    for again in 0..2 {
        if again == 1 {
            host.kill();
            host.start();
        }
        let run = host.run_of("genomics");
        host.docker(&["rm", "-f", &host.name("genomics")]);
        host.shows("genomics", LONG, "it is back", |view| {
            view.ready && host.run_of("genomics") != run
        });
        assert_eq!(host.rows("genomics"), [1]);
        assert!(!host.view(ADMIN).unwrap().ready);
    }
    let told = host.told_events(ADMIN);
    assert!(!told.contains("begins anew"), "{told}");

    fs::remove_file(&store).unwrap();
    fs::rename(&away, &store).unwrap();
    host.ready(&[ADMIN]);
    let told = host.told_events(ADMIN);
    assert!(told.contains(&backup.id.to_string()), "{told}");
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}
