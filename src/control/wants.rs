//! What a row of the ledger asks of the planner, and what it shows.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::admin::Book;
use crate::admin::book::Row;
use crate::execute::Executor;
use crate::model::view::{
    Condition, ConditionStatus, DatabaseView, Evidence, NewestBackups, Phase,
};
use crate::model::{
    Attempts, BackupId, BackupState, Coming, ContainerSeen, DataSeen, Database, DbName, End,
    Expectations, Hibernation, Seen, SeenDatabase, Site, Timestamp,
};
use crate::observe::Observer;
use crate::plan::backups::Known;
use crate::plan::blast::{Leave, Pass};
use crate::plan::stewardship::House;
use crate::plan::{self, Hands, Wanted, Whose, history};
use crate::runtime::DataDirs;

use super::view::view;

/// What the folder of specs says about a database whose file changed its name or went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStanding {
    /// Its file is gone.
    Orphan,
    /// A file, by its path below the folder, that was its own names another database now.
    RenamedTo(DbName, PathBuf),
}

/// How a database looks to somebody who only looks.
pub fn view_of(row: &Row, seen: &SeenDatabase, site: &Site, now: Timestamp) -> DatabaseView {
    let wanted = wanted(row, None, false, None);
    let verdict = plan::plan(&wanted, seen, site, now);
    view(&wanted, seen, &verdict, site, None, now)
}

/// What is there of a database. Of one that was released nothing is db4sci's to look at.
pub(super) async fn seen(observer: &Observer, row: &Row, ledger_writable: bool) -> SeenDatabase {
    match row.end {
        Some(End::Ejected(_)) => SeenDatabase::unseen("it was released from db4sci"),
        Some(End::Removing | End::Removed(_)) | None => {
            let look = observer.look(&row.database, Attempts::default(), ledger_writable);
            look.await
        }
    }
}

/// What was kept when a database was given up, as long as it is; of `mydb_admin`, which comes back by
/// itself, after that, too. One that cannot be read is not shown.
pub(super) async fn kept(row: &Row, executor: &Executor) -> Option<Evidence> {
    if row.quarantined.is_none() && !row.database.name.is_mydb_admin() {
        return None;
    }
    let kept = executor.dirs.evidence(&executor.site, &row.database);
    kept.await.ok().flatten()
}

/// The condition that says whether the data is whole.
const DATA_SAFE: &str = "DataSafe";

/// No restore test is put off, as far as a look knows.
static NONE: BTreeSet<BackupId> = BTreeSet::new();

/// What is known of a database's backups, as far as a plan and its condition need it.
fn known<'a>(row: &'a Row, house: &'a House, answers: bool, now: Timestamp) -> Known<'a> {
    let db = &row.database;
    Known {
        untested: &NONE,
        db,
        since: row.initialised_at.unwrap_or(now),
        backups: &row.backups,
        stores: if db.backup.stores.is_empty() {
            &house.stores
        } else {
            &db.backup.stores
        },
        answers,
        initialised: row.initialised,
        given_up: None,
        earlier: &row.earlier_finals,
        retirement: super::desk::retirement(row),
        hibernation: row.hibernation(),
        last: row.retired.as_ref().and_then(|(_, last)| last.as_ref()),
        frozen: false,
        tombstone: row.tombstone,
        keep: house.keep,
        unsaved: 0,
        cut_off: false,
    }
}

/// What is to become of a database besides the planner's steps. Hands off the host let nothing begin.
pub(super) fn coming(
    row: &Row,
    house: &House,
    phase: Phase,
    frozen: bool,
    now: Timestamp,
) -> Vec<Coming> {
    if row.host.is_some() {
        return Vec::new();
    }
    let given_up = row.quarantined.as_ref().map(|(since, _)| *since);
    let known = Known {
        given_up: given_up.filter(|_| phase == Phase::Held),
        frozen,
        ..known(row, house, row.initialised && phase == Phase::Ready, now)
    };
    plan::backups::coming(&known, now)
}

/// The condition that says whether the backups are new enough.
pub(super) fn fresh(
    row: &Row,
    house: &House,
    before: Option<&DatabaseView>,
    now: Timestamp,
) -> Condition {
    let known = known(row, house, true, now);
    let (status, reason, message) = plan::backups::fresh(&known, now);
    let earlier = before.and_then(DatabaseView::backup_fresh);
    Condition {
        kind: DatabaseView::BACKUP_FRESH.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        last_transition_time: match earlier {
            Some(earlier) if earlier.status == status => earlier.last_transition_time,
            Some(_) | None => now,
        },
    }
}

