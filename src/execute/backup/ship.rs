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
use crate::model::{BackupId, BackupState, Clock, DbName, Link, Segment, Shipped, Timestamp};
use crate::store::manifest::{Layout, MANIFEST, MANIFEST_LIMIT, Manifest, segment_of};
use crate::store::seal::{self, Identity, Recipient};
use crate::store::{BackupStore, StoreError, Stores, read_small, write_small};

/// Text of one piece, up to one unit more.
const MOST: usize = 4 << 20;
/// No piece is larger: the longest unit, which does not compress.
const LIMIT: usize = 64 << 20;
/// Text that a piece may unfold to.
const TEXT_LIMIT: u64 = 256 << 20;
/// Manifests of proven backups that are looked at for a copy of the ledger.
const MANIFESTS: usize = 6;
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
        self.found(store, MANIFESTS, proven).await
    }

    /// The same, whatever the ledger knows of backups: what it has forgotten shows.
    ///
    /// # Errors
    /// As the store does.
    pub async fn look_at_all(&self, store: &str) -> Result<Shipped, BackupError> {
        self.found(store, usize::MAX, |_| true).await
    }

    /// The pieces in a store, and the ledger's copies beside the newest backups that count.
    async fn found(
        &self,
        store: &str,
        manifests_at_most: usize,
        counts: impl Fn(&BackupId) -> bool,
    ) -> Result<Shipped, BackupError> {
        let at = self.store(store)?;
        let mut shipped = Shipped::default();
        for object in at.list(&self.layout.journal()).await? {
            shipped
                .segments
                .extend(segment_of(&object.key).map(|(_, segment)| segment));
        }
        let admin = self.layout.database(&DbName::mydb_admin());
        let mut manifests: Vec<(BackupId, String)> = at
            .list(&admin)
            .await?
            .into_iter()
            .filter_map(|object| {
                let prefix = object.key.strip_suffix(MANIFEST)?;
                let (_, id) = self.layout.backup(prefix, store)?;
                counts(&id).then_some((id, object.key))
            })
            .collect();
        // Whatever the uid.
        manifests.sort_by_key(|(id, _)| std::cmp::Reverse((id.slot, id.attempt)));
        for (_, key) in manifests.iter().take(manifests_at_most) {
            let bytes = read_small(at.as_ref(), key, MANIFEST_LIMIT).await?;
            // One that cannot be read counts for nothing: more is shipped than would be needed.
            let Ok(manifest) = Manifest::read(&bytes) else {
                continue;
            };
            let copy = manifest.ledger_copy;
            shipped
                .copies
                .extend(copy.map(|copy| Link::new(copy.seq, &copy.hash)));
        }
        Ok(shipped)
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
mod tests {
    use super::*;
    use crate::admin::journal::{FileStorage, follow};
    use crate::admin::{MemoryStorage, NewEntry};
    use crate::model::{Backup, Change, Outcome, Slot, Source, SystemClock};
    use crate::store::memory::MemoryStore;

    async fn noted(ledger: &Ledger, n: usize) {
        for _ in 0..n {
            let admin = DbName::mydb_admin();
            let entry = NewEntry::of(&admin, Outcome::Done, "x".repeat(900), Change::Noted);
            ledger.append(entry).await.unwrap();
        }
    }

    async fn shipper() -> (Shipper, MemoryStore, Identity) {
        let (store, key) = (MemoryStore::default(), Identity::generate());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (ledger, _) = Ledger::open(MemoryStorage::new(), clock.clone())
            .await
            .unwrap();
        let shipper = Shipper {
            ledger,
            stores: [(
                "s".to_owned(),
                Arc::new(store.clone()) as Arc<dyn BackupStore>,
            )]
            .into(),
            layout: Layout::new("test", "i"),
            recipients: vec![key.recipient()],
            clock,
        };
        (shipper, store, key)
    }

    #[tokio::test]
    async fn what_was_shipped_reads_as_the_journal_does() {
        let (shipper, _, key) = shipper().await;
        assert_eq!(shipper.ship("s", 0).await.unwrap(), None);
        noted(&shipper.ledger, 3).await;
        assert_eq!(shipper.ship("s", 0).await.unwrap(), Some(3));
        noted(&shipper.ledger, 2).await;
        assert_eq!(shipper.ship("s", 3).await.unwrap(), Some(5));
        let there = shipper.look("s").await.unwrap();
        let ends: Vec<(u64, u64)> = there
            .segments
            .iter()
            .map(|s| (s.first(), s.last.seq))
            .collect();
        assert_eq!(ends, [(1, 3), (4, 5)]);
        assert_eq!(shipper.ours(there.links()).await.unwrap(), there.links());
        let mut head = Head::GENESIS;
        for segment in &there.segments {
            let name = shipper.layout.segment(segment);
            let at = &shipper.stores["s"];
            let lines = fetch_segment(at, &name, vec![key.clone()]).await.unwrap();
            for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                head = follow(head, line).unwrap();
            }
            let stranger = fetch_segment(at, &name, vec![Identity::generate()]).await;
            assert!(stranger.unwrap_err().is_damage());
        }
        assert_eq!(head, shipper.ledger.book().head());
        let all: Vec<&Segment> = there.segments.iter().collect();
        shipper.sweep("s", &all, shipper.clock.now()).await.unwrap();
        assert_eq!(shipper.look("s").await.unwrap(), Shipped::default());
    }

    /// Backups of `mydb_admin` in the store and in the ledger, one a state, each with a copy up to
    /// ten times its number.
    async fn backed_up(shipper: &Shipper, states: &[BackupState]) {
        let mut db = crate::admin::testing::database("mydb_admin", 32009);
        db.source = Source::Builtin;
        let entry = crate::admin::testing::admitted(db.clone());
        shipper.ledger.append(entry).await.unwrap();
        for (state, nth) in states.iter().zip(1_u64..) {
            let at: Timestamp = format!("2026-03-{nth:02}T02:00:00Z").parse().unwrap();
            let manifest: Manifest = serde_json::from_value(serde_json::json!({
                "version": 1, "name": db.name, "uid": db.uid, "engine": db.engine,
                "serverVersion": "17.0", "image": "postgres:17", "imageId": "sha256:4711",
                "slot": Slot::at(at), "attempt": 1, "kind": "scheduled", "started": at,
                "finished": at, "files": [], "contents": {"how": "counted", "counts": {}},
                "keys": [], "ledgerHead": nth * 10,
                "ledgerCopy": {"seq": nth * 10, "hash": "0".repeat(64)},
            }))
            .unwrap();
            let prefix = shipper.layout.attempt(&db.name, db.uid, Slot::at(at), 1);
            let text = bytes::Bytes::from(manifest.write().unwrap());
            let at: &dyn BackupStore = shipper.stores["s"].as_ref();
            write_small(at, &format!("{prefix}{MANIFEST}"), text)
                .await
                .unwrap();
            let backup = Box::new(Backup {
                state: *state,
                ..manifest.backup("s", "", &prefix)
            });
            let change = Change::Backup { backup };
            let entry = NewEntry::of(&db.name, Outcome::Done, String::new(), change);
            shipper.ledger.append(entry).await.unwrap();
        }
    }

    #[tokio::test]
    async fn pieces_are_needed_until_two_proven_backups_hold_them() {
        use BackupState::{Damaged, Failed, Stored, Verified};
        for (states, copies) in [
            (&[][..], &[][..]),
            (&[Stored, Stored, Stored], &[]),
            (&[Verified, Stored, Stored], &[10]),
            (&[Verified, Verified, Stored, Damaged], &[20, 10]),
            (&[Verified, Failed, Verified], &[30, 10]),
            // However many are newer, and not proven yet.
            (
                &[
                    Verified, Verified, Stored, Stored, Stored, Stored, Stored, Stored, Stored,
                ],
                &[20, 10],
            ),
        ] {
            let (shipper, _, _) = shipper().await;
            backed_up(&shipper, states).await;
            let found = shipper.look("s").await.unwrap();
            let found: Vec<u64> = found.copies.iter().map(|link| link.seq).collect();
            assert_eq!(found, copies, "{states:?}");
            let all = shipper.look_at_all("s").await.unwrap();
            assert_eq!(all.copies.len(), states.len(), "{states:?}");
        }
    }

    #[tokio::test]
    async fn a_store_that_keeps_half_of_it_does_not_have_it() {
        let (shipper, store, _) = shipper().await;
        noted(&shipper.ledger, 3).await;
        store.set_keeps_half(true);
        let error = shipper.ship("s", 0).await.unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert_eq!(shipper.look("s").await.unwrap(), Shipped::default());
        store.set_down(Some("no route"));
        assert!(shipper.look("s").await.is_err() && shipper.ship("s", 0).await.is_err());
    }

    #[tokio::test]
    async fn a_long_journal_goes_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let (mut shipper, _, _) = shipper().await;
        let storage = FileStorage::open(folder.path()).unwrap();
        let clock = shipper.clock.clone();
        shipper.ledger = Ledger::open(storage, clock).await.unwrap().0;
        let admin = DbName::mydb_admin();
        let large = |_| {
            let change = Change::Acted {
                action: "x".repeat(1 << 20),
            };
            NewEntry::of(&admin, Outcome::Done, String::new(), change)
        };
        for _ in 0..3 {
            let unit = (0..3).map(large).collect();
            shipper.ledger.append_all(unit).await.unwrap();
        }
        let (mut at, mut pieces) = (0, Vec::new());
        while let Some(last) = shipper.ship("s", at).await.unwrap() {
            pieces.push(last);
            at = last;
        }
        assert_eq!(pieces, [6, 9]);
    }
}
