//! The guard, run by this machine's /bin/sh.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::super::files::GUARD;
use crate::model::guard::{self, INNER_UID};

const UID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const OTHER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

struct Container {
    _temp: TempDir,
    marker: PathBuf,
    data: PathBuf,
    script: PathBuf,
}

impl Container {
    /// Marked with this state; the data is empty.
    fn marked(state: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (marker, data) = (temp.path().join("marker"), temp.path().join("data"));
        fs::create_dir(&marker).unwrap();
        fs::create_dir(&data).unwrap();
        fs::write(marker.join("uid"), format!("{UID}\n")).unwrap();
        fs::write(marker.join("state"), format!("{state}\n")).unwrap();
        fs::write(marker.join("lock"), "").unwrap();
        let script = temp.path().join("guard.sh");
        fs::write(&script, GUARD).unwrap();
        Container {
            _temp: temp,
            marker,
            data,
            script,
        }
    }

    fn with(self, file: &str, text: &str) -> Self {
        fs::write(self.data.join(file), text).unwrap();
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .arg(&self.script)
            .arg(UID)
            .arg(self.data.join("PG_VERSION"))
            .arg(&self.data)
            .args(["--", "/bin/sh", "-c", "echo started as $1", "sh", "a word"])
            .env("DB4SCI_MARKER", &self.marker);
        command
    }

    fn start(&self) -> (i64, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command().output().unwrap();
        let code = i64::from(status.code().unwrap());
        let text = String::from_utf8(if code == 0 { stdout } else { stderr }).unwrap();
        if code == 0 {
            assert_eq!(text, "started as a word\n");
        } else {
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("nothing was changed"), "{text}");
        }
        (code, text)
    }

    #[track_caller]
    fn refuses(&self, code: i64) -> String {
        let (found, text) = self.start();
        assert_eq!(found, code, "{text}");
        text
    }
}

#[test]
fn a_first_start_on_an_empty_folder_is_let_through() {
    Container::marked("initialising").refuses(0);
}

#[test]
fn initialised_data_of_this_database_is_let_through() {
    Container::marked("initialised")
        .with("PG_VERSION", "17")
        .with(INNER_UID, UID)
        .refuses(0);
}

#[test]
fn an_emptied_folder_is_lost_data() {
    Container::marked("initialised").refuses(guard::LOST);
    Container::marked("initialised")
        .with(INNER_UID, UID)
        .refuses(guard::LOST);
}

#[test]
fn a_swapped_folder_is_foreign() {
    let container = Container::marked("initialised")
        .with("PG_VERSION", "17")
        .with(INNER_UID, OTHER);
    assert!(container.refuses(guard::FOREIGN).contains(OTHER));
    Container::marked("initialising")
        .with("PG_VERSION", "17")
        .with(INNER_UID, OTHER)
        .refuses(guard::FOREIGN);
}

#[test]
fn data_that_nobody_marked_is_foreign_and_the_way_out_is_said() {
    let text = Container::marked("initialised")
        .with("PG_VERSION", "17")
        .refuses(guard::FOREIGN);
    assert!(text.contains(UID) && text.contains(INNER_UID), "{text}");
}

#[test]
fn a_broken_off_first_start_is_half_made() {
    Container::marked("initialising")
        .with("PG_VERSION", "17")
        .refuses(guard::HALF_MADE);
}

#[test]
fn a_crash_between_the_two_steps_of_marking_is_no_half_made_data() {
    Container::marked("initialising")
        .with("PG_VERSION", "17")
        .with(INNER_UID, UID)
        .refuses(0);
}

#[test]
fn no_marker_is_an_unmounted_volume() {
    for file in ["uid", "state", "lock"] {
        let container = Container::marked("initialised")
            .with("PG_VERSION", "17")
            .with(INNER_UID, UID);
        fs::remove_file(container.marker.join(file)).unwrap();
        container.refuses(guard::UNMOUNTED);
    }
}

#[test]
fn another_database_s_marker_is_foreign() {
    let container = Container::marked("initialised");
    fs::write(container.marker.join("uid"), OTHER).unwrap();
    assert!(container.refuses(guard::FOREIGN).contains(OTHER));
}

#[test]
fn a_held_lock_is_a_second_server_and_is_released_with_the_first() {
    let container = Container::marked("initialising");
    let mut first = Command::new("flock");
    let mut first = first
        .arg(container.marker.join("lock"))
        .args(["-c", "echo held; read -r _"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut held).unwrap();
    container.refuses(guard::BUSY);
    drop(first.stdin.take());
    first.wait().unwrap();
    container.refuses(0);
}

#[test]
fn the_lock_lives_as_long_as_the_server() {
    let container = Container::marked("initialising");
    let mut server = Command::new("/bin/sh");
    let mut server = server
        .arg(&container.script)
        .args([UID, "/nowhere/PG_VERSION", "/nowhere", "--"])
        .args(["/bin/sh", "-c", "echo up; read -r _"])
        .env("DB4SCI_MARKER", &container.marker)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut up).unwrap();
    container.refuses(guard::BUSY);
    drop(server.stdin.take());
    server.wait().unwrap();
    container.refuses(0);
}

#[test]
fn wrong_arguments_are_the_guard_s_own_trouble() {
    let container = Container::marked("initialising");
    let output = Command::new("/bin/sh")
        .arg(&container.script)
        .output()
        .unwrap();
    assert_eq!(output.status.code().map(i64::from), Some(guard::BROKEN));
}

#[test]
fn a_server_may_open_as_many_files_as_its_hard_limit_allows() {
    let container = Container::marked("initialising");
    for (soft, hard, server) in [("256", "512", "512"), ("512", "512", "512")] {
        let limits = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$@\"");
        let output = Command::new("/bin/sh")
            .args(["-c", &limits, "sh", "/bin/sh"])
            .arg(&container.script)
            .args([UID, "/nowhere/PG_VERSION", "/nowhere", "--"])
            .args(["/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"])
            .env("DB4SCI_MARKER", &container.marker)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found, format!("{server}\n{hard}\n"), "{soft}");
    }
}