/// Says of `mydb_admin` what is wrong with the journal, of which all of it is made.
pub(super) fn journal_harmed(
    shown: &mut DatabaseView,
    harm: Option<String>,
    before: Option<&DatabaseView>,
    now: Timestamp,
) {
    let safe = |c: &&mut Condition| c.kind == DATA_SAFE;
    let (Some(harm), Some(condition)) = (harm, shown.conditions.iter_mut().find(safe)) else {
        return;
    };
    let earlier = before.and_then(|view| view.conditions.iter().find(|c| c.kind == DATA_SAFE));
    condition.status = ConditionStatus::False;
    (condition.reason, condition.message) = ("JournalHarmed".to_owned(), harm);
    let earlier = earlier.filter(|c| c.status == ConditionStatus::False);
    condition.last_transition_time = earlier.map_or(now, |c| c.last_transition_time);
}

/// The newest backups of a database.
pub(super) fn newest(row: &Row) -> NewestBackups {
    let own = row.backups.values();
    let own = own.filter(|b| b.uid == row.database.uid && b.state.good());
    NewestBackups {
        last: own.clone().map(|b| b.started).max(),
        last_verified: own
            .filter(|b| b.state == BackupState::Verified)
            .map(|b| b.started)
            .max(),
    }
}

/// What is wanted of a database, from its row and its file; `rests` while it is dumped at rest.
pub(super) fn wanted<'a>(
    row: &'a Row,
    standing: Option<&'a FileStanding>,
    rests: bool,
    whose: Option<&'a Whose>,
) -> Wanted<'a> {
    let own = row.backups.values();
    let good = own.filter(|b| b.uid == row.database.uid && b.state.good());
    Wanted {
        db: &row.database,
        over: row.word(),
        whole_host: row.host.is_some(),
        approved: row.approved.as_ref().map(|a| (a.hash.as_str(), a.at)),
        leave: Leave::Free,
        saved: good.map(|b| b.started).max(),
        initialised: row.initialised,
        identity: row.identity.as_ref(),
        quarantined: row.quarantined.as_ref().map(|(_, why)| why.as_str()),
        refused: row.refused.as_deref(),
        restart_asked: row.restart_asked,
        retry_asked: row.retry_asked,
        hands: match (&row.restoring, row.becomes()) {
            _ if row.ejecting.is_some() => Some(Hands::Eject),
            (Some((from, _)), _) => Some(Hands::Restore(from)),
            (None, Some(to)) => Some(Hands::Rename(to)),
            (None, None) => rests.then_some(Hands::Dump),
        },
        retired: row.retired.is_some(),
        hibernates: match row.hibernation() {
            Hibernation::Done(backup) => Some(backup),
            Hibernation::None | Hibernation::Asked(_) => None,
        },
        end: row.end,
        accounts: &row.accounts,
        rotating: row.secrets.values().any(|kept| kept.next.is_some()),
        orphan: matches!(standing, Some(FileStanding::Orphan)),
        renamed_to: match standing {
            Some(FileStanding::RenamedTo(new, _)) => Some(new.as_str()),
            Some(FileStanding::Orphan) | None => None,
        },
        whose,
    }
}

/// Whose data lies in a database's place, if it is that of another one in the ledger.
pub(super) async fn whose(
    dirs: &dyn DataDirs,
    book: &Book,
    db: &Database,
    lies: &Seen<DataSeen>,
) -> Option<Whose> {
    let inner = lies.present()?.inner_uid.filter(|uid| *uid != db.uid)?;
    let mut others = book.rows().filter(|(name, _)| **name != db.name);
    let (name, owner) = others.find(|(_, row)| row.database.uid == inner && row.end.is_none())?;
    // What cannot be looked at may be missing.
    let has = match dirs.look(&owner.database, None).await {
        Seen::Present(data) => data.sentinel && data.inner_uid == Some(inner),
        Seen::Absent | Seen::Unknown(_) => false,
    };
    Some(Whose {
        name: name.clone(),
        place: owner.database.data_dir(),
        misses: !has,
    })
}

