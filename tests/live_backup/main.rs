//! Backups of real servers by the real daemon: taken, proven, restored, and damaged.
//!
//! `cargo test --test live_backup` needs what `--test live` needs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/files.rs"]
mod files;
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the other live tests, which use all of it"
)]
#[path = "../live/host/mod.rs"]
mod host;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "shared with the tests of stores")]
#[path = "../stores/gateway.rs"]
mod gateway;
#[allow(dead_code, reason = "shared with the tests of stores")]
#[path = "../stores/proxy.rs"]
mod way;

mod accounts;
mod away;
mod beside;
mod bucket;
mod clone;
mod damage;
mod freeze;
mod full_disk;
mod given_up;
mod hostile;
mod keys;
mod killed;
mod large;
mod lives;
mod logins;
mod mariadb;
mod mongodb;
mod neo4j;
mod not_mounted;
mod noticed;
mod older;
mod one;
mod recovery;
mod retire;
mod round_trip;
mod set_back;
mod stewardship;
mod touched;
mod under_load;
mod whole_server;

use std::path::PathBuf;

use db4sci::model::BackupState;
use db4sci::model::view::BackupView;
use files::walk;
use host::Host;

/// The backups of a database, newest first.
#[track_caller]
fn backups(host: &Host, name: &str) -> Vec<BackupView> {
    serde_json::from_str(&host.ok(&["backup", "list", name, "-o", "json"])).unwrap()
}

/// Takes one, and gives it.
#[track_caller]
fn take(host: &Host, name: &str) -> BackupView {
    host.ok(&["backup", "now", name, "--wait"]);
    // One that the schedule has begun since then may stand before it.
    let good = backups(host, name).into_iter().find(|b| b.state.good());
    good.unwrap_or_else(|| panic!("{name} has no good backup"))
}

/// Restores it into a throwaway container; whether that proved it.
#[track_caller]
fn verify(host: &Host, backup: &BackupView) -> Result<(), String> {
    let id = backup.id.to_string();
    let said = host.db4sci(&["backup", "verify", backup.name.as_str(), &id]);
    let now = backups(host, backup.name.as_str());
    let now = now.into_iter().find(|b| b.id == backup.id).unwrap();
    assert_eq!(
        said.code == 0,
        now.state == BackupState::Verified,
        "{}",
        said.all()
    );
    if said.code == 0 {
        Ok(())
    } else {
        Err(said.err)
    }
}

/// Where a backup of the local store lies.
fn place(backup: &BackupView) -> PathBuf {
    let (root, below) = backup.url.split_once(' ').unwrap();
    PathBuf::from(root).join(below)
}

/// No job and no throwaway server is left, and no job's folder.
#[track_caller]
fn nothing_is_left(host: &Host) {
    host::eventually(host::LONG, "jobs are gone", || {
        let instance = std::fs::read_to_string(host.path("state/instance")).unwrap();
        let filter = format!("label=db4sci.work-instance={}", instance.trim());
        let left = host.docker(&["ps", "-aq", "--filter", &filter]);
        let folders = |path: PathBuf| {
            std::fs::read_dir(path).map_or(0, |entries| {
                entries
                    .flatten()
                    .filter(|e| std::fs::read_dir(e.path()).is_ok_and(|mut d| d.next().is_some()))
                    .count()
            })
        };
        let jobs = folders(host.path("state/jobs"));
        let works = folders(host.path("volume/.db4sci/.work"));
        if left.is_empty() && jobs == 0 && works == 0 {
            Ok(())
        } else {
            Err(format!(
                "containers [{left}], {jobs} job folders, {works} directories"
            ))
        }
    });
}
