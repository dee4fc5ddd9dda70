//! Which commit a file of `desired-state/` is of, where that folder lies in a git repository.
//!
//! # Guarantees
//! Only a file that is, byte for byte, in the newest commit has one. Nobody who may write to the
//! repository gets anything run by asking: no filter, hook or monitor of its configuration is used,
//! nothing is fetched, and nothing is written. Without git, or an answer in time, there is no commit.

use std::path::{Component, Path};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::admin::NewEntry;
use crate::model::Who;
use crate::specs::{FileSeen, FolderSeen, yaml};

/// Until all of git's answers are there.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many digits of a commit are shown.
const SHORT: &str = "--short=12";
/// Over whatever the repository says. It may be somebody else's: the daemon is root.
const SAFE: [&str; 5] = [
    "safe.directory=*",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "protocol.allow=never",
    "core.untrackedCache=false",
];

/// Where what one look at the folder found comes from.
pub(super) struct Origin<'a> {
    folder: &'a Path,
    files: &'a [FileSeen],
    /// Git did not answer in time: it is not asked again in this look, others wait for its end.
    silent: bool,
}

impl<'a> Origin<'a> {
    /// Of what was seen of a folder.
    pub(super) fn of(folder: &'a Path, seen: &'a FolderSeen) -> Self {
        let files = match seen {
            FolderSeen::Read { files, .. } => files.as_slice(),
            FolderSeen::Unknown(_) => &[],
        };
        Origin {
            folder,
            files,
            silent: false,
        }
    }

    /// Names the commit in entries that a file of the folder led to. Git is asked only when there are
    /// any: a folder in which nothing changes costs nothing.
    pub(super) async fn sign(&mut self, path: &Path, entries: &mut [NewEntry]) {
        if entries.is_empty() || self.silent {
            return;
        }
        let Some(seen) = self.files.iter().find(|file| file.path == path) else {
            return;
        };
        let Some(bytes) = yaml::read_again(self.folder, seen) else {
            return;
        };
        match of(self.folder, path, &bytes).await {
            Ok(Some(commit)) => {
                for entry in entries {
                    entry.who = Who::Commit {
                        file: path.to_owned(),
                        commit: commit.clone(),
                    };
                }
            }
            Ok(None) => {}
            Err(_) => {
                tracing::warn!("git does not answer; who committed a file is not recorded");
                self.silent = true;
            }
        }
    }
}

