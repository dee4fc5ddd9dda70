//! Job containers: a client in a database's network, attached to this process.
//!
//! `run_attached` takes the whole of a process' stdin, stdout and signals, so each test runs this
//! binary again as the process that works in the job.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use db4sci::model::container::LABEL_INSTANCE;
use db4sci::model::{ContainerId, ImageId, Mount};
use db4sci::runtime::docker::{Docker, JobSpec, LABEL_JOB_INSTANCE};
use serde::{Deserialize, Serialize};
use support::{Corner, docker, until};

const SOON: Duration = Duration::from_secs(60);

/// What the child process is told.
#[derive(Serialize, Deserialize)]
struct Told {
    instance: String,
    image: ImageId,
    network_of: ContainerId,
    mounts: Vec<Mount>,
    words: Vec<String>,
    tty: bool,
}

/// A running container whose network jobs share.
struct Host {
    corner: Corner,
    image: String,
    network_of: String,
}

impl Host {
    fn new() -> Self {
        let corner = Corner::new();
        let reference = support::image("postgres:15");
        let image = docker(&["image", "inspect", "--format", "{{.Id}}", &reference]);
        let label = format!("{LABEL_INSTANCE}={}", corner.instance);
        let name = corner.name("server");
        let network_of = docker(&[
            "run",
            "-d",
            "--label",
            &label,
            "--name",
            &name,
            "--entrypoint",
            "sleep",
            &image,
            "1000",
        ]);
        Host {
            corner,
            image,
            network_of,
        }
    }

    fn told(&self, words: &[&str], tty: bool) -> Told {
        let mounted = self.corner.folder.join("mounted");
        std::fs::create_dir_all(&mounted).unwrap();
        Told {
            instance: self.corner.instance.clone(),
            image: ImageId(self.image.clone()),
            network_of: ContainerId(self.network_of.clone()),
            mounts: vec![Mount {
                source: mounted,
                target: "/mounted".to_owned(),
                read_only: false,
            }],
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            tty,
        }
    }

