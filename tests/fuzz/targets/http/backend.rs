//! A daemon that agrees to everything, and admits specs for real.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use db4sci::http::api::backups::KeepRequest;
use db4sci::http::backend::{Applied, AppliedOutcome, Connection, Password, Rotate, Rotated};
use db4sci::http::peer::Caller;
use db4sci::http::{Backend, Document, Refusal};
use db4sci::model::account::{AccountView, Rights};
use db4sci::model::audit::AuditView;
use db4sci::model::session::Session;
use db4sci::model::view::{BackupView, Snapshot, WorkAsk, WorkView};
use db4sci::model::{BackupId, DbName, Entry, OverrideState, Secret, Source, Timestamp, Uid};
use db4sci::specs::{self, Request, Rules};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

pub struct Agreeing {
    snapshot: watch::Sender<Arc<Snapshot>>,
    head: watch::Sender<u64>,
    rules: Rules,
}

impl Agreeing {
    pub fn new() -> Self {
        Agreeing {
            snapshot: watch::Sender::default(),
            head: watch::Sender::default(),
            rules: super::super::rules::rules(),
        }
    }

    fn admit(&self, document: &Document) -> Applied {
        let parsed = specs::parse(&document.text, &document.origin);
        let admitted = parsed.and_then(|parsed| {
            let source = Source::Api;
            let request = Request {
                parsed: &parsed,
                source,
            };
            specs::admit(&request, None, &self.rules, Uid(Uuid::nil()))
        });
        let (name, outcome, problems) = match admitted {
            Ok(database) => (Some(database.name), AppliedOutcome::Created, Vec::new()),
            Err(problems) => (None, AppliedOutcome::Refused, problems),
        };
        Applied {
            name,
            outcome,
            generation: None,
            problems,
            view: None,
        }
    }
}

/// An end that is reckoned with, as everybody does behind the API.
fn reckoned(until: Option<Timestamp>) -> String {
    let years = TimeDelta::days(3650);
    until.map_or_else(String::new, |at| format!("{} {}", at + years, at - years))
}

fn said(words: impl ToString) -> Result<String, Refusal> {
    Ok(words.to_string())
}

fn password() -> Password {
    Password {
        user: "ada".to_owned(),
        password: Secret::new("word"),
    }
}

#[async_trait]
impl Backend for Agreeing {
    fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    async fn read_specs(&self) {}

    async fn look(&self, _: &DbName) -> Result<(), Refusal> {
        Ok(())
    }

    async fn apply(
        &self,
        _: &Caller,
        all: &[Document],
        _: &str,
        _: bool,
    ) -> Result<Vec<Applied>, Refusal> {
        Ok(all.iter().map(|document| self.admit(document)).collect())
    }

    async fn set_override(
        &self,
        _: &Caller,
        _: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        said(format!("{state:?} until {}: {reason}", reckoned(until)))
    }

    async fn resume(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn delete(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn forget(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn undelete(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn restart(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn retry(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn release(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn to_rows(&self, _: &Caller, _: &DbName, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn approve(
        &self,
        _: &Caller,
        hash: &str,
        _: Option<&DbName>,
        _: String,
    ) -> Result<String, Refusal> {
        said(hash)
    }

    async fn host_maintenance(
        &self,
        _: &Caller,
        _: bool,
        until: Option<Timestamp>,
        _: String,
    ) -> Result<String, Refusal> {
        said(reckoned(until))
    }

    async fn rename_cost(&self, _: &DbName, to: &DbName) -> Result<String, Refusal> {
        said(to)
    }

    async fn thaw(&self, _: &Caller, store: &str, _: String) -> Result<String, Refusal> {
        said(store)
    }

    async fn connection(
        &self,
        _: &Caller,
        name: &DbName,
        _: bool,
        _: Option<&str>,
    ) -> Result<Connection, Refusal> {
        Err(Refusal::no_database(name))
    }

    async fn authority(&self) -> Result<String, Refusal> {
        said("-----BEGIN CERTIFICATE-----")
    }

    async fn password(
        &self,
        _: &Caller,
        _: &DbName,
        _: Option<&str>,
        _: &str,
    ) -> Result<Password, Refusal> {
        Ok(password())
    }

    async fn accounts(&self, _: &Caller, _: &DbName) -> Result<Vec<AccountView>, Refusal> {
        Ok(Vec::new())
    }

    async fn add_account(
        &self,
        _: &Caller,
        _: &DbName,
        _: &str,
        _: Rights,
        message: String,
    ) -> Result<Rotated, Refusal> {
        Ok(Rotated {
            message,
            account: Some(password()),
        })
    }

    async fn remove_account(
        &self,
        _: &Caller,
        _: &DbName,
        user: &str,
        _: String,
    ) -> Result<String, Refusal> {
        said(user)
    }

    async fn rotate(
        &self,
        _: &Caller,
        _: &DbName,
        _: Rotate,
        message: String,
    ) -> Result<Rotated, Refusal> {
        Ok(Rotated {
            message,
            account: Some(password()),
        })
    }

    async fn audit(&self) -> AuditView {
        AuditView::default()
    }

    async fn acknowledge(&self, _: &Caller, reason: String) -> Result<String, Refusal> {
        said(reason)
    }

    async fn renew_keys(&self, _: &Caller, _: String) -> Result<String, Refusal> {
        said("renewed")
    }

    async fn sessions(&self, _: &Caller, _: &DbName) -> Result<Vec<Session>, Refusal> {
        Ok(Vec::new())
    }

    async fn end_session(
        &self,
        _: &Caller,
        _: &DbName,
        id: &str,
        _: String,
    ) -> Result<String, Refusal> {
        said(id)
    }

    async fn logs(&self, _: &Caller, _: &DbName, lines: u32) -> Result<String, Refusal> {
        said(lines)
    }

    async fn events(&self, _: Option<&DbName>, _: u64, _: usize) -> Result<Vec<Entry>, Refusal> {
        Ok(Vec::new())
    }

    async fn export(&self, name: &DbName) -> Result<Value, Refusal> {
        Ok(Value::String(name.to_string()))
    }

    async fn backups(&self, _: &DbName) -> Result<Vec<BackupView>, Refusal> {
        Ok(Vec::new())
    }

    async fn work(&self, _: &DbName, _: u64) -> Result<Option<WorkView>, Refusal> {
        Ok(None)
    }

    async fn take_on(&self, _: &Caller, name: &DbName, _: WorkAsk) -> Result<WorkView, Refusal> {
        Err(Refusal::no_database(name))
    }

    async fn keep_backup(
        &self,
        _: &Caller,
        id: &BackupId,
        keep: KeepRequest,
    ) -> Result<String, Refusal> {
        said(format!(
            "{id} until {}: {:?}",
            reckoned(keep.until),
            keep.note
        ))
    }

    fn metrics(&self) -> String {
        "db4sci_build_info 1\n".to_owned()
    }
}
