//! A daemon in memory, for tests of the API and the command line.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::api::backups::KeepRequest;
use super::backend::{Applied, AppliedOutcome, Backend, Connection, Password, Rotate, Rotated};
use super::document::Document;
use super::peer::Caller;
use super::refusal::{Refusal, RefusalKind};
use super::serve::{Options, bind};
use crate::engine::Client;
use crate::model::account::{AccountView, Rights};
use crate::model::audit::AuditView;
use crate::model::session::Session;
use crate::model::view::{BackupView, DatabaseView, Snapshot, WorkAsk, WorkView};
use crate::model::{
    BackupId, Change, DbName, Entry, Outcome, OverrideState, Place, Problem, Secret, Timestamp, Who,
};
use crate::plan::approval;
use crate::plan::render::sample;

/// The password that no output but `connect --print` may show.
pub(crate) const PASSWORD: &str = "s3cret-word";

/// What somebody does to the world when the daemon looks anew.
type Look = Box<dyn Fn(&mut Snapshot, &DbName) + Send + Sync>;

/// The daemon.
pub(crate) struct Fake {
    snapshot: watch::Sender<Arc<Snapshot>>,
    head: watch::Sender<u64>,
    entries: Mutex<Vec<Entry>>,
    /// What a comparison of the log finds.
    pub(crate) audit: Mutex<AuditView>,
    pub(crate) sessions: Mutex<Vec<Session>>,
    /// What was asked of it, in words.
    pub(crate) asked: Mutex<Vec<String>>,
    /// What a look finds.
    pub(crate) look: Mutex<Look>,
    /// How often the specs were read.
    pub(crate) reads: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(databases: Vec<DatabaseView>) -> Arc<Self> {
        let snapshot = Snapshot {
            at: Some(sample::now()),
            databases,
            first_pass_done: true,
            mode: "test".to_owned(),
            instance: "abc".to_owned(),
            ..Snapshot::default()
        };
        Arc::new(Fake {
            snapshot: watch::Sender::new(Arc::new(snapshot)),
            head: watch::Sender::new(0),
            entries: Mutex::default(),
            audit: Mutex::default(),
            sessions: Mutex::default(),
            asked: Mutex::default(),
            look: Mutex::new(Box::new(|_, _| {})),
            reads: AtomicUsize::new(0),
        })
    }

    /// Changes what is shown.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot
            .send_modify(|snapshot| change(Arc::make_mut(snapshot)));
    }

    /// Writes an entry of the ledger.
    pub(crate) fn record(&self, at: Timestamp, name: Option<&str>, outcome: Outcome, text: &str) {
        let mut entries = self.entries.lock().unwrap();
        let seq = entries.len() as u64 + 1;
        entries.push(Entry {
            seq,
            at,
            who: Who::Daemon,
            name: name.map(sample::name),
            outcome,
            message: text.to_owned(),
            change: Change::Noted,
        });
        drop(entries);
        self.head.send_replace(seq);
    }

    /// Writes an entry of the ledger that changes something.
    pub(crate) fn change_recorded(&self, at: Timestamp, name: &str, change: Change) {
        self.record(at, Some(name), Outcome::Done, "");
        let mut entries = self.entries.lock().unwrap();
        entries.last_mut().unwrap().change = change;
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn said(&self, text: String) -> Result<String, Refusal> {
        self.asked.lock().unwrap().push(text.clone());
        Ok(text)
    }

    fn known(&self, name: &DbName) -> Result<DatabaseView, Refusal> {
        let snapshot = self.snapshot.borrow();
        let found = snapshot.databases.iter().find(|d| d.name == *name);
        found.cloned().ok_or_else(|| Refusal::no_database(name))
    }
}

