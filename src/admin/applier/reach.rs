//! Getting at the tables.

use async_trait::async_trait;

use crate::admin::book::Book;
use crate::admin::bootstrap::bootstrap;
use crate::admin::journal::{Head, Record};
use crate::admin::tables::{Access, Tables, TablesError};

/// A connection to tables that entries can be brought into.
#[async_trait]
pub trait Shelf: Send {
    /// See [`Tables::applied`].
    async fn applied(&mut self) -> Result<Head, TablesError>;

    /// See [`Tables::apply`].
    async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError>;
}

/// Makes connections to the tables, with everything in place for entries.
#[async_trait]
pub trait Reach: Send + Sync + 'static {
    /// A new connection.
    ///
    /// # Errors
    /// See [`TablesError`].
    async fn reach(&self) -> Result<Box<dyn Shelf>, TablesError>;
}

#[async_trait]
impl Shelf for Tables {
    async fn applied(&mut self) -> Result<Head, TablesError> {
        Tables::applied(self).await
    }

    async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError> {
        Tables::apply(self, records, book).await
    }
}

/// The real `mydb_admin`. Where its login is refused, as on a server that was just made, roles and
/// database are made first.
pub struct MydbAdmin {
    access: Box<dyn Fn() -> Option<Access> + Send + Sync>,
}

impl MydbAdmin {
    /// Asks, at every try, where `mydb_admin` is; `None`: it is not there yet.
    pub fn new(access: impl Fn() -> Option<Access> + Send + Sync + 'static) -> Self {
        MydbAdmin {
            access: Box::new(access),
        }
    }

    /// A connection to tables that have this program's form.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn tables(&self) -> Result<Tables, TablesError> {
        let access = (self.access)().ok_or(TablesError::Absent)?;
        let mut tables = match Tables::connect(&access).await {
            Err(TablesError::Login { .. }) => {
                bootstrap(&access).await?;
                Tables::connect(&access).await?
            }
            other => other?,
        };
        tables.migrate().await?;
        Ok(tables)
    }
}

#[async_trait]
impl Reach for MydbAdmin {
    async fn reach(&self) -> Result<Box<dyn Shelf>, TablesError> {
        Ok(Box::new(self.tables().await?))
    }
}
