//! Nothing is removed or retired anywhere before all that lives is known.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use db4sci::model::BackupKind;
use db4sci::model::view::Phase;

use crate::host::{Host, Postgres, SOON, eventually, throughout};
use crate::recovery::ADMIN;
use crate::{backups, place, take};

#[track_caller]
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Waits until `status` says why everything is frozen.
#[track_caller]
pub(crate) fn frozen(host: &Host, why: &str) {
    // A look that found something unknown is repeated every half minute.
    eventually(SOON * 2, why, || {
        let said = host.db4sci(&["status"]).all();
        let told = said.contains("nothing is removed or retired anywhere") && said.contains(why);
        told.then_some(()).ok_or(said)
    });
}

#[test]
fn nothing_is_retired_until_every_container_and_manifest_has_a_row() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let first = place(&take(&host, "genomics"));
    let missing = take(&host, "genomics");
    host.stop();
    // One that is known, and not in its store any more: that is told, and nothing waits for it.
    fs::remove_dir_all(place(&missing)).unwrap();

    // A backup that the ledger does not know, of a name that it knows: it gets its row.
    let slot = "20260101T000000Z";
    let known = first
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join(slot)
        .join("1");
    copy(&first, &known);
    let manifest = known.join("manifest.json");
    let mut text: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    text["slot"] = slot.into();
    fs::write(&manifest, text.to_string()).unwrap();
    // One of a name that nobody knows.
    let uid = first.ancestors().nth(2).unwrap();
    let instance = uid.ancestors().nth(2).unwrap();
    let ghost = instance.join("ghost").join(uid.file_name().unwrap());
    copy(uid, &ghost);
    // And a container that carries this instance's label.
    let labels = [
        format!("db4sci.instance={}", host.instance()),
        "db4sci.uid=00000000-0000-4000-8000-000000000007".to_owned(),
        host.label(),
    ];
    let image = host.docker(&["inspect", "-f", "{{.Image}}", &host.name("genomics")]);
    let stranger = host.name("stranger");
    let mut create = vec!["create", "--name", stranger.as_str()];
    for label in &labels {
        create.extend(["--label", label]);
    }
    create.push(&image);
    host.docker(&create);

    host.start();
    host.ready(&["genomics", ADMIN]);
    frozen(&host, "holds backups of ghost");
    frozen(&host, &format!("the container {stranger} is labelled"));
    let words = format!(
        "the store local does not list what it should hold: {}",
        missing.id
    );
    assert!(host.told_events("genomics").contains(&words));
    for verb in [&["status"][..], &["describe", "genomics"]] {
        let said = host.db4sci(verb).all();
        assert!(said.contains(&words), "{said}");
    }
    let adopted = backups(&host, "genomics");
    assert!(
        adopted
            .iter()
            .any(|b| b.slot.to_string() == slot && b.state.good()),
        "{adopted:?}"
    );
    host.spec("genomics", Postgres, &["state: Retired"]);
    let not_retired = || match host.view("genomics") {
        Some(view) if view.phase != Phase::Retired => Ok(()),
        other => Err(format!("{other:?}")),
    };
    // Its last backup would be of long ago by the time that all is known: none is taken before.
    throughout(Duration::from_secs(12), "retired", not_retired);
    let all = backups(&host, "genomics");
    assert!(all.iter().all(|b| b.kind != BackupKind::Final), "{all:?}");

    host.docker(&["rm", &stranger]);
    let refused = host.db4sci(&["thaw", "offsite", "--reason", "x"]);
    assert!(
        refused.code == 1 && refused.err.contains("there are: local"),
        "{}",
        refused.all()
    );
    assert_eq!(
        host.db4sci(&["thaw", "local"]).code,
        2,
        "a reason is needed"
    );
    host.ok(&["thaw", "local", "--reason", "ghost was moved by hand"]);
    host.ok(&["wait", "genomics", "--for", "retired", "--timeout", "4m"]);
    let said = host.db4sci(&["status"]).all();
    assert!(!said.contains("nothing is removed"), "{said}");
    let told = host.told_events(ADMIN);
    assert!(told.contains("ghost was moved by hand"), "{told}");
    assert!(ghost.exists() && known.exists());

    // After harm everything is to be known anew, and a store that does not answer may hold anything.
    fs::remove_dir_all(ghost.parent().unwrap()).unwrap();
    host.set(
        "DB4SCI_BACKUP_VOLUME",
        &host.path("state/backups").display().to_string(),
    );
    host.stop();
    let (store, away) = (host.path("state/backups"), host.path("state/backups-away"));
    fs::rename(&store, &away).unwrap();
    host.start();
    host.ready(&[ADMIN]);
    frozen(&host, "the store local does not answer");
    fs::rename(&away, &store).unwrap();
    eventually(SOON * 2, "it answers, and all is known", || {
        let said = host.db4sci(&["status"]).all();
        let frozen = said.contains("nothing is removed");
        (!frozen).then_some(()).ok_or(said)
    });
}