/// The newest commit, if it holds the file at `path` below `folder` with exactly these bytes.
///
/// Safe to cancel: git is killed then.
///
/// # Errors
/// When git does not answer in time.
pub(super) async fn of(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<Option<String>, Elapsed> {
    if !in_a_repository(folder) {
        return Ok(None);
    }
    timeout(PATIENCE, ask(folder, path, bytes)).await
}

/// Whether git has anything to say there: without a repository no program is started.
fn in_a_repository(folder: &Path) -> bool {
    let folder = folder.canonicalize();
    folder.is_ok_and(|folder| folder.ancestors().any(|at| at.join(".git").exists()))
}

async fn ask(folder: &Path, path: &Path, bytes: &[u8]) -> Option<String> {
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    let path = path.to_str().filter(|_| plain)?;
    let commit = git(
        folder,
        &["rev-parse", "--verify", SHORT, "HEAD^{commit}"],
        None,
    )
    .await?;
    let there = format!("{commit}:./{path}");
    let there = git(folder, &["rev-parse", "--verify", &there], None).await?;
    let here = git(
        folder,
        &["hash-object", "--no-filters", "--stdin"],
        Some(bytes),
    )
    .await?;
    (there == here).then_some(commit)
}

/// What git says, if it says one word.
async fn git(folder: &Path, arguments: &[&str], input: Option<&[u8]>) -> Option<String> {
    let mut command = Command::new("git");
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C");
    for setting in SAFE {
        command.args(["-c", setting]);
    }
    command.arg("-C").arg(folder).args(arguments);
    command
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(bytes).await.ok()?;
        drop(stdin);
    }
    let output = child.wait_with_output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let word = text.trim();
    let hex = !word.is_empty() && word.chars().all(|c| c.is_ascii_hexdigit());
    (output.status.success() && hex).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::{Change, Outcome};

    /// What is said in time.
    async fn told(folder: &Path, path: &Path, bytes: &[u8]) -> Option<String> {
        of(folder, path, bytes).await.unwrap()
    }

    /// Runs git as a person does.
    fn git(folder: &Path, arguments: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=p", "-c", "user.email=p@example.org"])
            .args([
                "-c",
                "init.defaultBranch=main",
                "-c",
                "commit.gpgSign=false",
            ])
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn a_file_as_it_is_in_the_newest_commit_has_that_commit_and_no_other_has_one() {
        let repository = tempfile::tempdir().unwrap();
        let root = repository.path();
        let folder = root.join("desired-state");
        fs::create_dir_all(folder.join("lab")).unwrap();
        let path = Path::new("lab/genomics.yaml");
        fs::write(folder.join(path), "one\n").unwrap();
        assert_eq!(told(&folder, path, b"one\n").await, None, "no repository");
        git(root, &["init", "--quiet"]);
        assert_eq!(told(&folder, path, b"one\n").await, None, "no commit");
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "first"]);
        let first = git(root, &["rev-parse", "--short=12", "HEAD"]);
        assert_eq!(told(&folder, path, b"one\n").await, Some(first.clone()));
        // Changed since, whether staged or not, or not in it at all.
        fs::write(folder.join(path), "two\n").unwrap();
        assert_eq!(told(&folder, path, b"two\n").await, None);
        git(root, &["add", "."]);
        assert_eq!(told(&folder, path, b"two\n").await, None);
        assert_eq!(told(&folder, Path::new("new.yaml"), b"one\n").await, None);
        assert_eq!(told(&folder, Path::new("../x"), b"one\n").await, None);
        git(root, &["commit", "--quiet", "-m", "second"]);
        let second = git(root, &["rev-parse", "--short=12", "HEAD"]);
        assert_ne!(first, second);
        assert_eq!(told(&folder, path, b"two\n").await, Some(second.clone()));
        // Refs that git has packed are refs.
        git(root, &["pack-refs", "--all"]);
        git(root, &["gc", "--quiet"]);
        assert_eq!(told(&folder, path, b"two\n").await, Some(second));
    }

    #[tokio::test]
    async fn what_a_repository_s_configuration_names_is_not_run() {
        let repository = tempfile::tempdir().unwrap();
        let root = repository.path();
        fs::write(root.join("a.yaml"), "one\n").unwrap();
        git(root, &["init", "--quiet"]);
        fs::write(root.join(".gitattributes"), "* filter=f diff=f\n").unwrap();
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "first"]);
        let ran = root.join("ran");
        let touch = format!("touch {}; cat", ran.display());
        for key in [
            "core.fsmonitor",
            "filter.f.clean",
            "filter.f.smudge",
            "diff.f.textconv",
            "diff.external",
        ] {
            git(root, &["config", key, &touch]);
        }
        assert!(told(root, Path::new("a.yaml"), b"one\n").await.is_some());
        assert!(!ran.exists());
    }

    #[tokio::test]
    async fn an_entry_names_the_commit_of_the_bytes_that_were_admitted_and_of_no_others() {
        let repository = tempfile::tempdir().unwrap();
        let folder = repository.path();
        let path = Path::new("genomics.yaml");
        fs::write(folder.join(path), "name: one\n").unwrap();
        git(folder, &["init", "--quiet"]);
        git(folder, &["add", "."]);
        git(folder, &["commit", "--quiet", "-m", "first"]);
        let commit = git(folder, &["rev-parse", "--short=12", "HEAD"]);
        let seen = yaml::read_folder(folder);
        let name = "genomics".parse().unwrap();
        let entries = || {
            let mut entry = NewEntry::of(&name, Outcome::Done, "m".to_owned(), Change::Noted);
            entry.who = Who::File(path.to_owned());
            vec![entry]
        };
        let mut signed = entries();
        Origin::of(folder, &seen).sign(path, &mut signed).await;
        let who = signed[0].who.to_string();
        assert_eq!(who, format!("file:genomics.yaml@{commit}"));
        // It became another file after it was admitted, and that is committed.
        fs::write(folder.join(path), "name: two\n").unwrap();
        git(folder, &["commit", "--quiet", "-a", "-m", "second"]);
        let mut late = entries();
        Origin::of(folder, &seen).sign(path, &mut late).await;
        assert_eq!(late, entries());
    }
}
