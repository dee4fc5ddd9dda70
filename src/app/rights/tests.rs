//! A whole daemon, without a container engine, and who is turned away by it.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::admin::testing::{name, new};
use crate::admin::{Ledger, MemoryStorage};
use crate::app::backend::Daemon;
use crate::app::parts::{Kept, Parts};
use crate::app::{authority, daemon as start, home};
use crate::http::api::backups::KeepRequest;
use crate::http::backend::{AppliedOutcome, Backend, Rotate};
use crate::http::document::Document;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::account::Rights;
use crate::model::view::WorkAsk;
use crate::model::{
    Backup, BackupId, BackupKind, BackupState, Change, Clock, OverrideState, Slot, SystemClock,
    Uid, Who,
};
use crate::runtime::docker::Docker;
use crate::settings::{Mode, Settings};

const SPEC: &str = "apiVersion: db4sci/v1\nkind: Database\nmetadata: {name: genomics}\nspec:\n  \
    engine: Postgres\n  owner: lab\n  contact: lab@example.org\n  access:\n  \
    - {who: eve, role: Viewer}\n  - {who: bob, role: User}\n  - {who: carol, role: Owner}\n";

pub(in crate::app) fn caller(user: &str) -> Caller {
    Caller {
        who: Who::Socket {
            uid: 1000,
            user: user.to_owned(),
        },
        user: user.to_owned(),
        root: user == "root",
        groups: Vec::new(),
    }
}

fn document(text: &str) -> Vec<Document> {
    vec![Document {
        origin: "genomics.yaml".into(),
        line: 1,
        text: text.to_owned(),
    }]
}

/// A daemon whose admin is `chief`, with the database `genomics` of `lab`.
pub(in crate::app) async fn daemon(folder: &Path) -> Arc<Daemon> {
    parts(folder).await.backend
}

/// The same, with all its tasks; none runs.
pub(in crate::app) async fn parts(folder: &Path) -> Parts {
    let state = folder.join("state").display().to_string();
    let env = [("DB4SCI_STATE_DIR".to_owned(), state)].into();
    let mut settings = Settings::load(folder, Mode::Test, &env).unwrap();
    settings.admins = vec!["chief".to_owned()];
    home::make_folder(&settings.state_dir, 0o700).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let opened = Ledger::open(MemoryStorage::default(), clock.clone()).await;
    let (ledger, _) = opened.unwrap();
    let vault = Arc::new(start::open_vault(&settings.state_dir, &ledger).unwrap());
    let opened = authority::open(&settings, "abc", clock.now()).unwrap();
    let site = settings.site("abc");
    let kept = Kept {
        ledger,
        vault,
        opened,
    };
    let docker = Docker::connect(Some("unix:///nowhere/docker.sock"));
    let stop = CancellationToken::new();
    let parts = Parts::assemble(settings, None, site, kept, docker, clock, stop).unwrap();
    parts.intake.mydb_admin().await.unwrap();
    let (root, spec) = (caller("root"), document(SPEC));
    let applied = parts.backend.apply(&root, &spec, "", false).await.unwrap();
    assert_eq!(applied[0].outcome, AppliedOutcome::Created);
    parts
}

/// A backup of `genomics`.
fn backup(uid: Uid, attempt: u32) -> Backup {
    let at = SystemClock.now();
    Backup {
        id: BackupId {
            name: name("genomics"),
            slot: Slot::at(at),
            attempt,
            store: "local".to_owned(),
        },
        uid,
        kind: BackupKind::Manual,
        state: BackupState::Verified,
        started: at,
        finished: Some(at),
        verified: Some(at),
        bytes: 1,
        sha256: None,
        url: String::new(),
        error: None,
        keep_until: None,
        note: String::new(),
    }
}

fn restore(from: &BackupId, copy: bool) -> WorkAsk {
    WorkAsk::Restore {
        from: from.clone(),
        copy: copy.then(|| name("loot")),
        only: None,
        image: None,
        reason: String::new(),
    }
}

fn turned_away<T>(answer: Result<T, Refusal>) -> bool {
    answer.is_err_and(|refusal| refusal.kind == RefusalKind::Forbidden)
}

