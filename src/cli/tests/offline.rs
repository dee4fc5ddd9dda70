//! With the daemon dead.

use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use super::fake::{FakeHost, Shut, run_into, run_on};
use crate::plan::render::sample::ready;

fn dead() -> Arc<FakeHost> {
    Arc::new(FakeHost {
        socket: "/nonexistent/db4sci.sock".into(),
        offline: vec![ready("genomics", "Postgres", "17.5", 32011)],
        ..FakeHost::default()
    })
}

#[tokio::test]
async fn looking_goes_on_and_says_first_that_the_daemon_is_dead() {
    for (line, shows) in [
        ("", "all well"),
        ("get", "genomics  Postgres 17.5"),
        ("describe genomics", "from the journal"),
        ("events genomics", "from the journal"),
        ("logs genomics", "from Docker"),
    ] {
        let said = run_on(dead(), line).await;
        assert_eq!(said.exit, 0, "{line}: {}", said.err);
        assert!(said.out.contains(shows), "{line}: {}", said.out);
        assert!(
            said.err
                .starts_with("the daemon does not answer on /nonexistent/db4sci.sock: ")
                && said.err.contains("read-only")
                && said.err.lines().count() == 1,
            "{line}: {}",
            said.err
        );
    }
}

#[tokio::test]
async fn changing_says_how_to_start_it() {
    for line in [
        "stop genomics",
        "resume genomics",
        "maintenance on genomics",
        "maintenance off genomics",
        "connect genomics",
        "plan",
        "export genomics",
        "events genomics --follow",
        "wait genomics --timeout 1s",
    ] {
        let said = run_on(dead(), line).await;
        assert_eq!(said.exit, 1, "{line}");
        assert!(
            said.err
                .contains("nothing was changed; start it: systemctl start db4sci"),
            "{line}: {}",
            said.err
        );
    }
}

#[tokio::test]
async fn doctor_looks_without_it_and_fails() {
    let said = run_on(dead(), "doctor").await;
    assert_eq!(said.exit, 1);
    assert!(
        said.out
            .contains("bad   daemon  the daemon does not answer on"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains("warn  docker  version 20.10 is old; next: apt-get upgrade")
    );
    assert!(said.out.ends_with("1 bad, 1 to look at\n"));
}

#[tokio::test]
async fn what_cannot_be_seen_without_it_either_is_said() {
    let host = Arc::new(FakeHost {
        socket: "/nonexistent/db4sci.sock".into(),
        ..FakeHost::default()
    });
    let said = run_on(host, "get").await;
    assert_eq!(said.exit, 1);
    let last = said.err.lines().last().unwrap();
    assert!(
        last.contains("the journal cannot be read") && last.contains("db4sci doctor"),
        "{last}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_hangs_keeps_nobody_who_only_looks() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("db4sci.sock");
    let _takes_calls = UnixListener::bind(&socket).unwrap();
    let host = Arc::new(FakeHost {
        socket,
        offline: vec![ready("genomics", "Postgres", "17.5", 32011)],
        ..FakeHost::default()
    });
    for (line, shows) in [
        ("", "all well"),
        ("get", "genomics  Postgres 17.5"),
        ("events genomics", "from the journal"),
        ("logs genomics", "from Docker"),
        ("ca export", "from the file"),
    ] {
        let said = run_on(host.clone(), line).await;
        assert_eq!(said.exit, 0, "{line}: {}", said.err);
        assert!(said.out.contains(shows), "{line}: {}", said.out);
        if line != "ca export" {
            assert!(said.err.starts_with("the daemon hangs: "), "{}", said.err);
        }
    }
    for line in ["plan", "export genomics", "events genomics --follow"] {
        let said = run_on(host.clone(), line).await;
        assert_eq!(said.exit, 1, "{line}");
        let next = "nothing was changed; start it: systemctl restart db4sci";
        assert!(said.err.contains(next), "{line}: {}", said.err);
    }
}

#[tokio::test]
async fn an_answer_that_could_not_be_written_is_an_error_and_one_that_nobody_reads_is_none() {
    let full = run_into(dead(), "schema", Shut(ErrorKind::StorageFull)).await;
    assert_eq!(full.exit, 1);
    let said = full.err.strip_prefix("the answer could not be written: ");
    assert_eq!(said, Some("no storage space\n"));
    let enough = run_into(dead(), "schema", Shut(ErrorKind::BrokenPipe)).await;
    assert_eq!((enough.exit, enough.err.as_str()), (0, ""));
}
