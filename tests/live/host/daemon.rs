//! The daemon's process: started, told to stop, killed.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::cleaning::PID;
use super::{Host, LONG, SOON, eventually};

/// Lines of the daemon's log that a failed test shows.
const TAIL: usize = 80;

impl Host {
    /// Starts the daemon, and waits until it answers.
    #[track_caller]
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the daemon with more variables, and waits until it answers.
    #[track_caller]
    pub fn start_with(&mut self, env: &[(&str, &str)]) {
        self.spawn(env);
        eventually(SOON, "the daemon answers on its socket", || {
            if let Some(ended) = self.ended() {
                panic!("the daemon ended: {ended}\n{}", self.log_tail());
            }
            match self.db4sci(&["get", "-o", "name"]) {
                said if said.code == 0 && !said.err.contains("does not answer") => Ok(()),
                said => Err(said.all()),
            }
        });
    }

    /// Starts the daemon with a wall clock that is wrong by so much, as `-200d`, by a preloaded library (of
    /// Debian's package `faketime`), and waits until it answers.
    #[track_caller]
    pub fn start_at(&mut self, wrong_by: &str) {
        let folders = fs::read_dir("/usr/lib").unwrap().flatten();
        let mut files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
        let found = files.find(|file| file.exists());
        let found = found.expect("libfaketime is there; dev/setup installs it");
        self.start_with(&[
            ("LD_PRELOAD", &found.display().to_string()),
            ("FAKETIME", wrong_by),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ]);
    }

    /// Starts the daemon, and waits for nothing: it may be about to die.
    #[track_caller]
    pub fn spawn(&mut self, env: &[(&str, &str)]) {
        assert!(self.daemon.is_none(), "the daemon runs already");
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path("daemon.log"));
        let log = log.unwrap();
        let mut command = self.program();
        command.arg("run").envs(env.iter().copied());
        command
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log));
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        fs::write(self.path(PID), child.id().to_string()).unwrap();
        self.daemon = Some(child);
    }

    /// The command that would start another daemon on the same state.
    pub fn another_daemon(&self) -> Command {
        let mut command = self.program();
        command.arg("run");
        command
    }

    /// The daemon's process id.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon was started").id()
    }

    /// How the daemon ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.as_mut()?.try_wait().unwrap()
    }

    /// Tells the daemon to stop, and sees that it does.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let ended = self.wait_ended(SOON);
        assert!(ended.success(), "{ended}\n{}", self.log_tail());
    }

    /// Kills the daemon as a power cut would.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait_ended(SOON);
    }

    /// Waits until the daemon was killed by a failpoint.
    #[track_caller]
    pub fn wait_killed(&mut self) {
        let ended = self.wait_ended(LONG);
        assert_eq!(ended.signal(), Some(9), "{ended}\n{}", self.log_tail());
    }

    /// Waits until the daemon ended, however.
    #[track_caller]
    pub fn wait_ended(&mut self, deadline: Duration) -> ExitStatus {
        let ended = eventually(deadline, "the daemon ends", || {
            self.ended().ok_or_else(|| "it runs".to_owned())
        });
        self.daemon = None;
        ended
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let child = self.daemon.as_ref().expect("the daemon was started");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    pub(super) fn kill_if_running(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Everything the daemon logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let skip = log.lines().count().saturating_sub(TAIL);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }

    /// What a person needs who reads about a failed test.
    pub(super) fn report(&self) {
        eprintln!(
            "---- daemon's log ({})\n{}",
            self.folder.display(),
            self.log_tail()
        );
        let mut verbs = vec![vec!["get"], vec!["status"], vec!["describe", "mydb_admin"]];
        verbs.extend(
            self.servers
                .keys()
                .map(|name| vec!["describe", name.as_str()]),
        );
        for verb in verbs {
            let ended = self.program().args(&verb).output();
            let text = ended.map_or_else(
                |e| e.to_string(),
                |o| {
                    let out = String::from_utf8_lossy(&o.stdout).into_owned();
                    format!("{out}{}", String::from_utf8_lossy(&o.stderr))
                },
            );
            eprintln!("---- db4sci {}\n{text}", verb.join(" "));
        }
    }
}
