//! What brings something back is killed at each of its stages, and finished when started again.

use std::process::Command;

use crate::host::{Host, Postgres};
use crate::recovery::{ADMIN, log_up_to, lose, newest, shipped};
use crate::{nothing_is_left, take};

#[test]
fn recover_killed_at_any_stage_is_finished_by_the_next_one() {
    let mut host = Host::new();
    host.set("DB4SCI_SHIP_JOURNAL", "1s");
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    take(&host, "genomics");
    take(&host, ADMIN);
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);
    for stage in ["fetched", "noted", "named", "placed"] {
        let last = newest(&host);
        let log = log_up_to(&host, last);
        // After that: what comes between the two is in the store as well.
        shipped(&host);
        lose(&mut host);
        let copied = Command::new("cp")
            .arg("-a")
            .args([&keys, &host.path("state/keys")])
            .status();
        assert!(copied.unwrap().success());
        host.set("DB4SCI_FAILPOINT", &format!("recover.{stage}"));
        let killed = host.db4sci(&["recover"]);
        assert_eq!(killed.code, -1, "{stage}: {}", killed.all());
        host.set("DB4SCI_FAILPOINT", "none");
        if stage == "placed" {
            // That was its last step: there is nothing left to do.
            let said = host.db4sci(&["recover"]);
            assert!(
                said.code == 1 && said.err.contains("has its memory"),
                "{}",
                said.all()
            );
        } else {
            let refused = host.db4sci(&["run"]);
            assert!(
                refused.code == 1 && refused.err.contains("StoreHasHistory"),
                "{stage}: {}",
                refused.all()
            );
            host.ok(&["recover"]);
        }
        host.start();
        host.ready(&["genomics", ADMIN]);
        assert_eq!(host.rows("genomics"), [1], "{stage}");
        assert_eq!(log_up_to(&host, last), log, "{stage}");
    }
    nothing_is_left(&host);
}

#[test]
fn the_recovery_of_mydb_admin_killed_at_any_stage_is_finished_by_the_next_daemon() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    let stages = [
        // Without a backup it begins anew; from there on it is restored.
        "start_over.given_up",
        "restore.loaded",
        "restore.down",
        "restore.between",
        "restore.placed",
        "create.before",
        "create.after",
        "start.after",
    ];
    for (i, stage) in stages.into_iter().enumerate() {
        if i == 1 {
            take(&host, ADMIN);
        }
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", stage)]);
        host.ready(&["genomics", ADMIN]);
        let last = newest(&host);
        let log = log_up_to(&host, last);
        host.destroy(ADMIN);
        host.wait_killed();
        host.start();
        host.ready(&["genomics", ADMIN]);
        assert_eq!(log_up_to(&host, last), log, "{stage}");
        assert_eq!(host.run_of("genomics"), run, "{stage}");
    }
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}