/// The container of a database, the running one first.
pub(super) fn running_of<'s>(db: &Database, seen: &'s SeenDatabase) -> Option<&'s ContainerSeen> {
    let all = seen.containers.present()?;
    let ours = all.iter().filter(|c| c.uid() == Some(db.uid));
    ours.max_by_key(|c| c.status == crate::model::Status::Running)
}

/// How long a database may be away, from what was measured of it and of others of its engine.
pub(super) fn expected(book: &Book, db: &Database) -> Expectations {
    let own = book.row(&db.name).map_or(&[][..], |row| &row.took);
    let others = || {
        let of_engine = book
            .rows()
            .filter(|(name, row)| **name != db.name && row.database.engine == db.engine);
        of_engine.flat_map(|(_, row)| &row.took)
    };
    history::expected(own, others)
}

/// The disruptions of late, as the ledger knows them.
pub(super) fn pass(book: &Book, now: Timestamp) -> Pass {
    let rows = book.rows().map(|(name, row)| {
        let waits = row.reason == Some(crate::model::Reason::NeedsApproval);
        (name, row.disrupted_at, waits)
    });
    Pass::of(rows, now)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::admin::testing::{admitted, book};
    use crate::model::guard::INNER_UID;
    use crate::runtime::fixture::{database, site};
    use crate::runtime::host::HostDirs;

    /// A database whose first start is over.
    async fn made(dirs: &HostDirs, name: &str, volume: &Path) -> Database {
        let db = database(name, volume);
        dirs.prepare(&db).await.unwrap();
        let (data, _) = db.data_mounts().next().unwrap();
        fs::write(data.join(&db.layout.sentinel), "17").unwrap();
        dirs.mark_initialised(&db).await.unwrap();
        db
    }

    #[test]
    fn harm_of_the_journal_shows_since_it_was_seen() {
        let at = |minute: u32| format!("2026-11-22T20:{minute:02}:00Z").parse().unwrap();
        let view = || {
            let db = database("genomics", Path::new("/data"));
            let book = book(vec![admitted(db.clone())]);
            let seen = SeenDatabase::unseen("not looked at");
            let mut view = view_of(
                book.row(&db.name).unwrap(),
                &seen,
                &site(Path::new("/state")),
                at(0),
            );
            view.conditions = vec![Condition {
                kind: DATA_SAFE.to_owned(),
                status: ConditionStatus::True,
                reason: String::new(),
                message: String::new(),
                last_transition_time: at(0),
            }];
            view
        };
        let since = |view: &DatabaseView| view.conditions[0].last_transition_time;
        let harmed = |before: &DatabaseView, now| {
            let mut shown = view();
            journal_harmed(&mut shown, Some("cut".to_owned()), Some(before), now);
            assert_eq!(shown.conditions[0].status, ConditionStatus::False);
            shown
        };
        let first = harmed(&view(), at(1));
        assert_eq!(since(&first), at(1));
        assert_eq!(since(&harmed(&first, at(2))), at(1));
    }

    #[tokio::test]
    async fn data_in_the_wrong_place_is_known_and_whether_its_owner_misses_it() {
        let temp = tempfile::tempdir().unwrap();
        let (volume, state) = (temp.path().join("volume"), temp.path().join("state"));
        fs::create_dir(&volume).unwrap();
        fs::create_dir(&state).unwrap();
        let dirs = HostDirs::new(&state);
        let admin = made(&dirs, "mydb_admin", &volume).await;
        let genomics = made(&dirs, "genomics", &volume).await;
        let book = book(vec![admitted(genomics.clone())]);
        let whose = async || whose(&dirs, &book, &admin, &dirs.look(&admin, None).await).await;
        assert_eq!(whose().await, None);

        // A copy of it.
        let (own, _) = admin.data_mounts().next().unwrap();
        let uid = format!("{}\n", genomics.uid);
        fs::write(own.join(INNER_UID), &uid).unwrap();
        let found = whose().await.unwrap();
        assert_eq!((found.name.as_str(), found.misses), ("genomics", false));
        assert_eq!(found.place, genomics.data_dir());
        // All that there is of it.
        fs::remove_dir_all(genomics.data_dir()).unwrap();
        assert!(whose().await.unwrap().misses);
        // Nobody's that is known.
        let uid = uid.replace(['1', '2', '3', '4'], "0");
        fs::write(own.join(INNER_UID), uid).unwrap();
        assert_eq!(whose().await, None);
    }
}
