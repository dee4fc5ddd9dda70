//! Tables in memory, for tests.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Reach, Shelf};
use crate::admin::audit::AuditError;
use crate::admin::book::Book;
use crate::admin::journal::{Head, Record};
use crate::admin::ledger::Ledger;
use crate::admin::tables::{TablesError, TablesHarm, Wal};
use crate::model::DbName;
use crate::model::audit::{Finding, Findings};

/// The records in the tables, and what is wrong with them.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) records: Vec<Record>,
    pub(crate) down: bool,
    /// A newer program has changed them by this step.
    pub(crate) newer: Option<i64>,
    pub(crate) tries: u32,
    pub(crate) lose_answers: bool,
    pub(crate) changes: u32,
    pub(crate) altered: bool,
    pub(crate) always_altered: bool,
    pub(crate) stuck: bool,
    /// The server cannot read its files.
    pub(crate) damaged: Option<Damage>,
    pub(crate) log_altered: bool,
    /// What the check of its indexes finds.
    pub(crate) indexes: Option<Indexes>,
    pub(crate) checks: u32,
    /// The daemon's role would not be let in anew.
    pub(crate) shut_out: bool,
    /// Rows were altered with their checksums.
    pub(crate) forged_sums: bool,
    /// The newest rows of the log were, too.
    pub(crate) forged_newest: bool,
    pub(crate) aside: u32,
    pub(crate) carried: u32,
    /// So many of the newest records are not on the disk.
    pub(crate) unflushed: u64,
}

/// What of a server's files cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The tables' own, until they are made again.
    Tables,
    /// Those of new ones, too.
    Always,
    /// Not even its catalog.
    Catalog,
}

/// What a check of indexes may come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexes {
    /// One lacks rows, until tables are made again.
    LackRows,
    /// It cannot be said.
    Unknown,
}

fn unreadable() -> TablesError {
    TablesHarm::Damaged("invalid page in block 7".to_owned()).into()
}

impl Fake {
    pub(crate) fn head(&self) -> Head {
        let state = self.0.lock().unwrap();
        state.records.last().map_or(Head::GENESIS, Record::head)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(crate) fn get<T>(&self, what: impl FnOnce(&State) -> T) -> T {
        what(&self.0.lock().unwrap())
    }

    fn is_known(&self) -> Result<(), TablesError> {
        match self.get(|s| s.newer) {
            Some(version) => Err(TablesHarm::Newer { version }.into()),
            None => Ok(()),
        }
    }

    fn down(&self) -> Result<(), TablesError> {
        if self.get(|s| s.down) {
            return Err(TablesError::TimedOut {
                what: "test",
                seconds: 1,
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Reach for Fake {
    async fn reach(&self) -> Result<Box<dyn Shelf>, TablesError> {
        self.set(|s| s.tries += 1);
        self.down()?;
        Ok(Box::new(self.clone()))
    }

    async fn set_aside(&self) -> Result<String, TablesError> {
        if self.get(|s| s.stuck) {
            self.set(|s| s.down = true);
        }
        self.down()?;
        match self.get(|s| s.damaged) {
            Some(Damage::Catalog) => return Err(unreadable()),
            Some(Damage::Tables) => self.set(|s| s.damaged = None),
            Some(Damage::Always) | None => {}
        }
        self.set(|s| {
            s.aside += 1;
            (s.altered, s.records) = (s.always_altered, Vec::new());
            (s.forged_sums, s.forged_newest, s.log_altered) = (false, false, false);
            s.indexes = None;
        });
        Ok("harmed_now".to_owned())
    }

    async fn let_in(&self) -> Result<bool, TablesError> {
        self.down()?;
        let mut state = self.0.lock().unwrap();
        Ok(std::mem::take(&mut state.shut_out))
    }

    async fn check_indexes(&self) -> Result<Option<usize>, TablesError> {
        self.down()?;
        self.set(|s| s.checks += 1);
        match self.get(|s| s.indexes) {
            None => Ok(Some(12)),
            Some(Indexes::LackRows) => {
                let what = "heap tuple (0,1) lacks matching index tuple".to_owned();
                Err(TablesHarm::Damaged(what).into())
            }
            Some(Indexes::Unknown) => Err(TablesError::TimedOut {
                what: "check indexes",
                seconds: 35,
            }),
        }
    }

    async fn harm_of_log(&self, _: &Ledger) -> Result<Findings, AuditError> {
        let mut findings = Findings::default();
        if self.get(|s| s.log_altered) {
            findings.add(Finding::new(7, "its message is another one"));
        }
        Ok(findings)
    }
}

#[async_trait]
impl Shelf for Fake {
    async fn applied(&mut self) -> Result<Head, TablesError> {
        self.down()?;
        self.is_known()?;
        Ok(self.head())
    }

    async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError> {
        self.down()?;
        self.is_known()?;
        let applied = self.head();
        assert!(
            records
                .last()
                .is_none_or(|r| r.entry.seq <= book.head().seq)
        );
        // Somebody put older ones there meanwhile.
        if records[0].prev != applied.hash {
            return Err(TablesHarm::WrongChain { seq: applied.seq }.into());
        }
        self.set(|s| s.records.extend_from_slice(records));
        if self.get(|s| s.lose_answers) {
            self.set(|s| (s.lose_answers, s.down) = (false, true));
        }
        self.down()?;
        Ok(self.head())
    }

    async fn prove(&mut self) -> Result<(), TablesError> {
        self.down()?;
        if self.get(|s| s.damaged.is_some()) {
            return Err(unreadable());
        }
        if self.get(|s| s.altered) {
            return Err(TablesHarm::Altered("log 2".to_owned()).into());
        }
        Ok(())
    }

    async fn sums(&mut self) -> Result<String, TablesError> {
        self.down()?;
        Ok(self.get(|s| format!("{} {}", s.records.len(), s.forged_sums)))
    }

    async fn wal(&mut self) -> Result<Wal, TablesError> {
        self.down()?;
        let state = self.0.lock().unwrap();
        let written = state.records.len() as u64;
        let flushed = written - state.unflushed;
        Ok(Wal { written, flushed })
    }

    async fn newest(&mut self, _: &Ledger) -> Result<Findings, AuditError> {
        self.down()?;
        let mut findings = Findings::default();
        if self.get(|s| s.forged_newest) {
            findings.add(Finding::new(7, "its message is another one"));
        }
        Ok(findings)
    }

    async fn stamp(&mut self) -> Result<String, TablesError> {
        self.down()?;
        let state = self.0.lock().unwrap();
        Ok(format!("{} {}", state.changes, state.records.len()))
    }

    async fn record(&mut self, seq: u64) -> Result<Option<String>, TablesError> {
        self.down()?;
        let state = self.0.lock().unwrap();
        let found = state.records.iter().find(|r| r.entry.seq == seq);
        Ok(found.map(|r| r.line.clone()))
    }

    async fn carry_over(&mut self, _: &[DbName]) -> Result<u64, TablesError> {
        self.set(|s| s.carried += 1);
        Ok(0)
    }
}
