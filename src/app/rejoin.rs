//! The ledger of a lost host, put together from what the stores hold: the newest copy beside a backup
//! of `mydb_admin` that can be read, and the pieces that were shipped since.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::admin::audit::{believe, believe_file};
use crate::admin::journal::{FILE_NAME, read_line};
use crate::admin::{Book, Keyring, read_offline};
use crate::execute::backup::{fetch_ledger, fetch_segment};
use crate::model::{Link, Segment, Timestamp};
use crate::plan::shipping;
use crate::settings::Settings;
use crate::store::Stores;
use crate::store::seal::Identity;

use super::history::{History, Piece, Place, manifest};
use super::{archive, daemon, home};

mod shipped;
pub(super) use shipped::Shipped;

/// A ledger that was put together. Its lines lie in the folder that was given.
pub(super) struct Rejoined {
    /// What it says.
    pub(super) book: Book,
    /// The backup that its copy lies in, or that there is none.
    pub(super) from: String,
    /// Entries that come from pieces.
    pub(super) shipped: u64,
    /// Up to when it knows.
    pub(super) as_of: Timestamp,
    /// What cannot be read, and what is lost by that.
    pub(super) problems: Vec<String>,
}

/// Puts the ledger together in a folder.
///
/// # Errors
/// When nothing can be read, or the folder takes nothing; for a person.
pub(super) async fn ledger(
    settings: &Settings,
    stores: &Stores,
    all: &History,
    coming: &Path,
) -> Result<Rejoined, String> {
    let identities = archive::identities(&settings.state_dir)?;
    let ring = Keyring::read(&home::keys(&settings.state_dir)).map_err(|e| e.to_string())?;
    let mut admins: Vec<&Place> = all
        .places
        .iter()
        .filter(|p| p.name.is_mydb_admin())
        .collect();
    admins.sort_by_key(|p| std::cmp::Reverse((&p.slot, p.attempt)));
    let mut problems = Vec::new();
    let mut copy = None;
    for place in admins {
        match copied(stores, place, identities.clone(), coming, &ring).await {
            Ok(found) => {
                copy = Some(found);
                break;
            }
            Err(why) => problems.push(format!(
                "the backup {} of mydb_admin cannot be used: {why}",
                place.slot
            )),
        }
    }
    let (book, from, copied_at) = match copy {
        Some((book, from, at)) => (book, from, Some(at)),
        None => {
            // What a copy left that broke off is no part of it.
            fresh(coming)?;
            let from = "no backup of mydb_admin".to_owned();
            (Book::new(), from, None)
        }
    };
    let before = book.head().seq;
    let mut joining = Joining {
        book,
        ring,
        upto: None,
        shipped_at: None,
    };
    joining
        .join(stores, &all.pieces, &identities, coming, &mut problems)
        .await?;
    let Some(as_of) = joining.upto.or(copied_at) else {
        return Err(format!(
            "{}; nothing was changed. The keys of the lost host are needed in {}: copy there what \
             db4sci key export wrote",
            problems.join("; "),
            home::keys(&settings.state_dir).display()
        ));
    };
    Ok(Rejoined {
        shipped: joining.book.head().seq - before,
        book: joining.book,
        from,
        as_of,
        problems,
    })
}

/// Fetches the copy of the ledger in one backup, and folds it.
async fn copied(
    stores: &Stores,
    place: &Place,
    identities: Vec<Identity>,
    coming: &Path,
    ring: &Keyring,
) -> Result<(Book, String, Timestamp), String> {
    let store = &stores[&place.store];
    let manifest = manifest(store, &place.prefix).await?;
    let file = fresh(coming)?;
    let fetched = fetch_ledger(store, &place.prefix, &manifest, identities, file);
    fetched.await.map_err(|e| e.to_string())?;
    let (book, _) = read_offline(coming, 0).map_err(|e| daemon::chain(&e))?;
    believe_file(ring, &coming.join(FILE_NAME))?;
    let id = manifest.id(&place.store).to_string();
    Ok((book, id, manifest.started))
}

/// The file of the ledger that is on its way, without anything in it.
pub(super) fn fresh(coming: &Path) -> Result<File, String> {
    let path = coming.join(FILE_NAME);
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    file.map_err(|e| format!("{}: {e}", path.display()))
}

