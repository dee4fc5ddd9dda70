//! What should be: specs, read, checked and admitted.
//!
//! A spec comes from a file of `desired-state/`, from a row of the `state` table or from the API.
//! All three become a [`RawSpec`], and [`admit()`] alone makes a
//! [`Database`](crate::model::Database) of it, resolving every default once. [`merge()`] puts files
//! and what was admitted before side by side. These are pure; only [`yaml`] and [`watch`] touch
//! the disk.
//!
//! This folder refuses to know what runs, and what time it is.

pub mod access;
pub mod admit;
pub mod catalog;
pub mod check;
pub mod document;
pub mod export;
pub mod merge;
pub mod parse;
pub mod raw;
mod rename;
pub mod rows;
pub mod rules;
pub mod settle;
pub mod watch;
pub mod yaml;

#[cfg(test)]
pub(crate) mod testing;

pub use admit::{Request, Verdict, admit, admit_every, mydb_admin};
pub use catalog::Catalog;
pub use check::{Checked, check};
pub use export::export;
pub use merge::{Candidate, FileSeen, FolderSeen, Merged, Nameless, Renamed, merge};
pub use parse::{Parsed, from_json, parse, schema};
pub use raw::RawSpec;
pub use rename::{renamed, to_rows};
pub use rows::{RowEdit, RowRequest};
pub use rules::{ConfigFiles, HostSize, Rules, VolumeRule};
pub use settle::settle;