    fn command(&self, words: &[&str], tty: bool) -> Command {
        let exe = std::env::current_exe().unwrap();
        let mut command = Command::new(exe);
        command
            .args([
                "--exact",
                "a_job_s_output_and_exit_code_are_ours_and_it_is_removed",
                "--nocapture",
            ])
            .env(
                "TOLD",
                serde_json::to_string(&self.told(words, tty)).unwrap(),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn job(&self, words: &[&str]) -> Child {
        self.command(words, false).spawn().unwrap()
    }

    fn jobs(&self) -> String {
        let label = format!("label={LABEL_JOB_INSTANCE}={}", self.corner.instance);
        docker(&["ps", "-aq", "--filter", &label])
    }
}

fn output(child: Child) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// What this process does when a test started it: it works in the job, and ends as the job does.
fn work_in_the_job(told: &str) -> ! {
    let told: Told = serde_json::from_str(told).unwrap();
    let Told {
        instance,
        image,
        network_of,
        mounts,
        words,
        tty,
    } = told;
    let job = JobSpec {
        name: "connect test".to_owned(),
        instance,
        image,
        network_of,
        mounts,
        entrypoint: vec![words[0].clone()],
        command: words[1..].to_vec(),
        env: [("FROM_US".to_owned(), "a value".to_owned())].into(),
        tty,
        memory: 64 << 20,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let code = runtime
        .block_on(Docker::connect(None).run_attached(&job))
        .unwrap();
    std::process::exit(i32::try_from(code).unwrap());
}

#[test]
fn a_job_s_output_and_exit_code_are_ours_and_it_is_removed() {
    if let Ok(told) = std::env::var("TOLD") {
        work_in_the_job(&told);
    }
    let host = Host::new();
    let script = "echo $FROM_US; echo $(hostname); echo wrong >&2; exit 7";
    let (code, stdout, stderr) = output(host.job(&["sh", "-c", script]));
    assert_eq!(code, 7, "{stderr}");
    assert!(stdout.contains("a value\n"), "{stdout}");
    assert!(
        stdout.contains(&host.network_of[..12]),
        "the server's network: {stdout}"
    );
    assert!(
        stderr.contains("wrong\n") && !stdout.contains("wrong"),
        "{stderr}"
    );
    assert_eq!(host.jobs(), "");
}

#[test]
fn our_input_is_the_job_s_and_ends_with_it() {
    let host = Host::new();
    let mut child = host.job(&["sh", "-c", "wc -c; echo over"]);
    let mut stdin = child.stdin.take().unwrap();
    let line = [b'x'; 1024];
    for _ in 0..1024 {
        stdin.write_all(&line).unwrap();
    }
    drop(stdin);
    let (code, stdout, stderr) = output(child);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("1048576\nover\n"), "{stdout}");
}

#[test]
fn a_large_output_arrives_whole() {
    let host = Host::new();
    let (code, stdout, stderr) = output(host.job(&["seq", "1000000", "1999999"]));
    assert_eq!(code, 0, "{stderr}");
    let numbers: Vec<&str> = stdout
        .lines()
        .filter(|l| l.len() == 7 && l.starts_with('1'))
        .collect();
    assert_eq!(numbers.len(), 1_000_000);
    assert_eq!(numbers.last(), Some(&"1999999"));
}

#[test]
fn nothing_can_be_written_through_a_mount() {
    let host = Host::new();
    let (code, _, stderr) = output(host.job(&["touch", "/mounted/x"]));
    assert_ne!(code, 0);
    assert!(stderr.contains("Read-only"), "{stderr}");
}

#[tokio::test]
async fn a_signal_ends_the_job_and_it_is_removed() {
    for (signal, number) in [
        (rustix::process::Signal::INT, 2),
        (rustix::process::Signal::TERM, 15),
        (rustix::process::Signal::HUP, 1),
    ] {
        let host = Host::new();
        let mut child = host.job(&["sh", "-c", "echo begun; sleep 1000"]);
        wait_for(&mut child, "begun");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        let (code, _, stderr) = output(child);
        assert_eq!(code, 128 + number, "{stderr}");
        assert_eq!(host.jobs(), "");
    }
}

#[tokio::test]
async fn a_job_whose_reader_went_away_is_removed() {
    let host = Host::new();
    let mut child = host.job(&["seq", "100000000"]);
    wait_for(&mut child, "1000");
    drop(child.stdout.take());
    let (code, _, stderr) = output(child);
    assert_eq!(code, 141, "{stderr}");
    assert_eq!(host.jobs(), "");
}

#[tokio::test]
async fn a_job_of_a_killed_process_ends_with_its_input_and_is_swept() {
    let host = Host::new();
    let mut child = host.job(&["sh", "-c", "echo begun; cat"]);
    wait_for(&mut child, "begun");
    let docker_engine = Docker::connect(None);
    #[allow(clippy::disallowed_methods, reason = "now, on this host")]
    let now = chrono::Utc::now;
    let instance = &host.corner.instance;
    assert_eq!(
        docker_engine.sweep_jobs(instance, now()).await.unwrap(),
        0,
        "it runs"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    until("the job's end and its removal", SOON, async || {
        let swept = docker_engine.sweep_jobs(instance, now()).await.unwrap();
        (swept == 1).then_some(())
    })
    .await;
    assert_eq!(host.jobs(), "");
}

/// On a terminal: `script` makes one, its size is the job's, and Ctrl-C and Ctrl-P go to the job.
#[test]
fn a_terminal_is_passed_through() {
    let host = Host::new();
    let shell = "until [ \"$(stty size)\" = '33 77' ]; do sleep 0.05; done; \
                 trap 'echo caught' INT; echo begun; \
                 while read -r line; do echo got:$line | cat -v; done; echo over; exit 5";
    let mut inner = host.command(&["sh", "-c", shell], true);
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|w| w.to_str().unwrap().to_owned())
        .collect();
    let line = format!("stty rows 33 cols 77; {}", words.join(" "));
    inner = {
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .env(
                "TOLD",
                serde_json::to_string(&host.told(&["sh", "-c", shell], true)).unwrap(),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        script
    };
    let mut child = inner.spawn().unwrap();
    let mut seen = wait_for(&mut child, "begun");
    let mut stdin = child.stdin.take().unwrap();
    // Ctrl-P and Ctrl-Q are Docker's own detach keys; ^V takes them as text for the terminal.
    stdin.write_all(b"a\x16\x10\x16\x11b\n").unwrap();
    seen += &wait_for(&mut child, "got:a^P^Qb");
    stdin.write_all(b"\x03").unwrap();
    seen += &wait_for(&mut child, "caught");
    stdin.write_all(b"\x04").unwrap();
    seen += &wait_for(&mut child, "over");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(5), "{seen}");
    assert_eq!(host.jobs(), "");
}

/// Reads a child's output until it holds this.
fn wait_for(child: &mut Child, wanted: &str) -> String {
    let stdout = child.stdout.as_mut().unwrap();
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        if stdout.read(&mut byte).unwrap() == 0 {
            let mut errors = String::new();
            let _ = child.stderr.as_mut().unwrap().read_to_string(&mut errors);
            panic!(
                "{wanted:?} not in {:?}; {errors}",
                String::from_utf8_lossy(&seen)
            );
        }
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}