/// A ledger that pieces are joined to.
struct Joining {
    book: Book,
    /// The keys that entries are sealed with.
    ring: Keyring,
    /// When its last entry from a piece was accepted.
    upto: Option<Timestamp>,
    /// When the last piece that was joined had been written.
    shipped_at: Option<Timestamp>,
}

impl Joining {
    /// Joins piece after piece, until none follows that can be read.
    async fn join(
        &mut self,
        stores: &Stores,
        pieces: &[Piece],
        identities: &[Identity],
        coming: &Path,
        problems: &mut Vec<String>,
    ) -> Result<(), String> {
        let path = coming.join(FILE_NAME);
        let told = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut to = fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(told)?;
        let mut left: Vec<&Piece> = pieces.iter().collect();
        let mut unread = Vec::new();
        loop {
            let head = self.book.head();
            let at = Link::new(head.seq, &head.hash.to_string());
            let Some(next) = shipping::next(&at, left.iter().map(|p| &p.segment)).cloned() else {
                break;
            };
            let Some(index) = left.iter().position(|piece| piece.segment == next) else {
                break;
            };
            let piece = left.swap_remove(index);
            let store = &stores[&piece.store];
            let fetched = fetch_segment(store, &piece.key, identities.to_vec()).await;
            let read = fetched.map_err(|e| e.to_string()).and_then(|lines| {
                let longer = longer(&self.book, &lines, &next, &self.ring);
                longer.map_err(|why| format!("{}: {}: {why}", store.place(), piece.key))
            });
            match read {
                Ok(longer) => {
                    to.write_all(&longer.lines).map_err(told)?;
                    self.book = longer.book;
                    self.upto = Some(longer.upto);
                    self.shipped_at = Some(next.shipped);
                    // What could not be read lies in another piece, too.
                    unread.clear();
                }
                Err(why) => unread.push((next, why)),
            }
        }
        problems.extend(self.lost(&left, &unread));
        Ok(())
    }

    /// What the stores hold behind the end, if it is of this history and not of an abandoned one.
    fn lost(&self, left: &[&Piece], unread: &[(Segment, String)]) -> Option<String> {
        let head = self.book.head().seq;
        let later = |s: &&Segment| {
            s.last.seq > head && self.shipped_at.is_none_or(|joined| s.shipped >= joined)
        };
        let broken = unread.iter().map(|(segment, _)| segment);
        let behind = left.iter().map(|piece| &piece.segment).chain(broken);
        let end = behind.filter(later).map(|s| s.last.seq).max()?;
        let why: Vec<&str> = unread.iter().map(|(_, why)| why.as_str()).collect();
        let why = if why.is_empty() {
            "the piece that follows is not in a store".to_owned()
        } else {
            why.join("; ")
        };
        Some(format!(
            "the journal in the stores goes up to entry {end}, and can be read up to {head}: what was \
             accepted in the entries from {} on is lost: {why}",
            head + 1
        ))
    }
}

/// What a piece adds.
struct Longer {
    book: Book,
    lines: Vec<u8>,
    upto: Timestamp,
}

/// A ledger with the lines of a piece, as far as it does not have them.
fn longer(book: &Book, lines: &[u8], segment: &Segment, ring: &Keyring) -> Result<Longer, String> {
    let mut longer = book.clone();
    let mut added = Vec::new();
    let (mut upto, mut last): (_, &[u8]) = (None, &[]);
    for line in lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
        let head = longer.head();
        let record = read_line(line)
            .ok_or_else(|| format!("what should be entry {} is none", head.seq + 1))?;
        let seq = record.entry.seq;
        if seq <= book.head().seq {
            continue;
        }
        if seq != head.seq + 1 || record.prev != head.hash {
            return Err(format!("entry {seq} does not follow entry {}", head.seq));
        }
        longer.apply(&record.entry)?;
        longer.seal(record.head());
        added.extend_from_slice(line);
        added.push(b'\n');
        (upto, last) = (Some((record.entry.at, record.rest)), line);
    }
    match upto {
        Some((upto, 0)) if longer.head().seq == segment.last.seq => {
            believe(ring, last)?;
            Ok(Longer {
                book: longer,
                lines: added,
                upto,
            })
        }
        Some(_) | None => Err(format!(
            "it ends at entry {}, and not at {}",
            longer.head().seq,
            segment.last.seq
        )),
    }
}

#[cfg(test)]
mod tests;
