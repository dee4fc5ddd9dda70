//! The daemon as the API sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::admin::{Authority, Ledger, LedgerError, Query, Row, Vault};
use crate::control::intake::Intake;
use crate::control::{Board, Desk, Queue, Reconciler};
use crate::http::api::backups::KeepRequest;
use crate::http::backend::{Applied, Backend, Connection, Password, Rotate, Rotated};
use crate::http::document::Document;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::account::{AccountView, Rights};
use crate::model::audit::AuditView;
use crate::model::session::Session;
use crate::model::view::{BackupView, Snapshot, WorkAsk, WorkView};
use crate::model::{
    BackupId, Change, Class, Clock, Database, DbName, Entry, OverrideState, Site, Timestamp,
    WantedState,
};
use crate::record::Metrics;
use crate::runtime::{DataDirs, Runtime, Servers};
use crate::specs;
use crate::specs::access::Need;

use super::apply::after;

/// How long a request waits for a look; what is shown by then is shown.
pub(super) const LOOK: Duration = Duration::from_secs(3);

/// The daemon, for its API.
pub(super) struct Daemon {
    pub(super) intake: Arc<Intake>,
    pub(super) desk: Arc<Desk>,
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) queue: Arc<Queue>,
    pub(super) board: Arc<Board>,
    pub(super) ledger: Ledger,
    pub(super) head: watch::Receiver<u64>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) vault: Arc<Vault>,
    pub(super) authority: Arc<Authority>,
    pub(super) dirs: Arc<dyn DataDirs>,
    pub(super) servers: Arc<dyn Servers>,
    /// Logins and groups that may do everything.
    pub(super) admins: Vec<String>,
    pub(super) site: Site,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl Daemon {
    pub(super) fn database(&self, name: &DbName) -> Result<Database, Refusal> {
        let book = self.ledger.book();
        book.row(name)
            .map(|row| Database::clone(&row.database))
            .ok_or_else(|| Refusal::no_database(name))
    }

    pub(super) fn row(&self, name: &DbName) -> Result<Row, Refusal> {
        let book = self.ledger.book();
        book.row(name)
            .cloned()
            .ok_or_else(|| Refusal::no_database(name))
    }

    pub(super) fn certificate(&self) -> Result<String, Refusal> {
        let certificate = self.authority.certificate();
        certificate.map_err(|error| Refusal::new(RefusalKind::Unavailable, error.to_string()))
    }
}

pub(super) fn unavailable(error: LedgerError) -> Refusal {
    let message = format!("{error}; nothing was changed");
    Refusal::new(kind_of(&error), message)
}

/// Something was done, and the log does not say so.
pub(super) fn unwritten(done: &str, error: &LedgerError) -> Refusal {
    let message = format!("{done}, and that could not be written into the log: {error}");
    Refusal::new(kind_of(error), message)
}

fn kind_of(error: &LedgerError) -> RefusalKind {
    match error.class() {
        Class::Permanent => RefusalKind::Conflict,
        Class::Transient | Class::Cancelled => RefusalKind::Unavailable,
    }
}

pub(super) fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

#[async_trait]
impl Backend for Daemon {
    fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.board.watch()
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    async fn read_specs(&self) {
        self.intake.files().await;
    }

    async fn look(&self, name: &DbName) -> Result<(), Refusal> {
        let mut look = std::pin::pin!(self.queue.look(name));
        while tokio::time::timeout(LOOK, &mut look).await.is_err() {
            // A lane under way may take long; its beginning is shown already.
            let acting = self.board.view(name).is_some_and(|v| v.lane.is_some());
            if acting {
                break;
            }
        }
        Ok(())
    }

    async fn apply(
        &self,
        caller: &Caller,
        documents: &[Document],
        reason: &str,
        dry_run: bool,
    ) -> Result<Vec<Applied>, Refusal> {
        let mut all = Vec::with_capacity(documents.len());
        let mut rehearsal = dry_run.then(|| self.reconciler.rehearsal());
        for document in documents {
            let applied = self
                .apply_one(caller, document, reason, rehearsal.as_mut())
                .await;
            let taken = if dry_run { 0 } else { all.len() };
            all.push(applied.map_err(|refusal| after(taken, documents.len(), refusal))?);
        }
        Ok(all)
    }

    async fn set_override(
        &self,
        caller: &Caller,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        self.override_spec(caller, name, state, until, reason).await
    }

    async fn resume(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        let message = format!("{name}: its spec is in force again{}", because(&reason));
        self.wish_of(
            caller,
            name,
            Need::Owner,
            message,
            Change::Resumed { since: None },
        )
        .await
    }

    async fn delete(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.want(caller, name, WantedState::Retired, reason).await
    }

    async fn forget(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.let_go(caller, name, reason).await
    }

    async fn undelete(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.want(caller, name, WantedState::Running, reason).await
    }

    async fn restart(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        let message = format!("{name}: restart asked for{}", because(&reason));
        self.wish_of(caller, name, Need::User, message, Change::RestartAsked)
            .await
    }

