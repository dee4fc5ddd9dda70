//! `mydb_admin` at work: tables brought up to date, edits made with SQL taken in.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::admin::applier::{Applier, Doing, Held, MydbAdmin};
use crate::admin::tables::{Access, Feed, Tables};
use crate::admin::{Ledger, Vault, bootstrap};
use crate::control::{Board, Intake};
use crate::engine::{self, ADMIN_SECRET, DAEMON_SECRET};
use crate::model::view::Phase;
use crate::model::{Clock, Database, DbName, Reason, Secret, Site};

/// Edits are looked for this often even without a hint.
const BEAT: Duration = Duration::from_secs(10);
/// Between two attempts to reach the tables.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps the tables and the ledger together while the daemon runs.
pub(super) struct Admin {
    pub(super) ledger: Ledger,
    pub(super) board: Arc<Board>,
    pub(super) intake: Arc<Intake>,
    pub(super) logins: Logins,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: CancellationToken,
}

/// Where `mydb_admin` is, with the passwords of this moment: they may be changed at any time.
#[derive(Clone)]
pub(super) struct Logins {
    pub(super) ledger: Ledger,
    pub(super) vault: Arc<Vault>,
    pub(super) site: Site,
    pub(super) board: Arc<Board>,
}

impl Logins {
    pub(super) fn access(&self) -> Option<Access> {
        if self.is_taken() {
            return None;
        }
        let book = self.ledger.book();
        let row = book.row(&DbName::mydb_admin())?;
        let db = &*row.database;
        let recipe = engine::recipe(db.engine);
        let superuser_password = self.secret(db, ADMIN_SECRET)?;
        let password = self.secret(db, DAEMON_SECRET)?;
        // Another address of the settings is its server's only once its container was made anew.
        let view = self.board.view(&DbName::mydb_admin());
        let reached = Database {
            bound: view.and_then(|view| view.bound),
            ..db.clone()
        };
        let target = recipe.target(&reached, &self.site, superuser_password);
        Some(Access {
            host: target.host,
            port: target.port,
            superuser: target.user,
            superuser_password: target.password,
            password,
            identity: row.identity.clone(),
        })
    }

    /// Whether somebody else is known to answer on its port: no password is offered there.
    fn is_taken(&self) -> bool {
        let view = self.board.view(&DbName::mydb_admin());
        view.is_some_and(|view| {
            view.held
                .iter()
                .any(|held| held.reason == Reason::PortInUse)
        })
    }

    fn database(&self) -> Option<Database> {
        let book = self.ledger.book();
        book.row(&DbName::mydb_admin())
            .map(|row| Database::clone(&row.database))
    }

    fn secret(&self, db: &Database, file: &str) -> Option<Secret> {
        match self.vault.secret(db, file) {
            Ok(secret) => Some(secret),
            Err(error) => {
                tracing::error!(%error, "a secret of mydb_admin cannot be read");
                None
            }
        }
    }
}

impl Admin {
    /// Runs until the token is cancelled. Safe to cancel anywhere: the ledger has everything.
    pub(super) async fn run(self) {
        if !self.ready().await {
            return;
        }
        let logins = self.logins.clone();
        let reach = MydbAdmin::new(self.clock.clone(), move || logins.access());
        let held = Held::in_folder(&self.logins.site.state_dir);
        let applier = Applier::spawn(self.ledger.clone(), reach, held);
        let (board, ledger) = (self.board.clone(), self.ledger.clone());
        let mut status = applier.watch();
        let look_when_ready = self.look_when_ready(&applier);
        let follow_status = async move {
            loop {
                let now = status.borrow_and_update().clone();
                let harm = match &now.doing {
                    Doing::Harmed(harm) => Some(harm.to_string()),
                    Doing::Starting | Doing::Following | Doing::Waiting { .. } => None,
                };
                board.tables(now.behind, harm);
                board.log_harms(ledger.book().log_harms().len() as u64);
                if status.changed().await.is_err() {
                    return;
                }
            }
        };
        // Cancel-safe: all of them only follow.
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = follow_status => {}
            () = look_when_ready => {}
            () = self.follow_edits(&applier) => {}
        }
    }

    /// Waits until `mydb_admin` is ready for the first time.
    async fn ready(&self) -> bool {
        let name = DbName::mydb_admin();
        let mut snapshots = self.board.watch();
        loop {
            let ready = snapshots
                .borrow_and_update()
                .databases
                .iter()
                .any(|view| view.name == name && view.phase == Phase::Ready);
            if ready {
                return true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                changed = snapshots.changed() => if changed.is_err() { return false },
            }
        }
    }

    /// Looks at the tables as soon as `mydb_admin` answers again: another copy of them may stand there.
    async fn look_when_ready(&self, applier: &Applier) {
        let name = DbName::mydb_admin();
        let mut snapshots = self.board.watch();
        let mut ready = true;
        while snapshots.changed().await.is_ok() {
            let before = ready;
            ready = snapshots
                .borrow_and_update()
                .databases
                .iter()
                .any(|view| view.name == name && view.ready);
            if ready && !before {
                applier.look_now();
            }
        }
    }

    /// Takes in edits, hint by hint; connects again whenever the server goes away.
    async fn follow_edits(&self, applier: &Applier) {
        loop {
            if let Err(why) = self.edits(applier).await {
                tracing::debug!(why, "the tables cannot be followed now");
            }
            applier.look_now();
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn edits(&self, applier: &Applier) -> Result<(), String> {
        // The applier makes roles and tables at its first reach.
        let mut status = applier.watch();
        let following = status.wait_for(|s| s.doing == Doing::Following).await;
        following.map_err(|e| e.to_string())?;
        let access = self.logins.access().ok_or("mydb_admin has no logins")?;
        let access = &access;
        if let Some(db) = self.logins.database() {
            let admitted = bootstrap::admit_person(access, &db.account.user).await;
            admitted.map_err(|e| e.to_string())?;
        }
        let mut feed = Feed::connect(access).await.map_err(|e| e.to_string())?;
        let mut tables = Tables::connect(access).await.map_err(|e| e.to_string())?;
        loop {
            for edit in tables.edits().await.map_err(|e| e.to_string())? {
                self.intake.row(&edit).await.map_err(|e| e.to_string())?;
            }
            // Cancel-safe: a lost hint is made up for by the beat.
            tokio::select! {
                hint = feed.next() => { hint.map_err(|e| e.to_string())?; }
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }
}