/// Asks for a verb of a database; whether the caller was turned away.
async fn refused(daemon: &Daemon, caller: &Caller, of: &str, verb: &str) -> bool {
    let (of, why) = (name(of), "why".to_owned());
    let nothing: BackupId = "genomics-20261122T021500Z-1@local".parse().unwrap();
    let over = |state| daemon.set_override(caller, &of, state, None, "why".to_owned());
    let work = |ask| daemon.take_on(caller, &of, ask);
    match verb {
        "retry" => turned_away(daemon.retry(caller, &of, why).await),
        "connect" => turned_away(daemon.connection(caller, &of, false, None).await),
        "logs" => turned_away(daemon.logs(caller, &of, 10).await),
        "account list" => turned_away(daemon.accounts(caller, &of).await),
        "clone" => turned_away(
            work(WorkAsk::Clone {
                copy: name("loot"),
                from: None,
                live: false,
                reason: String::new(),
            })
            .await,
        ),
        "restore --as" => turned_away(work(restore(&nothing, true)).await),
        "start" => turned_away(over(OverrideState::Running).await),
        "restart" => turned_away(daemon.restart(caller, &of, why).await),
        "password" => turned_away(daemon.password(caller, &of, None, &why).await),
        "rotate" => turned_away(daemon.rotate(caller, &of, Rotate::All, why).await),
        "account add" => {
            let user = "further";
            turned_away(
                daemon
                    .add_account(caller, &of, user, Rights::ReadOnly, why)
                    .await,
            )
        }
        "account remove" => turned_away(daemon.remove_account(caller, &of, "further", why).await),
        "restore" => turned_away(work(restore(&nothing, false)).await),
        "rename" => turned_away(
            work(WorkAsk::Rename {
                to: name("other"),
                reason: why,
            })
            .await,
        ),
        "eject" => turned_away(
            work(WorkAsk::Eject {
                to: None,
                reason: why,
            })
            .await,
        ),
        "stop" => turned_away(over(OverrideState::Stopped).await),
        "maintenance" => turned_away(over(OverrideState::Maintenance).await),
        "resume" => turned_away(daemon.resume(caller, &of, why).await),
        "release" => turned_away(daemon.release(caller, &of, why).await),
        "release --to-rows" => turned_away(daemon.to_rows(caller, &of, why).await),
        "delete --forget" => turned_away(daemon.forget(caller, &of, why).await),
        "delete" => turned_away(daemon.delete(caller, &of, why).await),
        "undelete" => turned_away(daemon.undelete(caller, &of, why).await),
        "thaw" => turned_away(daemon.thaw(caller, "none", why).await),
        "maintenance --all" => turned_away(daemon.host_maintenance(caller, false, None, why).await),
        "key renew" => turned_away(daemon.renew_keys(caller, why).await),
        other => panic!("{other}"),
    }
}

const FOR_ALL: [&str; 1] = ["retry"];
const FOR_USERS: [&str; 7] = [
    "connect",
    "logs",
    "account list",
    "clone",
    "restore --as",
    "start",
    "restart",
];
const FOR_OWNERS: [&str; 15] = [
    "password",
    "rotate",
    "account add",
    "account remove",
    "restore",
    "rename",
    "eject",
    "stop",
    "maintenance",
    "resume",
    "release",
    "release --to-rows",
    "delete --forget",
    "delete",
    "undelete",
];
const FOR_ADMINS: [&str; 3] = ["thaw", "maintenance --all", "key renew"];

/// Asks for every verb of a database.
async fn all_refused(daemon: &Daemon, user: &str, of: &str) -> Vec<&'static str> {
    let mut refusals = Vec::new();
    let verbs = FOR_ALL.iter().chain(&FOR_USERS).chain(&FOR_OWNERS);
    for verb in verbs.chain(&FOR_ADMINS) {
        if refused(daemon, &caller(user), of, verb).await {
            refusals.push(*verb);
        }
    }
    refusals
}

#[tokio::test]
async fn each_verb_is_for_those_whom_the_runbook_names() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path()).await;
    let above_user = [&FOR_OWNERS[..], &FOR_ADMINS].concat();
    let above_all = [&FOR_USERS[..], &above_user].concat();
    for (user, refusals) in [
        ("mallory", &above_all[..]),
        ("eve", &above_all),
        ("bob", &above_user),
        ("carol", &FOR_ADMINS),
        ("lab", &FOR_ADMINS),
        ("chief", &[]),
        ("root", &[]),
    ] {
        assert_eq!(
            all_refused(&daemon, user, "genomics").await,
            refusals,
            "{user}"
        );
    }
}