    async fn retry(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        let message = format!("{name}: failed attempts are forgotten{}", because(&reason));
        self.wish_of(caller, name, Need::Member, message, Change::RetryAsked)
            .await
    }

    async fn release(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.let_run(caller, name, reason).await
    }

    async fn to_rows(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        self.leave_file(caller, name, reason).await
    }

    async fn approve(
        &self,
        caller: &Caller,
        hash: &str,
        name: Option<&DbName>,
        reason: String,
    ) -> Result<String, Refusal> {
        self.let_begin(caller, hash, name, reason).await
    }

    async fn host_maintenance(
        &self,
        caller: &Caller,
        off: bool,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        self.hands(caller, off, until, reason).await
    }

    async fn rename_cost(&self, name: &DbName, to: &DbName) -> Result<String, Refusal> {
        let row = self.row(name)?;
        let cost = self.desk.rename_cost(&row, to).await;
        cost.map_err(|why| Refusal::new(RefusalKind::Conflict, why))
    }

    async fn thaw(&self, caller: &Caller, store: &str, reason: String) -> Result<String, Refusal> {
        self.admin_only(caller).await?;
        let thawed = self.desk.thaw(caller.who.clone(), store, &reason).await;
        thawed.map_err(|why| Refusal::new(RefusalKind::Conflict, why))
    }

    async fn connection(
        &self,
        caller: &Caller,
        name: &DbName,
        from_job: bool,
        user: Option<&str>,
    ) -> Result<Connection, Refusal> {
        self.way_to(caller, name, from_job, user).await
    }

    async fn authority(&self) -> Result<String, Refusal> {
        self.certificate()
    }

    async fn password(
        &self,
        caller: &Caller,
        name: &DbName,
        user: Option<&str>,
        reason: &str,
    ) -> Result<Password, Refusal> {
        self.show_password(caller, name, user, reason).await
    }

    async fn accounts(&self, caller: &Caller, name: &DbName) -> Result<Vec<AccountView>, Refusal> {
        self.list_accounts(caller, name).await
    }

    async fn add_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        rights: Rights,
        reason: String,
    ) -> Result<Rotated, Refusal> {
        self.new_account(caller, name, user, rights, reason).await
    }

    async fn remove_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        self.end_account(caller, name, user, reason).await
    }

    async fn rotate(
        &self,
        caller: &Caller,
        name: &DbName,
        which: Rotate,
        reason: String,
    ) -> Result<Rotated, Refusal> {
        self.new_passwords(caller, name, which, reason).await
    }

    async fn audit(&self) -> AuditView {
        self.compare_log().await
    }

    async fn acknowledge(&self, caller: &Caller, reason: String) -> Result<String, Refusal> {
        self.acknowledge_audit(caller, reason).await
    }

    async fn renew_keys(&self, caller: &Caller, reason: String) -> Result<String, Refusal> {
        self.new_key(caller, &reason).await
    }

    async fn sessions(&self, caller: &Caller, name: &DbName) -> Result<Vec<Session>, Refusal> {
        self.list_sessions(caller, name).await
    }

    async fn end_session(
        &self,
        caller: &Caller,
        name: &DbName,
        id: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        self.kill_session(caller, name, id, reason).await
    }

    async fn logs(&self, caller: &Caller, name: &DbName, lines: u32) -> Result<String, Refusal> {
        self.last_lines(caller, name, lines).await
    }

    async fn events(
        &self,
        name: Option<&DbName>,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Refusal> {
        let all = Query {
            limit,
            ..Query::default()
        };
        let of = |name| Query::of(&self.ledger.book(), name, limit);
        let query = Query {
            after: (after_seq > 0).then_some(after_seq),
            ..name.map_or(all, of)
        };
        self.ledger.entries(&query).await.map_err(unavailable)
    }

    async fn export(&self, name: &DbName) -> Result<serde_json::Value, Refusal> {
        Ok(specs::export(&self.database(name)?))
    }

    async fn backups(&self, name: &DbName) -> Result<Vec<BackupView>, Refusal> {
        Ok(self.desk.backups(&self.row(name)?))
    }

    async fn work(&self, name: &DbName, id: u64) -> Result<Option<WorkView>, Refusal> {
        // A rename is asked for under the old name, and ends when nobody has that any more.
        let work = self.desk.work(name, id);
        if work.is_none() {
            self.database(name)?;
        }
        Ok(work)
    }

    async fn take_on(
        &self,
        caller: &Caller,
        name: &DbName,
        ask: WorkAsk,
    ) -> Result<WorkView, Refusal> {
        self.begin_work(caller, name, ask).await
    }

    async fn keep_backup(
        &self,
        caller: &Caller,
        id: &BackupId,
        keep: KeepRequest,
    ) -> Result<String, Refusal> {
        self.keep(caller, id, keep).await
    }

    fn metrics(&self) -> String {
        self.measured()
    }
}
