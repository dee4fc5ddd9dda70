//! Whether the log is as it was written, and that somebody has looked into what was not.

use crate::admin::audit;
use crate::admin::{NewEntry, Tables};
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::audit::{AuditView, Findings};
use crate::model::{Change, DbName, Outcome};

use super::admin::Logins;
use super::backend::{Daemon, unavailable};

impl Daemon {
    /// Compares journal, tables and stores with each other.
    pub(super) async fn compare_log(&self) -> AuditView {
        let mut view = AuditView {
            harms: self.ledger.book().log_harms().to_vec(),
            ..AuditView::default()
        };
        let mut findings = Vec::new();
        match audit::journal(&self.ledger, &self.vault.ring()).await {
            Ok(chain) => {
                (view.entries, view.sealed) = (chain.entries, chain.sealed);
                findings.push(chain.findings);
                let keys = chain.keys.iter();
                view.unread.extend(keys.map(|(key, entries)| {
                    format!(
                        "the journal: {entries} entries are sealed with the key {key}, which is not on \
                         this host; put seal-{key}.key back into keys/"
                    )
                }));
            }
            Err(error) => view.unread.push(format!("the journal: {error}")),
        }
        match self.compare_tables().await {
            Ok((rows, found)) => {
                view.rows = rows;
                findings.push(found);
            }
            Err(why) => view.unread.push(format!("mydb_admin: {why}")),
        }
        let (ends, found, unread) = self.desk.compare_ends().await;
        view.ends = ends;
        findings.push(found);
        view.unread.extend(unread);
        for one in findings {
            view.findings.more += one.more;
            one.named.into_iter().for_each(|f| view.findings.add(f));
        }
        view
    }

    async fn compare_tables(&self) -> Result<(u64, Findings), String> {
        let logins = Logins {
            ledger: self.ledger.clone(),
            vault: self.vault.clone(),
            site: self.site.clone(),
            board: self.board.clone(),
        };
        let access = logins.access().ok_or("it is not there yet")?;
        let tables = Tables::as_superuser(&access).await;
        let mut tables = tables.map_err(|e| e.to_string())?;
        let compared = audit::tables(&self.ledger, &mut tables, true).await;
        tables.close().await;
        compared.map_err(|e| e.to_string())
    }

    /// Notes that somebody has looked into all harm of the log that was found so far.
    pub(super) async fn acknowledge_audit(
        &self,
        caller: &Caller,
        reason: String,
    ) -> Result<String, Refusal> {
        self.admin_only(caller).await?;
        let harms = self.ledger.book().log_harms().len();
        let entry = NewEntry {
            who: caller.who.clone(),
            name: Some(DbName::mydb_admin()),
            outcome: Outcome::Done,
            message: format!("harm of the log acknowledged: {reason}"),
            change: Change::AuditAcknowledged { reason },
        };
        self.ledger.append(entry).await.map_err(unavailable)?;
        let times = if harms == 1 { "time" } else { "times" };
        Ok(format!(
            "what was found of the log ({harms} {times}) is acknowledged; it stays in the log"
        ))
    }
}
