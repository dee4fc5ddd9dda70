//! Getting at the tables.

use std::sync::Arc;

use async_trait::async_trait;

use crate::admin::audit::{self, AuditError};
use crate::admin::book::Book;
use crate::admin::bootstrap::bootstrap;
use crate::admin::journal::{Head, Record};
use crate::admin::ledger::Ledger;
use crate::admin::tables::{self, Access, Tables, TablesError, Wal};
use crate::model::audit::Findings;
use crate::model::{Clock, DbName};

/// A connection to tables that entries can be brought into.
#[async_trait]
pub trait Shelf: Send {
    /// See [`Tables::applied`].
    async fn applied(&mut self) -> Result<Head, TablesError>;

    /// See [`Tables::apply`].
    async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError>;

    /// See [`Tables::prove`].
    async fn prove(&mut self) -> Result<(), TablesError>;

    /// See [`Tables::sums`].
    async fn sums(&mut self) -> Result<String, TablesError>;

    /// See [`Tables::wal`].
    async fn wal(&mut self) -> Result<Wal, TablesError>;

    /// What of the newest rows of the log is not what the journal says.
    async fn newest(&mut self, ledger: &Ledger) -> Result<Findings, AuditError>;

    /// See [`Tables::stamp`].
    async fn stamp(&mut self) -> Result<String, TablesError>;

    /// See [`Tables::record`].
    async fn record(&mut self, seq: u64) -> Result<Option<String>, TablesError>;

    /// See [`Tables::carry_over`].
    async fn carry_over(&mut self, left: &[DbName]) -> Result<u64, TablesError>;
}

/// Makes connections to the tables, with everything in place for entries.
#[async_trait]
pub trait Reach: Send + Sync + 'static {
    /// A new connection.
    ///
    /// # Errors
    /// See [`TablesError`].
    async fn reach(&self) -> Result<Box<dyn Shelf>, TablesError>;

    /// Moves harmed tables out of the way, and says where they lie now: the next connection makes
    /// new ones.
    ///
    /// # Errors
    /// See [`TablesError`]; nothing was moved then.
    async fn set_aside(&self) -> Result<String, TablesError>;

    /// Whether a new connection would be let in; where it would not, what it needs is made again, and
    /// that is `true`.
    ///
    /// # Errors
    /// See [`TablesError`].
    async fn let_in(&self) -> Result<bool, TablesError>;

    /// See [`tables::check_indexes`].
    ///
    /// # Errors
    /// See [`TablesError`].
    async fn check_indexes(&self) -> Result<Option<usize>, TablesError>;

    /// What of the log in harmed tables is not as it was written.
    ///
    /// # Errors
    /// See [`AuditError`].
    async fn harm_of_log(&self, ledger: &Ledger) -> Result<Findings, AuditError>;
}

#[async_trait]
impl Shelf for Tables {
    async fn applied(&mut self) -> Result<Head, TablesError> {
        Tables::applied(self).await
    }

    async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError> {
        Tables::apply(self, records, book).await
    }

    async fn prove(&mut self) -> Result<(), TablesError> {
        Tables::prove(self).await
    }

    async fn sums(&mut self) -> Result<String, TablesError> {
        Tables::sums(self).await
    }

    async fn wal(&mut self) -> Result<Wal, TablesError> {
        Tables::wal(self).await
    }

    async fn newest(&mut self, ledger: &Ledger) -> Result<Findings, AuditError> {
        audit::newest(ledger, self).await
    }

    async fn stamp(&mut self) -> Result<String, TablesError> {
        Tables::stamp(self).await
    }

    async fn record(&mut self, seq: u64) -> Result<Option<String>, TablesError> {
        Tables::record(self, seq).await
    }

    async fn carry_over(&mut self, left: &[DbName]) -> Result<u64, TablesError> {
        Tables::carry_over(self, left).await
    }
}

/// The real `mydb_admin`. Where its login or its rights are refused, as on a server that was just made,
/// roles and database are made first.
pub struct MydbAdmin {
    access: Box<dyn Fn() -> Option<Access> + Send + Sync>,
    clock: Arc<dyn Clock>,
}

impl MydbAdmin {
    /// Asks, at every try, where `mydb_admin` is; `None`: it is not there yet.
    pub fn new(
        clock: Arc<dyn Clock>,
        access: impl Fn() -> Option<Access> + Send + Sync + 'static,
    ) -> Self {
        MydbAdmin {
            access: Box::new(access),
            clock,
        }
    }

    /// A connection to tables that have this program's form.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn tables(&self) -> Result<Tables, TablesError> {
        let access = (self.access)().ok_or(TablesError::Absent)?;
        match formed(&access).await {
            Err(error) if error.asks_for_bootstrap() => {
                bootstrap(&access).await?;
                formed(&access).await
            }
            formed => formed,
        }
    }
}

async fn formed(access: &Access) -> Result<Tables, TablesError> {
    let mut tables = Tables::connect(access).await?;
    tables.migrate().await?;
    Ok(tables)
}

#[async_trait]
impl Reach for MydbAdmin {
    async fn reach(&self) -> Result<Box<dyn Shelf>, TablesError> {
        Ok(Box::new(self.tables().await?))
    }

    async fn set_aside(&self) -> Result<String, TablesError> {
        let access = (self.access)().ok_or(TablesError::Absent)?;
        tables::set_aside(&access, self.clock.now()).await
    }

    async fn let_in(&self) -> Result<bool, TablesError> {
        let access = (self.access)().ok_or(TablesError::Absent)?;
        match Tables::connect(&access).await {
            Ok(tables) => {
                tables.close().await;
                Ok(false)
            }
            Err(error) if error.asks_for_bootstrap() => {
                bootstrap(&access).await?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    async fn check_indexes(&self) -> Result<Option<usize>, TablesError> {
        let access = (self.access)().ok_or(TablesError::Absent)?;
        tables::check_indexes(&access).await
    }

    async fn harm_of_log(&self, ledger: &Ledger) -> Result<Findings, AuditError> {
        let access = (self.access)().ok_or(TablesError::Absent)?;
        let mut tables = Tables::as_superuser(&access).await?;
        let (_, findings) = audit::tables(ledger, &mut tables, false).await?;
        tables.close().await;
        Ok(findings)
    }
}
