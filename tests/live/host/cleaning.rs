//! Removing what an instance made: at its end, or later when its test process was killed.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Once;

use db4sci::model::container::LABEL_INSTANCE;
use db4sci::runtime::docker::{LABEL_JOB_INSTANCE, LABEL_WORK_INSTANCE};
use rustix::process::{Pid, Signal, kill_process};

use super::{FOLDERS, Host, LABEL};

/// The daemon's process id, for those who clean up after a test that was killed.
pub(super) const PID: &str = "daemon.pid";
/// Locked while the instance is in use.
const ALIVE: &str = "alive";

/// Marks a folder as in use until the file is closed.
pub(super) fn say_alive(folder: &Path) -> File {
    let file = File::create(folder.join(ALIVE)).unwrap();
    file.try_lock().unwrap();
    file
}

/// Removes what killed test processes left behind, once a process.
pub(super) fn sweep_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Ok(folders) = fs::read_dir(FOLDERS) else {
            return;
        };
        for folder in folders.flatten().map(|entry| entry.path()) {
            let Ok(alive) = File::open(folder.join(ALIVE)) else {
                continue;
            };
            if alive.try_lock().is_ok() {
                kill_daemon_of(&folder);
                clean(&folder);
            }
        }
        super::engine::sweep();
    });
}

/// Kills the daemon that runs on a folder, if it still does.
fn kill_daemon_of(folder: &Path) {
    let Ok(text) = fs::read_to_string(folder.join(PID)) else {
        return;
    };
    let Ok(raw) = text.trim().parse::<i32>() else {
        return;
    };
    let environment = fs::read(format!("/proc/{raw}/environ")).unwrap_or_default();
    let home = format!("DB4SCI_HOME={}", folder.display());
    let ours = environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == home.as_bytes());
    if let (true, Some(pid)) = (ours, Pid::from_raw(raw)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Removes containers, mounts and files of an instance.
fn clean(folder: &Path) {
    let mut labels = Vec::new();
    if let Ok(instance) = fs::read_to_string(folder.join("state/instance")) {
        for label in [LABEL_INSTANCE, LABEL_JOB_INSTANCE, LABEL_WORK_INSTANCE] {
            labels.push(format!("label={label}={}", instance.trim()));
        }
    }
    if let Some(id) = folder.file_name() {
        labels.push(format!("label={LABEL}={}", id.display()));
    }
    for label in labels {
        remove_containers(&label);
    }
    unmount_below(folder);
    let _ = fs::remove_dir_all(folder);
}

fn remove_containers(filter: &str) {
    let listed = Command::new("docker")
        .args(["ps", "-aq", "--no-trunc", "--filter", filter])
        .output();
    let Ok(listed) = listed else { return };
    let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if !ids.is_empty() {
        let _ = Command::new("docker")
            .args(["rm", "-f", "-v"])
            .args(ids)
            .output();
    }
}

/// Ends the mounts that a test made in its folder, the innermost first.
pub(super) fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let mut ours: Vec<&str> = mounts
        .filter(|at| Path::new(at).starts_with(folder))
        .collect();
    ours.sort_unstable();
    for at in ours.into_iter().rev() {
        let _ = Command::new("umount").args(["--lazy", at]).output();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report();
        }
        self.kill_if_running();
        // With its own engine, containers go with that.
        match self.engine.take() {
            Some(engine) => {
                drop(engine);
                unmount_below(&self.folder);
                let _ = fs::remove_dir_all(&self.folder);
            }
            None => clean(&self.folder),
        }
    }
}