#[async_trait]
impl Backend for Fake {
    fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    async fn read_specs(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    async fn look(&self, name: &DbName) -> Result<(), Refusal> {
        let look = self.look.lock().unwrap();
        self.change(|snapshot| look(snapshot, name));
        Ok(())
    }

    async fn apply(
        &self,
        Caller { who, .. }: &Caller,
        documents: &[Document],
        reason: &str,
        dry_run: bool,
    ) -> Result<Vec<Applied>, Refusal> {
        let mut results = Vec::new();
        for document in documents {
            // The fake's specs: `NAME OUTCOME`, or a line with `bad` anywhere.
            let bad = document.text.lines().position(|l| l.contains("bad"));
            let word = document.text.split_whitespace().next().unwrap_or_default();
            let name = word.parse::<DbName>().ok();
            self.said(format!("{who} apply {word} {reason:?} dry_run={dry_run}"))?;
            results.push(if let Some(line) = bad {
                let place = Place {
                    file: document.origin.clone(),
                    line: line as u64 + 1,
                    column: 3,
                };
                Applied {
                    name,
                    outcome: AppliedOutcome::Refused,
                    generation: None,
                    problems: vec![Problem::new("spec.engine", "`bad` is not an engine").at(place)],
                    view: None,
                }
            } else {
                let known = name.as_ref().and_then(|name| self.known(name).ok());
                let view = DatabaseView {
                    lane: Some(sample::lane(
                        word,
                        crate::model::Cost::None,
                        &["memory 2Gi -> 4Gi"],
                        Vec::new(),
                    )),
                    ..sample::ready(word, "Postgres", "17.5", 32020)
                };
                Applied {
                    name,
                    outcome: if known.is_some() {
                        AppliedOutcome::Configured
                    } else {
                        AppliedOutcome::Created
                    },
                    generation: Some(1),
                    problems: Vec::new(),
                    view: dry_run.then(|| Box::new(view)),
                }
            });
        }
        Ok(results)
    }

    async fn set_override(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        let until = until.map_or("resumed".to_owned(), |until| until.to_rfc3339());
        self.said(format!("{who} {name} {state:?} until {until}: {reason}"))
    }

    async fn delete(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} delete {name}: {reason}"))
    }

