//! A memory that comes from the stores, on a host where `mydb_admin` still lives.

use std::fs;

use crate::host::{Host, LONG, Postgres, eventually};
use crate::recovery::{ADMIN, log_up_to, newest, settled};
use crate::take;

/// All that the daemon itself remembers is gone, its keys and the store apart.
fn forget(host: &Host) {
    let (state, away) = (host.path("state"), host.path("state-away"));
    fs::rename(&state, &away).unwrap();
    fs::create_dir(&state).unwrap();
    for kept in ["keys", "backups"] {
        fs::rename(away.join(kept), state.join(kept)).unwrap();
    }
    fs::remove_dir_all(&away).unwrap();
}

#[test]
fn a_memory_from_the_stores_takes_in_what_a_living_mydb_admin_knows_beyond_it() {
    let mut host = Host::new();
    host.set("DB4SCI_SHIP_JOURNAL", "Never");
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    take(&host, ADMIN);
    // No store has this.
    host.ok(&["stop", "genomics", "--for", "2h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    settled(&host);
    let last = newest(&host);
    let log = log_up_to(&host, last);
    host.kill();
    let container = host.run_of(ADMIN).id;
    forget(&host);

    // Its tables may know more than the stores: they are asked first.
    let name = host.name(ADMIN);
    host.docker(&["pause", &name]);
    let refused = host.db4sci(&["recover"]);
    let asks = format!("docker start {name}");
    assert!(
        refused.code == 1 && refused.err.contains(&asks),
        "{}",
        refused.all()
    );
    host.docker(&["unpause", &name]);
    eventually(LONG, "its server answers", || {
        let ask = ["exec", &name, "psql", "-U", "postgres", "-c", "select 1"];
        let said = host.try_docker(&ask);
        (said.code == 0).then_some(()).ok_or(said.err)
    });
    let plan = host.ok(&["recover", "--plan", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert!(plan["entries"].as_u64().unwrap() >= last, "{plan:#}");
    host.ok(&["recover"]);
    host.start();
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(host.run_of(ADMIN).id, container);
    let reason = host.view("genomics").unwrap().overridden.unwrap().reason;
    assert_eq!(reason, "INC-812");
    settled(&host);

    // Without its server nobody can be asked: what is left of it never meets the ledger that comes back.
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    settled(&host);
    host.kill();
    host.docker(&["rm", "-f", &name]);
    forget(&host);
    host.ok(&["recover"]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    assert_eq!(host.rows("genomics"), [1]);
    settled(&host);
    let said = host.ok(&["audit", "verify"]);
    assert!(said.contains("as it was written."), "{said}");
}
