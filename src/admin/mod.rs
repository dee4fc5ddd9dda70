//! `mydb_admin`, DB4Sci's memory: the ledger that holds every accepted change, and the four tables
//! that show it to people with SQL.
//!
//! The ledger comes first and lies outside the database: a change is checked against the [`Book`],
//! put on disk in the [`journal`], acknowledged, and only then brought into the tables by the
//! [`applier`]. So a lost `mydb_admin` loses nothing that was accepted, and databases are healed
//! while it is away. What people write with SQL comes back as [`tables::Edit`]s.
//!
//! This folder decides whether a change may enter the ledger, and nothing else: what a spec means,
//! what should run and what to do about it is for `specs` and `plan`.

pub mod applier;
pub mod audit;
pub mod authority;
pub mod book;
pub mod bootstrap;
pub mod journal;
pub mod keyfile;
pub mod ledger;
pub mod offline;
pub mod quote;
pub mod tables;
#[cfg(test)]
pub(crate) mod testing;
pub mod vault;

pub use applier::{Applier, ApplierStatus, MydbAdmin};
pub use authority::{Authority, AuthorityError};
pub use book::{Book, NewEntry, Row};
pub use journal::{FileStorage, Head, JournalError, MemoryStorage};
pub use ledger::{Ledger, LedgerError, OpenReport, Past, Query, Stretch};
pub use offline::read_offline;
pub use tables::{Access, Edit, Feed, Hint, Tables, TablesError, TablesHarm};
pub use vault::{Keyring, Vault, VaultError};
