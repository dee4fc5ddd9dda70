//! What became of the databases of a host that came back, as its log tells since then.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comeback::Lost;
use crate::model::view::Phase;
use crate::model::{BackupId, Change, DbName, Entry, Outcome, Timestamp};

/// How far a database is on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "how")]
pub enum Return {
    /// It is to come back, and nothing was put into its place yet.
    Asked,
    /// A backup is being put into its place.
    Begun {
        /// Which.
        from: BackupId,
    },
    /// A backup is in its place.
    Back {
        /// Which.
        from: BackupId,
    },
    /// Its data was there.
    Kept,
    /// `mydb_admin`: it began anew, and is filled from the journal.
    Anew,
    /// What was tried last came to nothing.
    Failed {
        /// Why.
        why: String,
    },
}

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Returned {
    /// How far it is.
    #[serde(flatten)]
    pub how: Return,
    /// Since when.
    pub since: Timestamp,
    /// The moment to which it came back, or comes.
    pub as_of: Option<Timestamp>,
    /// What was written and did not come back; `None`: that is not known yet.
    pub lost: Option<Lost>,
}

/// The whole host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Returns {
    /// When its memory came back.
    pub began: Timestamp,
    /// Up to when that knows; `None`: nothing told.
    pub as_of: Option<Timestamp>,
    /// The last moment at which the host is known to have lived before.
    pub lived: Option<Timestamp>,
    /// Those that come back by themselves.
    pub databases: BTreeMap<DbName, Returned>,
}

impl Returns {
    /// Nothing has happened yet since the entry that says so, if this is one.
    pub fn begun_by(entry: &Entry) -> Option<Self> {
        match entry.change {
            Change::HistoryChosen {
                store: None,
                as_of,
                lived,
            } => Some(Returns {
                began: entry.at,
                as_of,
                lived,
                databases: BTreeMap::new(),
            }),
            _ => None,
        }
    }

    /// Takes the next entry of the log.
    pub fn follow(&mut self, entry: &Entry) {
        let Some(name) = &entry.name else { return };
        let before = self.databases.get(name).map(|one| &one.how);
        let comes = before.is_some() || name.is_mydb_admin();
        let how = match (&entry.change, before) {
            (Change::RecoverAsked { .. }, _) => Return::Asked,
            (Change::RestoreBegan { from, .. }, _) if comes => Return::Begun { from: from.clone() },
            (Change::RestoreEnded { .. }, Some(Return::Begun { from })) => match entry.outcome {
                Outcome::Done => Return::Back { from: from.clone() },
                Outcome::Failed | Outcome::Refused | Outcome::Abandoned => Return::Failed {
                    why: entry.message.clone(),
                },
            },
            (Change::StartedOver { .. }, _) if name.is_mydb_admin() => Return::Anew,
            (Change::Observed { phase, .. }, Some(Return::Asked)) if *phase == Phase::Ready => {
                Return::Kept
            }
            (_, _) => return,
        };
        let back_to = match &how {
            Return::Back { from } | Return::Begun { from } => Some(from.slot.instant()),
            Return::Asked | Return::Kept | Return::Anew | Return::Failed { .. } => None,
        };
        let (as_of, lost) = match &how {
            // It is filled from the journal, whatever it was restored from.
            Return::Back { .. } | Return::Kept | Return::Anew if name.is_mydb_admin() => {
                let lost = self.as_of.map(|upto| Lost::between(Some(upto), self.lived));
                (self.as_of, lost.or(Some(Lost::Unknown)))
            }
            Return::Back { .. } => (back_to, Some(Lost::between(back_to, self.lived))),
            Return::Kept => (None, Some(Lost::Nothing)),
            Return::Asked | Return::Begun { .. } | Return::Anew | Return::Failed { .. } => {
                (back_to, None)
            }
        };
        let returned = Returned {
            how,
            since: entry.at,
            as_of,
            lost,
        };
        self.databases.insert(name.clone(), returned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Uid, Who};

    fn at(minute: u32) -> Timestamp {
        format!("2026-03-01T12:{minute:02}:00Z").parse().unwrap()
    }

    fn entry(minute: u32, name: &str, outcome: Outcome, change: Change) -> Entry {
        Entry {
            seq: u64::from(minute) + 1,
            at: at(minute),
            who: Who::Daemon,
            name: Some(name.parse().unwrap()),
            outcome,
            message: "the tool said no".to_owned(),
            change,
        }
    }

    fn id(name: &str) -> BackupId {
        format!("{name}-20260301T090000Z-1@local").parse().unwrap()
    }

    #[test]
    fn the_log_tells_who_came_back_to_when_and_who_is_still_on_the_way() {
        let uid = Uid(uuid::Uuid::nil());
        let began = entry(
            0,
            "mydb_admin",
            Outcome::Done,
            Change::HistoryChosen {
                store: None,
                as_of: Some(at(0) - chrono::TimeDelta::seconds(30)),
                lived: Some(at(0)),
            },
        );
        let mut all = Returns::begun_by(&began).unwrap();
        let asked = || Change::RecoverAsked { uid };
        let begins = |name: &str| Change::RestoreBegan {
            uid,
            from: id(name),
            aside: "/aside".into(),
        };
        let ended = || Change::RestoreEnded { uid };
        let ready = || Change::Observed {
            phase: Phase::Ready,
            reason: None,
        };
        use Outcome::{Done, Failed};
        for (minute, name, outcome, change) in [
            (1, "back", Done, asked()),
            (1, "kept", Done, asked()),
            (1, "failed", Done, asked()),
            (1, "begun", Done, asked()),
            (1, "waits", Done, asked()),
            (2, "mydb_admin", Done, begins("mydb_admin")),
            (2, "back", Done, begins("back")),
            (2, "kept", Done, ready()),
            (2, "failed", Done, begins("failed")),
            (3, "back", Failed, ended()),
            (3, "mydb_admin", Done, ended()),
            (4, "back", Done, begins("back")),
            (5, "back", Done, ended()),
            (5, "back", Done, ready()),
            (5, "failed", Failed, ended()),
            (6, "begun", Done, begins("begun")),
            // A person's restore of one that was not to come back by itself.
            (6, "other", Done, begins("other")),
            (7, "other", Done, ended()),
        ] {
            all.follow(&entry(minute, name, outcome, change));
        }
        let found: Vec<(String, Return, Option<Lost>)> = all
            .databases
            .iter()
            .map(|(name, one)| (name.to_string(), one.how.clone(), one.lost))
            .collect();
        let three_hours = Lost::AtMost { minutes: 180 };
        let expected = [
            ("back", Return::Back { from: id("back") }, Some(three_hours)),
            ("begun", Return::Begun { from: id("begun") }, None),
            (
                "failed",
                Return::Failed {
                    why: "the tool said no".to_owned(),
                },
                None,
            ),
            ("kept", Return::Kept, Some(Lost::Nothing)),
            (
                "mydb_admin",
                Return::Back {
                    from: id("mydb_admin"),
                },
                Some(Lost::AtMost { minutes: 1 }),
            ),
            ("waits", Return::Asked, None),
        ];
        let expected = expected.map(|(name, how, lost)| (name.to_owned(), how, lost));
        assert_eq!(found, expected);
        assert_eq!(all.databases["back"].since, at(5));
        let of_store = Change::HistoryChosen {
            store: Some("local".to_owned()),
            as_of: None,
            lived: None,
        };
        let thawed = entry(9, "mydb_admin", Done, of_store);
        assert_eq!(Returns::begun_by(&thawed), None);
    }
}