    async fn forget(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} forget {name}: {reason}"))
    }

    async fn undelete(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} undelete {name}: {reason}"))
    }

    async fn resume(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} resume {name}: {reason}"))
    }

    async fn restart(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        if name.is_mydb_admin() {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "mydb_admin restarts itself",
            ));
        }
        self.known(name)?;
        self.said(format!("{who} restart {name}: {reason}"))
    }

    async fn retry(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} retry {name}: {reason}"))
    }

    async fn release(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} release {name}: {reason}"))
    }

    async fn to_rows(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{who} to-rows {name}: {reason}"))
    }

    async fn approve(
        &self,
        Caller { who, .. }: &Caller,
        hash: &str,
        name: Option<&DbName>,
        reason: String,
    ) -> Result<String, Refusal> {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let named = approval::named(&snapshot.databases, hash, name);
        let named = named.map_err(|why| Refusal::new(RefusalKind::Conflict, why))?;
        let names: Vec<&str> = named.iter().map(|one| one.view.name.as_str()).collect();
        self.said(format!(
            "{who} approve {hash} {}: {reason}",
            names.join(", ")
        ))
    }

    async fn host_maintenance(
        &self,
        Caller { who, .. }: &Caller,
        off: bool,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        let until = until.map_or_else(String::new, |at| format!(" until {}", at.to_rfc3339()));
        self.said(format!("{who} hands off {off}{until}: {reason}"))
    }

    async fn rename_cost(&self, name: &DbName, to: &DbName) -> Result<String, Refusal> {
        Ok(format!("~ {name}  -> {to}: about 9 s, 3 connections now"))
    }

    async fn thaw(
        &self,
        Caller { who, .. }: &Caller,
        store: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        if store != "offsite" {
            let message = format!("there is no store `{store}` in the settings");
            return Err(Refusal::new(RefusalKind::Conflict, message));
        }
        self.said(format!("{who} thaw {store}: {reason}"))
    }

    async fn connection(
        &self,
        caller: &Caller,
        name: &DbName,
        from_job: bool,
        user: Option<&str>,
    ) -> Result<Connection, Refusal> {
        let view = self.known(name)?;
        let who = &caller.who;
        let user = user.map_or(String::new(), |user| format!(" user={user}"));
        self.said(format!("{who} connection {name} from_job={from_job}{user}"))?;
        let port = if from_job { 5432 } else { view.port };
        Ok(Connection {
            name: name.clone(),
            client: Client {
                program: "db4sci-test-client".to_owned(),
                args: vec!["-p".to_owned(), port.to_string()],
                env: [("PASSFILE".to_owned(), Connection::PASSFILE.to_owned())].into(),
                shell_args: Vec::new(),
                in_image: false,
                truststore: false,
                url: format!("postgresql://{name}@127.0.0.1:{port}/{name}"),
            },
            passfile: Secret::new(format!("127.0.0.1:{port}:{name}:{name}:{PASSWORD}\n")),
            authority: None,
            image: view.image_id,
            container: view.container,
        })
    }

    async fn authority(&self) -> Result<String, Refusal> {
        Ok("-----BEGIN CERTIFICATE-----\nof the daemon\n-----END CERTIFICATE-----\n".to_owned())
    }

    async fn password(
        &self,
        caller: &Caller,
        name: &DbName,
        user: Option<&str>,
        reason: &str,
    ) -> Result<Password, Refusal> {
        self.known(name)?;
        let who = &caller.who;
        let of = user.map_or(String::new(), |user| format!(" of {user}"));
        self.said(format!("{who} password {name}{of}: {reason}"))?;
        Ok(Password {
            user: user.map_or_else(|| name.to_string(), str::to_owned),
            password: Secret::new(PASSWORD),
        })
    }

    async fn accounts(&self, _: &Caller, name: &DbName) -> Result<Vec<AccountView>, Refusal> {
        self.known(name)?;
        let account = |user: &str, role: &str, own| AccountView {
            user: user.to_owned(),
            role: role.to_owned(),
            state: "there".to_owned(),
            own,
            since: sample::now() - chrono::TimeDelta::hours(3),
            password_shown: own.then(sample::now),
        };
        Ok(vec![
            account(name.as_str(), "Admin", true),
            account("reader", "ReadOnly", false),
        ])
    }

    async fn add_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        rights: Rights,
        reason: String,
    ) -> Result<Rotated, Refusal> {
        self.known(name)?;
        let who = &caller.who;
        let message = self.said(format!("{who} add {user} to {name} as {rights}: {reason}"))?;
        let account = Some(Password {
            user: user.to_owned(),
            password: Secret::new(PASSWORD),
        });
        Ok(Rotated { message, account })
    }

    async fn remove_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!(
            "{} remove {user} from {name}: {reason}",
            caller.who
        ))
    }

    async fn rotate(
        &self,
        caller: &Caller,
        name: &DbName,
        which: Rotate,
        reason: String,
    ) -> Result<Rotated, Refusal> {
        self.known(name)?;
        let who = &caller.who;
        let message = self.said(format!("{who} rotate {name} {which:?}: {reason}"))?;
        let account = (which != Rotate::Own).then(|| Password {
            user: name.to_string(),
            password: Secret::new(PASSWORD),
        });
        Ok(Rotated { message, account })
    }

    async fn audit(&self) -> AuditView {
        self.audit.lock().unwrap().clone()
    }

    async fn acknowledge(&self, caller: &Caller, reason: String) -> Result<String, Refusal> {
        self.said(format!("{} acknowledge: {reason}", caller.who))
    }

    async fn renew_keys(&self, caller: &Caller, reason: String) -> Result<String, Refusal> {
        self.said(format!("{} renew keys: {reason}", caller.who))
    }

    async fn sessions(&self, _: &Caller, name: &DbName) -> Result<Vec<Session>, Refusal> {
        self.known(name)?;
        Ok(self.sessions.lock().unwrap().clone())
    }

    async fn end_session(
        &self,
        caller: &Caller,
        name: &DbName,
        id: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        self.known(name)?;
        self.said(format!("{} end {id} of {name}: {reason}", caller.who))
    }

    async fn logs(&self, _: &Caller, name: &DbName, lines: u32) -> Result<String, Refusal> {
        self.known(name)?;
        Ok(format!("the last {lines} lines of {name}\n"))
    }

    async fn events(
        &self,
        name: Option<&DbName>,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Refusal> {
        let entries = self.entries.lock().unwrap();
        let mut found: Vec<Entry> = entries
            .iter()
            .rev()
            .filter(|entry| entry.seq > after_seq)
            .filter(|entry| name.is_none() || entry.name.as_ref() == name)
            .take(limit)
            .cloned()
            .collect();
        found.reverse();
        Ok(found)
    }

    async fn export(&self, name: &DbName) -> Result<serde_json::Value, Refusal> {
        self.known(name)?;
        Ok(serde_json::json!({
            "apiVersion": "db4sci/v1",
            "kind": "Database",
            "metadata": {"name": name},
            "spec": {"engine": "Postgres", "port": 32011, "phi": false},
        }))
    }

    async fn backups(&self, name: &DbName) -> Result<Vec<BackupView>, Refusal> {
        self.known(name)?;
        Ok(Vec::new())
    }

    async fn work(&self, name: &DbName, id: u64) -> Result<Option<WorkView>, Refusal> {
        self.known(name)?;
        let asked = self.asked.lock().unwrap().clone();
        let what = usize::try_from(id).ok().and_then(|id| asked.get(id));
        Ok(what.map(|what| WorkView {
            id,
            what: what.clone(),
            since: sample::now(),
            waits_for: None,
            progress: None,
            running: false,
            ok: Some(true),
            message: format!("done: {what}"),
        }))
    }

    async fn take_on(
        &self,
        Caller { who, .. }: &Caller,
        name: &DbName,
        ask: WorkAsk,
    ) -> Result<WorkView, Refusal> {
        self.known(name)?;
        let id = self.asked.lock().unwrap().len() as u64;
        Ok(WorkView {
            id,
            what: self.said(format!("{who} work {name}: {ask:?}"))?,
            since: sample::now(),
            waits_for: None,
            progress: None,
            running: true,
            ok: None,
            message: String::new(),
        })
    }

    async fn keep_backup(
        &self,
        Caller { who, .. }: &Caller,
        id: &BackupId,
        keep: KeepRequest,
    ) -> Result<String, Refusal> {
        let KeepRequest {
            until,
            note,
            reason,
        } = keep;
        self.said(format!(
            "{who} keep {id} until {until:?} {note:?}: {reason}"
        ))
    }

    fn metrics(&self) -> String {
        "db4sci_build_info 1\n".to_owned()
    }
}

/// The fake daemon behind a real socket; gone when this is dropped.
pub(crate) struct Served {
    pub(crate) socket: PathBuf,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) stop: CancellationToken,
    _stop: DropGuard,
    _dir: Option<tempfile::TempDir>,
}

/// Serves it.
pub(crate) async fn serve(fake: &Arc<Fake>) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let served = serve_at(fake, dir.path().join("db4sci.sock")).await;
    Served {
        _dir: Some(dir),
        ..served
    }
}

/// Serves it at a place.
pub(crate) async fn serve_at(fake: &Arc<Fake>, socket: PathBuf) -> Served {
    let bound = bind(&Options {
        socket: socket.clone(),
        group: "db4sci".to_owned(),
        http: Some(([127, 0, 0, 1], 0).into()),
    })
    .await
    .unwrap();
    let address = bound.address().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(bound.serve(Arc::clone(fake) as Arc<dyn Backend>, stop.clone()));
    Served {
        socket,
        address,
        _stop: stop.clone().drop_guard(),
        stop,
        _dir: None,
    }
}
