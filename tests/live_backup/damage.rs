//! Damage, and ends at the wrong moment: nothing of it ever counts as a backup.

use std::fs;
use std::path::PathBuf;

use db4sci::http::Client;
use db4sci::model::BackupState;
use db4sci::model::view::{WorkAsk, WorkView};
use db4sci::store::local::MARK;

use crate::host::{Host, LONG, MariaDB, Postgres, eventually};
use crate::{backups, nothing_is_left, place, take, verify, walk};

/// The dumps of a backup.
fn dumps(folder: &PathBuf) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().flatten().map(|e| e.path());
    files
        .filter(|p| p.extension().is_some_and(|e| e == "age"))
        .collect()
}

#[test]
fn a_damaged_object_is_never_verified_and_another_backup_is_taken() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("chem", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "chem"]);
    for name in ["genomics", "chem"] {
        host.write(name, 1);
        let good = take(&host, name);
        verify(&host, &good).unwrap();
        for what in ["truncated", "emptied", "flipped", "missing", "swapped"] {
            let backup = take(&host, name);
            for file in dumps(&place(&backup)) {
                if what == "missing" {
                    fs::remove_file(&file).unwrap();
                    continue;
                }
                let mut bytes = fs::read(&file).unwrap();
                match what {
                    "truncated" => bytes.truncate(bytes.len() / 2),
                    "emptied" => bytes.clear(),
                    "flipped" => {
                        let late = bytes.len() - 20;
                        bytes[late] ^= 1;
                    }
                    // Whole and readable, and not this backup's.
                    _ => bytes = fs::read(place(&good).join(file.file_name().unwrap())).unwrap(),
                }
                fs::write(&file, bytes).unwrap();
            }
            let why = verify(&host, &backup).unwrap_err();
            assert!(why.contains("zst.age"), "{what}: {why}");
            let now = backups(&host, name);
            let bad = now.iter().find(|b| b.id == backup.id).unwrap();
            assert_eq!(bad.state, BackupState::Damaged, "{what}");
            let old = now.iter().find(|b| b.id == good.id).unwrap();
            assert_eq!(old.state, BackupState::Verified, "{what}");
            // In its place, without anybody's word.
            eventually(LONG, "another one is taken", || {
                let all = backups(&host, name);
                let newer = all
                    .iter()
                    .any(|b| b.started > backup.started && b.state.good());
                if newer {
                    Ok(())
                } else {
                    Err(format!("{all:?}"))
                }
            });
            let refused =
                host.db4sci(&["restore", name, "--from", &backup.id.to_string(), "--yes"]);
            assert_eq!(refused.code, 1, "{}", refused.all());
        }
    }
    nothing_is_left(&host);
}

#[test]
fn a_daemon_killed_in_mid_dump_leaves_no_backup_and_no_dump() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    for (round, failpoint) in ["backup.begun", "backup.dumped", "backup.manifest"]
        .into_iter()
        .enumerate()
    {
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.ready(&["genomics"]);
        let _ = host.db4sci(&["backup", "now", "genomics"]);
        host.wait_killed();
        host.start();
        host.ready(&["genomics"]);
        eventually(LONG, "what was begun has failed", || {
            let all = backups(&host, "genomics");
            let failed = all.iter().filter(|b| b.state == BackupState::Failed);
            (failed.count() > round)
                .then_some(())
                .ok_or(format!("{all:?}"))
        });
        let left = walk(&host.path("state/backups"));
        assert!(
            !left.iter().any(|p| p.ends_with("manifest.json")),
            "{failpoint}: {left:?}"
        );
        nothing_is_left(&host);
    }
    take(&host, "genomics");
}

#[test]
fn a_job_killed_in_mid_dump_fails_that_backup_alone() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.sql(
        "genomics",
        "create table big as select g, md5(g::text) || md5((g+1)::text) as t from generate_series(1, 3000000) g",
    );
    let instance = fs::read_to_string(host.path("state/instance")).unwrap();
    let filter = format!("label=db4sci.work-instance={}", instance.trim());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = Client::new(host.path("socket"));
    let ask = WorkAsk::Backup {
        note: String::new(),
        reason: String::new(),
    };
    let begun = client.post::<_, WorkView>("/databases/genomics/work", &ask);
    let begun = runtime.block_on(begun).unwrap();
    let shown = format!("/databases/genomics/work/{}", begun.id);
    eventually(LONG, "the dump is seen to grow", || {
        let now = runtime.block_on(client.get::<WorkView>(&shown)).unwrap();
        let grown = now.progress.as_ref();
        let grown = grown.is_some_and(|p| p.stage == "dumping" && p.done_bytes > 0);
        grown.then_some(()).ok_or(format!("{now:?}"))
    });
    eventually(LONG, "its job is killed", || {
        let lines = host.docker(&[
            "ps",
            "--no-trunc",
            "--filter",
            &filter,
            "--format",
            "{{.ID}} {{.Command}}",
        ]);
        let job = lines.lines().find(|l| l.contains("\"pg_dump --"));
        let id = job
            .and_then(|l| l.split(' ').next())
            .ok_or_else(|| lines.clone())?;
        let killed = host.try_docker(&["kill", id]);
        if killed.code == 0 {
            Ok(())
        } else {
            Err(killed.all())
        }
    });
    eventually(LONG, "it failed", || {
        match backups(&host, "genomics").first() {
            Some(b) if b.state == BackupState::Failed => {
                assert!(b.error.as_deref().unwrap_or("").contains("137"), "{b:?}");
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
    // The journal is shipped there, too, and the folder has its mark.
    let mut left = walk(&host.path("state/backups"));
    left.retain(|path| !path.components().any(|c| c.as_os_str() == "@journal"));
    left.retain(|path| !path.ends_with(MARK));
    assert!(left.is_empty(), "{left:?}");
    nothing_is_left(&host);
    assert_eq!(host.sql("genomics", "select count(*) from big"), "3000000");
}
