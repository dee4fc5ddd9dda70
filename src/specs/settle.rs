//! What somebody is still writing: it is not taken before it has been quiet for a moment.
//!
//! Editors, `rsync --inplace` and `git checkout` write where the file lies, and half of a spec may well
//! be a spec. Until a file is quiet, what was in force stays in force; it is neither refused nor absent.
//! A writer that pauses for longer than that is not noticed: whoever can, renames the whole file into place.

use chrono::TimeDelta;

use super::merge::FolderSeen;
use crate::model::Timestamp;

/// How long a file must not have changed.
const QUIET: TimeDelta = TimeDelta::seconds(2);
/// How long git's own lock is believed: one that a killed git left would hold everything for good.
const GIT: TimeDelta = TimeDelta::seconds(60);

/// Leaves out what is being written; and when to look again, if something was left out. `git_since`: when git
/// began to write there, if its lock lies there.
pub fn settle(
    seen: FolderSeen,
    git_since: Option<Timestamp>,
    now: Timestamp,
) -> (FolderSeen, Option<TimeDelta>) {
    if git_since.is_some_and(|since| (now - since).abs() < GIT) {
        let why = "git is writing there: its index.lock lies there, and is believed for a minute";
        return (FolderSeen::Unknown(why.to_owned()), Some(QUIET));
    }
    let FolderSeen::Read { mut files, unread } = seen else {
        return (seen, None);
    };
    let mut again = None;
    for file in &mut files {
        // A file system whose clock is a little ahead must not make it look old.
        let age = file.changed.map(|changed| (now - changed).abs());
        if let Some(age) = age.filter(|age| *age < QUIET) {
            // It is there, and nothing is known of what it says.
            file.spec = Err(Vec::new());
            again = again.max(Some(QUIET - age));
        }
    }
    (FolderSeen::Read { files, unread }, again)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::merge::{FileSeen, merge};
    use super::super::testing::named;
    use super::*;
    use crate::model::{DbName, Source};

    fn now() -> Timestamp {
        "2026-11-22T20:00:00Z".parse().unwrap()
    }

    /// A folder with files of these names, changed so many milliseconds ago.
    fn folder(files: &[(&str, i64)]) -> FolderSeen {
        let files = files.iter().map(|(name, ago)| {
            let path = Path::new(name);
            let stem = path.file_stem().unwrap().to_str().unwrap();
            FileSeen {
                path: path.to_owned(),
                hash: String::new(),
                changed: Some(now() - TimeDelta::milliseconds(*ago)),
                spec: super::super::parse(&named(stem, ""), path),
            }
        });
        FolderSeen::Read {
            files: files.collect(),
            unread: Vec::new(),
        }
    }

    /// The names that are taken, what is wrong, and how many orphans there are.
    fn taken(seen: &FolderSeen, accepted: &[&str]) -> (Vec<String>, usize, usize) {
        let of = |name: &&str| -> (DbName, Source) {
            let file = Source::File(format!("{name}.yaml").into());
            (name.parse().unwrap(), file)
        };
        let accepted: BTreeMap<DbName, Source> = accepted.iter().map(of).collect();
        let merged = merge(seen, Path::new("desired-state"), &accepted);
        let names = merged.candidates.iter().map(|c| c.name.to_string());
        (names.collect(), merged.problems.len(), merged.orphans.len())
    }

    #[test]
    fn a_file_that_changed_a_moment_ago_is_taken_once_it_is_quiet() {
        for (ago, is_taken) in [
            (0, false),
            (1999, false),
            (2000, true),
            (86_400_000, true),
            // Its file system's clock is ahead, a little or by far.
            (-1999, false),
            (-2000, true),
        ] {
            let (seen, again) = settle(folder(&[("a.yaml", ago)]), None, now());
            let names = taken(&seen, &["a"]).0;
            assert_eq!(names.len(), usize::from(is_taken), "{ago}");
            let wait = TimeDelta::milliseconds(2000 - ago.abs());
            assert_eq!(again, (!is_taken).then_some(wait), "{ago}");
        }
    }

    #[test]
    fn while_a_file_is_written_no_other_takes_its_database() {
        let copy = |ago| {
            let FolderSeen::Read { mut files, unread } =
                folder(&[("a.yaml", ago), ("old/a.yaml", 9000)])
            else {
                panic!();
            };
            files.sort_by(|a, b| a.path.cmp(&b.path));
            settle(FolderSeen::Read { files, unread }, None, now()).0
        };
        // Two of a name: neither is taken, also while one is written.
        assert_eq!(taken(&copy(9000), &["a"]), (Vec::new(), 1, 0));
        assert_eq!(taken(&copy(5), &["a"]), (Vec::new(), 0, 0));
    }

    #[test]
    fn what_is_being_written_is_neither_refused_nor_gone_and_holds_up_no_other() {
        let (seen, _) = settle(folder(&[("a.yaml", 5), ("b.yaml", 9000)]), None, now());
        assert_eq!(taken(&seen, &["a", "b"]), (vec!["b".to_owned()], 0, 0));
        // One that half a spec makes unreadable is no problem either, before it is quiet.
        let FolderSeen::Read { mut files, unread } = folder(&[("a.yaml", 5)]) else {
            panic!("it was read");
        };
        files[0].spec = super::super::parse("metadata: {na", Path::new("a.yaml"));
        let half = FolderSeen::Read { files, unread };
        assert_eq!(taken(&half, &["a"]).1, 1);
        let (seen, _) = settle(half, None, now());
        assert_eq!(taken(&seen, &["a"]), (Vec::new(), 0, 0));
    }

    #[test]
    fn while_git_writes_nothing_follows_and_a_lock_that_was_left_behind_is_not_believed_for_long() {
        for (ago, writes) in [
            (0, true),
            (59, true),
            (60, false),
            (3600, false),
            (-60, false),
        ] {
            let since = now() - TimeDelta::seconds(ago);
            let (seen, again) = settle(folder(&[("a.yaml", 9000)]), Some(since), now());
            assert_eq!(matches!(seen, FolderSeen::Unknown(_)), writes, "{ago}");
            assert_eq!(again.is_some(), writes, "{ago}");
            let (names, _, orphans) = taken(&seen, &["a", "b"]);
            assert_eq!(names.is_empty(), writes, "{ago}");
            assert_eq!(orphans, usize::from(!writes), "{ago}");
        }
    }
}
