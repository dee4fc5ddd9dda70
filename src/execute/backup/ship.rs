//! The ledger on its way to the stores, piece by piece, between two backups of `mydb_admin`.
//!
//! Its own errors are no entries: each would be something new to ship.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use super::error::BackupError;
use super::stream::LEVEL;
use super::{Archive, tool};
use crate::admin::{Head, Ledger};
use crate::model::{
    BackupId, BackupState, Clock, Copied, DbName, Link, Segment, Shipped, Timestamp,
};
use crate::store::manifest::{Layout, MANIFEST, MANIFEST_LIMIT, Manifest, segment_of};
use crate::store::seal::{self, Identity, Recipient};
use crate::store::{BackupStore, StoreError, Stores, read_small, write_small};

/// Text of one piece, up to one unit more.
const MOST: usize = 4 << 20;
/// No piece is larger: the longest unit, which does not compress.
const LIMIT: usize = 64 << 20;
/// Text that a piece may unfold to.
const TEXT_LIMIT: u64 = 256 << 20;
/// Manifests of the newest backups that are looked at for a copy of the ledger.
pub const NEWEST_COPIES: usize = 6;
const WHAT: &str = "ship the ledger";

/// Brings the ledger into stores.
pub struct Shipper {
    /// What is shipped.
    pub ledger: Ledger,
    /// Where to.
    pub stores: Stores,
    /// Where this instance's things lie there.
    pub layout: Layout,
    /// Who reads it.
    pub recipients: Vec<Recipient>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

impl Archive {
    /// What brings the ledger into the stores of the backups.
    pub fn shipper(&self) -> Shipper {
        Shipper {
            ledger: self.ledger.clone(),
            stores: self.stores.clone(),
            layout: self.layout.clone(),
            recipients: self.recipients.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl Shipper {
    fn store(&self, name: &str) -> Result<&Arc<dyn BackupStore>, BackupError> {
        let store = self.stores.get(name);
        store.ok_or_else(|| tool(WHAT, format!("there is no store `{name}` in the settings")))
    }

    /// What a store holds of the ledger. Of the copies only those of backups count that are proven: what
    /// merely lies there may not open on the day on which it is needed.
    ///
    /// # Errors
    /// As the store does.
    pub async fn look(&self, store: &str) -> Result<Shipped, BackupError> {
        let book = self.ledger.book();
        let row = book.row(&DbName::mydb_admin());
        let proven = |id: &BackupId| {
            let known = row.and_then(|row| row.backups.get(id));
            known.is_some_and(|backup| backup.state == BackupState::Verified)
        };
        let at = self.store(store)?;
        let found = shipped_in(at, &self.layout, store, Some(NEWEST_COPIES), proven);
        Ok(found.await?)
    }

    /// The same, whatever the ledger knows of backups: what it has forgotten shows. `None`: however many
    /// there are.
    ///
    /// # Errors
    /// As the store does.
    pub async fn look_at_all(
        &self,
        store: &str,
        backups_at_most: Option<usize>,
    ) -> Result<Shipped, BackupError> {
        let at = self.store(store)?;
        let found = shipped_in(at, &self.layout, store, backups_at_most, |_| true);
        Ok(found.await?)
    }

    /// Which of these places are in this host's chain.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn ours(&self, links: BTreeSet<Link>) -> Result<BTreeSet<Link>, BackupError> {
        let heads = self
            .ledger
            .heads(links.iter().map(|link| link.seq).collect());
        let own: BTreeSet<Link> = heads.await?.into_iter().map(link).collect();
        Ok(links.intersection(&own).cloned().collect())
    }

    /// Writes the next piece after an entry into a store, and reads it back; its last entry, or `None`
    /// if there is nothing new.
    ///
    /// # Errors
    /// As store and journal do; what was written may lie there all the same.
    pub async fn ship(&self, store: &str, after: u64) -> Result<Option<u64>, BackupError> {
        let at = self.store(store)?;
        let Some(stretch) = self.ledger.stretch(after, MOST).await? else {
            return Ok(None);
        };
        let last = stretch.last.seq;
        let now = self.clock.now();
        let segment = Segment::new(link(stretch.after), link(stretch.last), now);
        let recipients = self.recipients.clone();
        let packing = tokio::task::spawn_blocking(move || pack(&stretch.lines, &recipients));
        let packed = packing.await.map_err(|e| tool(WHAT, e.to_string()))?;
        let packed = bytes::Bytes::from(packed.map_err(BackupError::io(WHAT))?);
        let key = self.layout.segment(&segment);
        write_small(at.as_ref(), &key, packed.clone()).await?;
        let back = read_small(at.as_ref(), &key, LIMIT).await?;
        if back != packed {
            at.delete(&key).await?;
            return Err(BackupError::Damaged(format!(
                "{}: {key}: what lies there is not what was written: {} bytes, and not {}",
                at.place(),
                back.len(),
                packed.len()
            )));
        }
        Ok(Some(last))
    }

    /// Removes pieces that are needed no more, and what broken uploads left before an instant.
    ///
    /// # Errors
    /// As the store does; it may be repeated.
    pub async fn sweep(
        &self,
        store: &str,
        segments: &[&Segment],
        before: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(at) = self.stores.get(store) else {
            return Ok(());
        };
        for segment in segments {
            at.delete(&self.layout.segment(segment)).await?;
        }
        at.sweep(&self.layout.journal(), before).await.map(|_| ())
    }
}

/// What a store holds of an instance's ledger: the pieces, and the copies beside so many of its newest backups
/// that count.
///
/// # Errors
/// As the store does.
pub async fn shipped_in(
    at: &Arc<dyn BackupStore>,
    layout: &Layout,
    store: &str,
    backups_at_most: Option<usize>,
    counts: impl Fn(&BackupId) -> bool,
) -> Result<Shipped, StoreError> {
    let mut shipped = Shipped::default();
    for object in at.list(&layout.journal()).await? {
        shipped
            .segments
            .extend(segment_of(&object.key).map(|(_, segment)| segment));
    }
    let admin = layout.database(&DbName::mydb_admin());
    let mut manifests: Vec<(BackupId, String)> = at
        .list(&admin)
        .await?
        .into_iter()
        .filter_map(|object| {
            let prefix = object.key.strip_suffix(MANIFEST)?;
            let (_, id) = layout.backup(prefix, store)?;
            counts(&id).then_some((id, object.key))
        })
        .collect();
    // Whatever the uid.
    manifests.sort_by_key(|(id, _)| std::cmp::Reverse((id.slot, id.attempt)));
    let most = backups_at_most.unwrap_or(usize::MAX);
    for (_, key) in manifests.iter().take(most) {
        let bytes = read_small(at.as_ref(), key, MANIFEST_LIMIT).await?;
        // One that cannot be read counts for nothing: more is shipped than would be needed.
        let Ok(manifest) = Manifest::read(&bytes) else {
            continue;
        };
        let copy = manifest.ledger_copy.as_ref();
        shipped.copies.extend(copy.map(|copy| Copied {
            upto: Link::new(copy.seq, &copy.hash),
            at: manifest.started,
        }));
    }
    Ok(shipped)
}

fn link(head: Head) -> Link {
    Link::new(head.seq, &head.hash.to_string())
}

fn pack(lines: &[u8], recipients: &[Recipient]) -> io::Result<Vec<u8>> {
    let sealed = seal::seal(recipients, Vec::new())?;
    let mut encoder = zstd::Encoder::new(sealed, LEVEL)?;
    encoder.write_all(lines)?;
    encoder.finish()?.finish()
}

/// Reads the lines of a piece of the ledger. Whether they are what its name says is for the reader
/// of the chain to find out.
///
/// # Errors
/// `Damaged` when it cannot be opened or unfolded; as the store does.
pub async fn fetch_segment(
    store: &Arc<dyn BackupStore>,
    key: &str,
    identities: Vec<Identity>,
) -> Result<Vec<u8>, BackupError> {
    let packed = read_small(store.as_ref(), key, LIMIT).await?;
    let opening = tokio::task::spawn_blocking(move || unpack(&packed, &identities));
    let opened = opening
        .await
        .map_err(|e| tool("read a piece", e.to_string()))?;
    opened.map_err(|why| BackupError::Damaged(format!("{}: {key}: {why}", store.place())))
}

fn unpack(packed: &[u8], identities: &[Identity]) -> io::Result<Vec<u8>> {
    let opened = seal::open(identities, packed)?;
    let mut lines = Vec::new();
    let decoder = zstd::Decoder::new(opened)?;
    decoder.take(TEXT_LIMIT + 1).read_to_end(&mut lines)?;
    if lines.len() as u64 > TEXT_LIMIT {
        return Err(io::Error::other(format!(
            "more than {TEXT_LIMIT} bytes of text; that was not written by db4sci"
        )));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
