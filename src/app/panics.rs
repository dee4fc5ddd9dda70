//! What a panic is: a defect, and the end of the daemon.

use std::panic;
use std::process;

/// What the process ends with.
const CODE: i32 = 101;

/// From now on a panic in any thread or task ends the process, after its message.
///
/// A task that panics is a part that is missing from then on, and hardly anybody would hear of it: a look that never
/// ends holds its database's place in the queue, a work its place at the desk, the journal's thread all that
/// is to be written. A daemon that starts anew has none of that: it takes up what was cut off, as after a
/// kill. Databases keep running. It is no abort, which might leave a copy of its memory, with keys in it, on a disk.
pub(super) fn end_the_process() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell(panic);
        tracing::error!(
            "a part of the daemon failed: it ends; databases keep running; start it again"
        );
        process::exit(CODE);
    }));
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// In a process of its own this test is the daemon whose part fails.
    const CHILD: &str = "DB4SCI_TEST_OF_PANICS";

    #[test]
    fn a_task_that_panics_ends_the_process() {
        if std::env::var_os(CHILD).is_some() {
            end_the_process();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let failed =
                runtime.block_on(async { tokio::spawn(async { panic!("a defect") }).await });
            assert!(failed.is_err());
            return;
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "app::panics::tests::a_task_that_panics_ends_the_process",
            ])
            .arg("--nocapture")
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(child.status.code(), Some(CODE), "{child:?}");
        let told = String::from_utf8_lossy(&child.stderr);
        assert!(told.contains("a defect"), "{told}");
    }
}
