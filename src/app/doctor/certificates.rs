//! Certificates that a person has to replace: the authority's, and those that the settings name. The
//! servers' own are renewed by the daemon.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use super::finding;
use crate::admin::Authority;
use crate::admin::authority::PUBLIC_FILE;
use crate::cli::{Finding, Health};
use crate::model::Timestamp;
use crate::settings::Settings;

/// Servers' certificates hold a year: from here on, they end with the authority.
const AUTHORITY_NOTICE: TimeDelta = TimeDelta::days(365);
/// Whoever renews by a program does so a month before the end: this late, it has failed.
const GIVEN_NOTICE: TimeDelta = TimeDelta::days(21);

/// A certificate, and what a person does about its end.
struct Watched {
    what: &'static str,
    path: PathBuf,
    notice: TimeDelta,
    next: String,
}

/// Looks at the authority's certificate, or at the given ones.
pub(super) fn certificates(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let all = match &settings.tls {
        None => vec![Watched {
            what: "authority",
            path: settings.state_dir.join(PUBLIC_FILE),
            notice: AUTHORITY_NOTICE,
            next: format!(
                "move {} away and start the daemon, which makes another one; then give all clients \
                 its certificate: db4sci ca export",
                super::super::authority::key_file(settings).display()
            ),
        }],
        Some(given) => {
            let next = "put its successor there; running servers follow within minutes";
            let of = |what, path: &Path| Watched {
                what,
                path: path.to_owned(),
                notice: GIVEN_NOTICE,
                next: next.to_owned(),
            };
            vec![
                of("certificate", &given.certificate),
                of("authority", &given.authority),
            ]
        }
    };
    all.iter().map(|watched| look(watched, now)).collect()
}

fn look(watched: &Watched, now: Timestamp) -> Finding {
    let (what, shown) = (watched.what, watched.path.display());
    let text = match fs::read_to_string(&watched.path) {
        Ok(text) => text,
        Err(error) => {
            let (health, next) = match error.kind() {
                ErrorKind::PermissionDenied => (Health::Warn, "run this as the daemon's user"),
                ErrorKind::NotFound if what == "authority" => (
                    Health::Warn,
                    "it is made by the daemon's start, or: db4sci init",
                ),
                _ => (Health::Bad, "put it there: see `tls:` of the settings"),
            };
            return finding(what, health, format!("{shown}: {error}"), Some(next));
        }
    };
    match Authority::unread().look(&text) {
        Some(seen) => lasts(watched, seen.until, now),
        None => finding(
            what,
            Health::Bad,
            format!("{shown} holds no certificate"),
            Some(&watched.next),
        ),
    }
}

/// What is to be said about a certificate that holds until then.
fn lasts(watched: &Watched, until: Timestamp, now: Timestamp) -> Finding {
    let (shown, day) = (watched.path.display(), until.format("%F %R UTC"));
    let left = until - now;
    let next = Some(watched.next.as_str());
    if left <= TimeDelta::zero() {
        let message = format!("{shown} ended {day}: clients that verify servers are refused");
        finding(watched.what, Health::Bad, message, next)
    } else if left < watched.notice {
        let days = left.num_days();
        let message = format!("{shown} ends {day}, in {days} days");
        finding(watched.what, Health::Warn, message, next)
    } else {
        finding(
            watched.what,
            Health::Ok,
            format!("{shown}, until {day}"),
            None,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(n)
    }

    fn watched(path: &Path) -> Watched {
        Watched {
            what: "authority",
            path: path.to_owned(),
            notice: TimeDelta::days(30),
            next: "make another one".to_owned(),
        }
    }

    #[test]
    fn an_end_is_told_before_it_comes_and_is_an_error_afterwards() {
        let watched = watched(Path::new("/x/ca.crt"));
        for (now, health, words) in [
            (0, Health::Ok, "until 1970-04-11 00:00 UTC"),
            (70, Health::Ok, "until"),
            (71, Health::Warn, "ends 1970-04-11 00:00 UTC, in 29 days"),
            (99, Health::Warn, "in 1 days"),
            (100, Health::Bad, "ended 1970-04-11"),
            (400, Health::Bad, "refused"),
        ] {
            let found = lasts(&watched, day(100), day(now));
            assert_eq!(found.health, health, "day {now}: {}", found.message);
            assert!(found.message.contains(words), "{}", found.message);
            let next = (health != Health::Ok).then_some("make another one");
            assert_eq!(found.next.as_deref(), next, "day {now}");
        }
    }

    #[test]
    fn a_file_is_read_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (authority, _) = Authority::open(dir.path(), "lab", day(9)).unwrap();
        let path = dir.path().join("ca.crt");
        let mut watched = watched(&path);
        let missing = look(&watched, day(0));
        assert_eq!(missing.health, Health::Warn);
        assert!(missing.next.unwrap().contains("db4sci init"));
        watched.what = "certificate";
        assert_eq!(look(&watched, day(0)).health, Health::Bad);
        fs::write(&path, "not one").unwrap();
        let found = look(&watched, day(0));
        assert_eq!(found.health, Health::Bad);
        assert!(found.message.contains("no certificate"));
        fs::write(&path, authority.certificate().unwrap()).unwrap();
        let until = authority.until().unwrap();
        assert_eq!(look(&watched, day(0)).health, Health::Ok);
        assert_eq!(
            look(&watched, until - TimeDelta::days(3)).health,
            Health::Warn
        );
        assert_eq!(look(&watched, until).health, Health::Bad);
    }
}
