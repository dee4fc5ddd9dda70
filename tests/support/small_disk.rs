//! A file system of its own that a test can fill up. It lies in memory, as far as it is used.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::host::{LONG, eventually};

/// Mounts one at a folder. It goes with the host that the folder belongs to.
#[track_caller]
pub fn small(at: &Path, mebibytes: u32) {
    fs::create_dir_all(at).unwrap();
    let done = mount(at, &format!("size={mebibytes}m"));
    assert!(done, "mount {}", at.display());
}

/// Gives it another size.
#[track_caller]
pub fn resize(at: &Path, mebibytes: u32) {
    let done = mount(at, &format!("remount,size={mebibytes}m"));
    assert!(done, "mount {}", at.display());
}

/// Takes all the room that is left there.
#[track_caller]
pub fn fill_up(at: &Path) {
    eventually(LONG, "no room is left", || {
        let seen = rustix::fs::statvfs(at).unwrap();
        if seen.f_bavail == 0 {
            return Ok(());
        }
        // What is given free meanwhile is taken, too.
        leave(at, 0);
        Err(format!("{} KiB", (seen.f_bavail * seen.f_frsize) >> 10))
    });
}

/// Leaves so many KiB of room there, once: what is given free after that stays free.
#[track_caller]
pub fn leave(at: &Path, kibibytes: u64) {
    eventually(LONG, "little room is left", || {
        let seen = rustix::fs::statvfs(at).unwrap();
        let used = (seen.f_blocks - seen.f_bfree) * seen.f_frsize;
        // What is written meanwhile may make it fail.
        let size = (used >> 10) + kibibytes;
        let done = mount(at, &format!("remount,size={size}k"));
        done.then_some(()).ok_or(format!("{size} KiB"))
    });
}

fn mount(at: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
    command.arg(at).stderr(Stdio::null());
    command.status().unwrap().success()
}