#[tokio::test]
async fn mydb_admin_is_not_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path()).await;
    let members = caller("db4sci");
    for verb in FOR_USERS.iter().chain(&FOR_OWNERS) {
        for (who, away) in [(&members, true), (&caller("chief"), false)] {
            let refused = refused(&daemon, who, "mydb_admin", verb).await;
            assert_eq!(refused, away, "{verb} by {}", who.user);
        }
    }
}

#[tokio::test]
async fn a_spec_of_somebody_else_s_database_is_not_changed_by_apply() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path()).await;
    let theirs = SPEC.replace("owner: lab", "owner: mallory");
    let more = format!("{SPEC}  description: more\n");
    let new = SPEC.replace("genomics", "mine");
    let shared = SPEC.replace("who: bob, role: User", "who: mallory, role: User");
    for (user, text, dry_run, outcome) in [
        ("mallory", &theirs, false, AppliedOutcome::Refused),
        ("mallory", &shared, false, AppliedOutcome::Refused),
        ("bob", &more, false, AppliedOutcome::Refused),
        // What changes nothing, what only shows a plan, and a database of their own.
        (
            "mallory",
            &SPEC.to_owned(),
            false,
            AppliedOutcome::Unchanged,
        ),
        ("mallory", &theirs, true, AppliedOutcome::Configured),
        ("mallory", &new, false, AppliedOutcome::Created),
        ("lab", &more, false, AppliedOutcome::Configured),
        ("chief", &theirs, false, AppliedOutcome::Configured),
    ] {
        let documents = document(text);
        let applied = daemon.apply(&caller(user), &documents, "", dry_run).await;
        let applied = applied.unwrap().remove(0);
        assert_eq!(
            applied.outcome, outcome,
            "{user}: {text}: {:?}",
            applied.problems
        );
        let problems = applied.problems.iter().map(ToString::to_string);
        let told = problems.collect::<String>().contains("neither the owner");
        assert_eq!(told, outcome == AppliedOutcome::Refused, "{user}");
    }
    assert_eq!(daemon.database(&name("genomics")).unwrap().owner, "mallory");
}

#[tokio::test]
async fn data_of_an_earlier_database_of_a_name_is_the_admins() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path()).await;
    let own = backup(daemon.database(&name("genomics")).unwrap().uid, 1);
    let earlier = backup(Uid(uuid::Uuid::from_u128(7)), 2);
    for backup in [&own, &earlier] {
        let backup = Box::new(backup.clone());
        let entry = new("genomics", Change::Backup { backup });
        daemon.ledger.append(entry).await.unwrap();
    }
    let of = name("genomics");
    for (user, id, away) in [
        ("mallory", &own.id, true),
        ("lab", &own.id, false),
        ("lab", &earlier.id, true),
        ("chief", &earlier.id, false),
    ] {
        let caller = caller(user);
        let kept = daemon
            .keep_backup(&caller, id, KeepRequest::default())
            .await;
        assert_eq!(turned_away(kept), away, "keep {id} by {user}");
        for copy in [true, false] {
            let ask = restore(id, copy);
            let row = daemon.row_for_work(&caller, &of, &ask).await;
            assert_eq!(turned_away(row), away, "{ask:?} by {user}");
        }
    }
}

#[tokio::test]
async fn the_log_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path()).await;
    let own = backup(daemon.database(&name("genomics")).unwrap().uid, 1);
    let (id, kept) = (own.id.clone(), Box::new(own));
    let entry = new("genomics", Change::Backup { backup: kept });
    daemon.ledger.append(entry).await.unwrap();
    let (lab, chief, of) = (caller("lab"), caller("chief"), name("genomics"));
    let reason = || "INC-812".to_owned();
    let keep = KeepRequest {
        until: None,
        note: None,
        reason: reason(),
    };
    daemon.keep_backup(&lab, &id, keep).await.unwrap();
    daemon.renew_keys(&chief, reason()).await.unwrap();
    for ask in [
        WorkAsk::Backup {
            note: String::new(),
            reason: reason(),
        },
        WorkAsk::Verify {
            id: None,
            reason: reason(),
        },
    ] {
        daemon.take_on(&lab, &of, ask).await.unwrap();
    }
    let entries = daemon.events(None, 0, 100).await.unwrap();
    let said: Vec<&str> = entries.iter().map(|e| e.message.as_str()).collect();
    for words in [
        "is kept as the retention says: INC-812",
        " from now on: INC-812",
        "asked for a backup: INC-812",
        "asked for a restore test: INC-812",
    ] {
        assert!(said.iter().any(|m| m.ends_with(words)), "{words}: {said:?}");
    }
}
