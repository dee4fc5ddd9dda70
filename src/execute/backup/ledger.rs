//! The ledger itself, beside the dump of `mydb_admin`: with it a host that has nothing left but its
//! keys and a store knows again what it had.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};

use super::error::BackupError;
use super::objects::{self, OnItsWay, Stored};
use super::take::Taking;
use super::{Archive, stream, tool};
use crate::engine::backup::Watch;
use crate::store::BackupStore;
use crate::store::manifest::{File, Manifest};
use crate::store::seal::Identity;

/// Its file: the journal's lines, as they lie on the host.
const LEDGER: &str = "ledger.jsonl.zst.age";
const WHAT: &str = "store the ledger";

/// Every line is checked by whoever reads it.
struct Unwatched;

impl Watch for Unwatched {
    fn take(&mut self, _: &[u8]) {}
    fn end(self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
        Ok(BTreeMap::new())
    }
}

impl Archive {
    /// Writes the ledger, as far as it is now, into all stores, and reads it back.
    pub(super) async fn ledger_file(&self, taking: &mut Taking) -> Result<File, BackupError> {
        taking.any()?;
        let io = |what: &'static str| BackupError::io(what);
        let pipe = pipe_with(PipeFlags::CLOEXEC);
        let (reader, writer) = pipe.map_err(|e| io("make a pipe")(e.into()))?;
        let ledger = self.ledger.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let mut to = BufWriter::with_capacity(256 << 10, fs::File::from(writer));
            ledger.copy_to(&mut to)?;
            to.flush().map_err(|e| e.to_string())
        });
        let (mut senders, mut on_their_way) = (Vec::new(), BTreeMap::<String, OnItsWay>::new());
        for (name, store) in &taking.live {
            let (send, object) =
                objects::begin(store.clone(), format!("{}{LEDGER}", taking.prefix), 0);
            senders.push(send);
            on_their_way.insert(name.clone(), object);
        }
        let recipients = self.recipients.clone();
        let packing = tokio::task::spawn_blocking(move || {
            stream::pack(
                fs::File::from(reader),
                &mut Unwatched,
                &recipients,
                senders,
                Arc::default(),
            )
        });
        let packed = packing.await.map_err(|e| tool(WHAT, e.to_string()))?;
        let written = writing.await.map_err(|e| tool(WHAT, e.to_string()))?;
        let result = match (packed, written) {
            (Ok(sums), Ok(())) => Ok(sums),
            (_, Err(why)) => Err(tool(WHAT, why)),
            (Err(error), Ok(())) => Err(io(WHAT)(error)),
        };
        for (store, object) in on_their_way {
            if let Err(error) = object.end(result.is_ok()).await {
                taking.fail(&store, error.into());
            }
        }
        let sums = result?;
        let file = File {
            name: LEDGER.to_owned(),
            part: None,
            database: None,
            bytes: sums.bytes,
            sha256: sums.sha256,
            plain_bytes: sums.plain_bytes,
            plain_sha256: sums.plain_sha256,
            took_ms: None,
        };
        for (name, store) in taking.live.clone() {
            let stored = Stored {
                store: &store,
                key: format!("{}{LEDGER}", taking.prefix),
                file: &file,
                meter: Arc::default(),
            };
            if let Err(error) = self.read_back(stored).await {
                taking.fail(&name, error);
            }
        }
        taking.any()?;
        Ok(file)
    }
}

/// Reads the ledger that lies beside a backup of `mydb_admin` into a file, and compares its sums.
///
/// # Errors
/// `Damaged` when it is not what was written, or there is none; as store and disk do.
pub async fn fetch_ledger(
    store: &Arc<dyn BackupStore>,
    prefix: &str,
    manifest: &Manifest,
    identities: Vec<Identity>,
    to: fs::File,
) -> Result<(), BackupError> {
    let file = manifest.files.iter().find(|file| file.name == LEDGER);
    let file = file.ok_or_else(|| {
        BackupError::Damaged(format!("{}: there is no {LEDGER} in it", store.place()))
    })?;
    let open = move || Ok(Box::new(BufWriter::new(to)) as Box<dyn Write>);
    let key = format!("{prefix}{LEDGER}");
    let read = objects::read(store, key, Arc::default(), identities, open, None).await;
    let read = read.map_err(|e| tool("read the ledger", e.to_string()))?;
    objects::judged(read, file, &store.place()).map(|_| ())
}
