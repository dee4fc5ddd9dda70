//! What the system lets the daemon's process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many open files as the system lets it have: a connection to each server, and every one at the
/// socket, is one, and the usual 1,024 are soon used up. And no copy of its memory, with keys in it,
/// on a disk when it crashes.
pub(super) fn set() {
    let files = getrlimit(Resource::Nofile).maximum;
    let none = Some(0);
    for (resource, current, maximum) in [
        (Resource::Nofile, files, files),
        (Resource::Core, none, none),
    ] {
        if let Err(error) = setrlimit(resource, Rlimit { current, maximum }) {
            tracing::warn!(%error, ?resource, "a limit of the process stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set where the test runs itself again, as limits are a whole process'.
    const AGAIN: &str = "DB4SCI_TEST_LIMITS";

    #[test]
    fn the_daemon_may_open_what_the_system_allows_and_leaves_no_copy_of_its_memory() {
        if std::env::var_os(AGAIN).is_some() {
            set();
            let files = getrlimit(Resource::Nofile);
            assert_eq!(files.current, files.maximum);
            assert_eq!(getrlimit(Resource::Core).current, Some(0));
            return;
        }
        let name = "the_daemon_may_open_what_the_system_allows_and_leaves_no_copy_of_its_memory";
        let me = std::env::current_exe().unwrap();
        let line = "ulimit -S -n 256 && exec \"$0\" --exact \"app::limits::tests::$1\" --nocapture";
        let ended = Command::new("sh")
            .args(["-c", line, me.to_str().unwrap(), name])
            .env(AGAIN, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        let told = format!("{told}{}", String::from_utf8_lossy(&ended.stderr));
        assert!(
            ended.status.success() && told.contains("1 passed"),
            "{told}"
        );
    }
}
