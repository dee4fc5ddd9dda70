//! Reading the ledger of a daemon that does not run.

use std::collections::VecDeque;
use std::path::Path;

use crate::admin::book::Book;
use crate::admin::journal::{FILE_NAME, FileStorage, JournalError, read_all};
use crate::model::Entry;

/// The book and the last `last` entries, oldest first, from a journal's folder. Takes no lock and
/// writes nothing; a torn tail is passed over. Waits for the disk.
///
/// # Errors
/// See [`JournalError`]; also when there is no journal.
pub fn read_offline(folder: &Path, last: usize) -> Result<(Book, Vec<Entry>), JournalError> {
    let source = FileStorage::read_only(folder).map_err(|source| {
        let file = folder.join(FILE_NAME).display().to_string();
        JournalError::io(&file, "open", source)
    })?;
    let mut book = Book::new();
    let mut entries = VecDeque::new();
    read_all(source.as_ref(), &mut |_, record| {
        book.apply(&record.entry)?;
        book.seal(record.head());
        entries.push_back(record.entry);
        if entries.len() > last {
            entries.pop_front();
        }
        Ok(())
    })?;
    Ok((book, entries.into()))
}
