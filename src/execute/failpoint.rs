//! Places where a test kills the daemon.
//!
//! Only in builds with debug assertions: `DB4SCI_FAILPOINT=create.after` kills this process with
//! SIGKILL when it gets there, as a power cut would. A release build has none of this.

/// Dies here if a test asked for it.
#[cfg(debug_assertions)]
pub fn failpoint(name: &str) {
    if std::env::var("DB4SCI_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        tracing::warn!(name, "failpoint: killing this process");
        let killed =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        if killed.is_ok() {
            loop {
                std::thread::park();
            }
        }
    }
}

/// Does nothing: release builds have no failpoints.
#[cfg(not(debug_assertions))]
pub fn failpoint(_name: &str) {}
