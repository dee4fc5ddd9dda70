//! A bucket as the daemon's store: a real S3 server, and the way to it failing.

use std::fs;
use std::net::SocketAddr;

use db4sci::model::BackupState;
use db4sci::model::view::BackupView;

use crate::gateway::{ACCESS, BUCKET, Gateway, SECRET};
use crate::host::{Host, LONG, Postgres, eventually};
use crate::way::{Fault, Proxy, SLOW_DOWN};
use crate::{backups, nothing_is_left, take, verify, walk};

/// More requests than anybody repeats.
const ALWAYS: u32 = 100_000;

/// The bucket, reached at an address, as the instance's only store.
fn settings(host: &mut Host, address: SocketAddr) {
    let credentials = host.path("bucket.credentials");
    let text = format!(
        "container_host: localhost\nstores:\n  - name: offsite\n    bucket: {BUCKET}\n    \
         prefix: institute\n    endpoint: http://{address}\n    credentials: {}\n",
        credentials.display()
    );
    fs::write(host.path("config.yaml"), text).unwrap();
    host.set("DB4SCI_CONFIG", "config.yaml");
    secret(host, SECRET);
}

fn secret(host: &Host, secret: &str) {
    let text = format!("aws_access_key_id = {ACCESS}\naws_secret_access_key = {secret}\n");
    fs::write(host.path("bucket.credentials"), text).unwrap();
}

/// The manifests that lie in the bucket of a database.
fn manifests(gateway: &Gateway, name: &str) -> usize {
    let files = walk(&gateway.bucket());
    let part = format!("/{name}/");
    let manifest = |f: &&std::path::PathBuf| {
        f.ends_with("manifest.json") && f.to_string_lossy().contains(&part)
    };
    files.iter().filter(manifest).count()
}

#[test]
fn a_bucket_holds_what_is_taken_proven_restored_and_no_more_than_is_kept() {
    let gateway = Gateway::start();
    let mut host = Host::new();
    settings(&mut host, gateway.address());
    let keep = "backup: {retention: {last: 1, daily: 1, weekly: 1, monthly: 1}, verify: Always}";
    host.spec("genomics", Postgres, &[keep]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let first = take(&host, "genomics");
    assert_eq!(manifests(&gateway, "genomics"), 1);
    host.write("genomics", 2);
    let second = take(&host, "genomics");
    verify(&host, &second).unwrap();
    eventually(LONG, "the first one is removed", || {
        let all = backups(&host, "genomics");
        let gone = all.iter().all(|b| b.id != first.id);
        let there = manifests(&gateway, "genomics");
        let so = gone && there == all.len() && all.iter().any(|b| b.id == second.id);
        so.then_some(()).ok_or(format!("{there}; {all:?}"))
    });
    host.sql("genomics", "drop table kept");
    let id = second.id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--yes"]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1, 2]);
    // None of it was left on this host.
    assert!(!host.path("state/backups").exists());
    nothing_is_left(&host);
}

/// The newest backup of a kind that was begun after an instant.
#[track_caller]
fn next(host: &Host, state: &str, after: &BackupView) -> BackupView {
    eventually(LONG, &format!("a backup is {state}"), || {
        let all = backups(host, "genomics");
        let fits = |b: &&BackupView| {
            let failed = b.state == BackupState::Failed;
            b.started > after.started
                && if state == "failed" {
                    failed
                } else {
                    b.state.good()
                }
        };
        all.iter().find(fits).cloned().ok_or(format!("{all:?}"))
    })
}

/// One that a person can act on, and that says no secret: in the list and in `describe`.
#[track_caller]
fn tells(host: &Host, failed: &BackupView, words: &[&str]) {
    let why = failed.error.clone().unwrap_or_default();
    for word in words.iter().chain(&[BUCKET, "http://127.0.0.1:"]) {
        assert!(why.contains(word), "no {word} in: {why}");
    }
    let described = host.ok(&["describe", "genomics"]);
    assert!(
        described.contains(words[0]),
        "no {} in: {described}",
        words[0]
    );
    for secret in [SECRET, "another-secret"] {
        assert!(!why.contains(secret) && !described.contains(secret));
        assert!(!host.log().contains(secret));
    }
}

#[test]
#[ignore = "ten minutes; dev/test --full"]
fn faults_on_the_way_are_told_and_after_them_the_next_backup_is_taken_by_itself() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = Gateway::start();
    let proxy = runtime.block_on(Proxy::to(gateway.address()));
    let mut host = Host::new();
    settings(&mut host, proxy.address());
    host.spec("genomics", Postgres, &["backup: {schedule: \"* * * * *\"}"]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let mut last = take(&host, "genomics");

    // Of a backup that cannot be read now, nobody says that it is damaged.
    proxy.set(Fault::Busy(SLOW_DOWN), ALWAYS);
    let said = host.db4sci(&["backup", "verify", "genomics", &last.id.to_string()]);
    assert!(
        said.code == 1 && said.err.contains("SlowDown"),
        "{}",
        said.all()
    );
    assert!(!said.all().contains(SECRET), "{}", said.all());
    let same = backups(&host, "genomics");
    let same = same.iter().find(|b| b.id == last.id).unwrap();
    assert!(same.state.good(), "{same:?}");

    let faults = [
        (Fault::Busy(SLOW_DOWN), "SlowDown"),
        (Fault::CutUp(200), "institute/"),
        (Fault::CutDown(10), "institute/"),
    ];
    for (fault, word) in faults {
        proxy.set(fault, ALWAYS);
        let failed = next(&host, "failed", &last);
        tells(&host, &failed, &[word]);
        proxy.set(fault, 0);
        last = next(&host, "good", &failed);
    }

    let bucket = gateway.bucket();
    let away = bucket.with_extension("away");
    fs::rename(&bucket, &away).unwrap();
    let failed = next(&host, "failed", &last);
    tells(&host, &failed, &["NoSuchBucket", "make the bucket"]);
    fs::rename(&away, &bucket).unwrap();
    last = next(&host, "good", &failed);

    host.stop();
    secret(&host, "another-secret");
    host.start();
    let failed = next(&host, "failed", &last);
    tells(
        &host,
        &failed,
        &["SignatureDoesNotMatch", "credentials file"],
    );
    host.stop();
    secret(&host, SECRET);
    host.start();
    last = next(&host, "good", &failed);
    verify(&host, &last).unwrap();
    let good = backups(&host, "genomics");
    let good = good.iter().filter(|b| b.state.good()).count();
    assert!(manifests(&gateway, "genomics") >= good, "{good}");
}
