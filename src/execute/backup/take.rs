//! One backup, from the first question to the manifest.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::objects::{self, OnItsWay};
use super::{Archive, LONGEST, Server, bundle, ended_well, stream, tool};
use crate::engine::backup::{Backups, HOLD, IN, OUT, Part, SNAPSHOT, SNAPSHOT_NAME};
use crate::execute::failpoint::failpoint;
use crate::model::{
    Backup, BackupId, BackupKind, BackupState, Contents, Database, Slot, Timestamp,
};
use crate::store::manifest::{self, File, MANIFEST, Manifest};
use crate::store::{BackupStore, write_small};

/// A backup to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The instant it stands for.
    pub slot: Slot,
    /// The attempt at it.
    pub attempt: u32,
    /// Why.
    pub kind: BackupKind,
    /// The stores it goes to.
    pub stores: Vec<String>,
    /// What a person said.
    pub note: String,
    /// The server's own version, as it last said.
    pub version: String,
}

/// The stores that still take part, and why others do not.
struct Taking {
    live: BTreeMap<String, Arc<dyn BackupStore>>,
    failed: BTreeMap<String, BackupError>,
    prefix: String,
}

impl Taking {
    fn fail(&mut self, store: &str, error: BackupError) {
        self.live.remove(store);
        self.failed.insert(store.to_owned(), error);
    }

    fn any(&mut self) -> Result<(), BackupError> {
        if !self.live.is_empty() {
            return Ok(());
        }
        let first = self.failed.pop_first();
        Err(first.map_or_else(
            || BackupError::NotNow("no store to write to".to_owned()),
            |(_, error)| error,
        ))
    }
}

impl Archive {
    /// Takes a backup into all stores of the order; gives what became of each. Whatever happens is
    /// in the ledger afterwards.
    ///
    /// # Errors
    /// Only when the ledger does not take the beginning: then nothing was done.
    pub async fn take(&self, db: &Database, order: &Order) -> Result<Vec<Backup>, BackupError> {
        let started = self.clock.now();
        let mut backups = Vec::new();
        for store in &order.stores {
            let backup = self.begun(db, order, store, started);
            self.note(&backup, format!("{} is being taken", backup.id))
                .await?;
            backups.push(backup);
        }
        failpoint("backup.begun");
        let done = self.dump(db, order, started).await;
        let (manifests, mut failed, all) = match done {
            Ok((manifests, failed)) => (manifests, failed, None),
            Err(error) => (BTreeMap::new(), BTreeMap::new(), Some(error)),
        };
        let finished = self.clock.now();
        for backup in &mut backups {
            backup.finished = Some(finished);
            let store = backup.id.store.clone();
            let message = match manifests.get(&store) {
                Some((manifest, sha256)) => {
                    backup.state = BackupState::Stored;
                    backup.bytes = manifest.bytes();
                    backup.sha256 = Some(sha256.clone());
                    self.metrics.backup_taken(
                        &backup.id.name,
                        &store,
                        finished - started,
                        backup.bytes,
                        finished,
                    );
                    format!(
                        "{} is stored: {} bytes in {} files",
                        backup.id,
                        backup.bytes,
                        manifest.files.len()
                    )
                }
                None => {
                    let error = failed.remove(&store);
                    let (why, word) = match (&error, &all) {
                        (Some(error), _) | (None, Some(error)) => (error.to_string(), error.word()),
                        (None, None) => ("it did not come to its end".to_owned(), "unknown"),
                    };
                    backup.state = BackupState::Failed;
                    backup.error = Some(why.clone());
                    self.metrics.backup_failed(&backup.id.name, &store, word);
                    self.remove_objects(backup).await;
                    format!("{} failed: {why}", backup.id)
                }
            };
            self.note(backup, message).await?;
        }
        Ok(backups)
    }

    fn begun(&self, db: &Database, order: &Order, store: &str, started: Timestamp) -> Backup {
        let place = self
            .stores
            .get(store)
            .map(|s| s.place())
            .unwrap_or_default();
        let prefix = self
            .layout
            .attempt(&db.name, db.uid, order.slot, order.attempt);
        Backup {
            id: BackupId {
                name: db.name.clone(),
                slot: order.slot,
                attempt: order.attempt,
                store: store.to_owned(),
            },
            uid: db.uid,
            kind: order.kind,
            state: BackupState::Running,
            started,
            finished: None,
            verified: None,
            bytes: 0,
            sha256: None,
            url: format!("{place} {}", prefix.trim_end_matches('/')),
            error: None,
            keep_until: None,
            note: order.note.clone(),
        }
    }

    /// Dumps into all stores; the manifests, and why a store has none.
    #[allow(clippy::type_complexity, reason = "said once, and taken apart at once")]
    async fn dump(
        &self,
        db: &Database,
        order: &Order,
        started: Timestamp,
    ) -> Result<
        (
            BTreeMap<String, (Manifest, String)>,
            BTreeMap<String, BackupError>,
        ),
        BackupError,
    > {
        let recipe = self.recipe(db)?;
        let container = self.container(db).await?;
        let server = self.server(db, &container)?;
        let mut taking = Taking {
            live: BTreeMap::new(),
            failed: BTreeMap::new(),
            prefix: self
                .layout
                .attempt(&db.name, db.uid, order.slot, order.attempt),
        };
        for name in &order.stores {
            match self.store(name) {
                Ok(store) => {
                    taking.live.insert(name.clone(), store.clone());
                }
                Err(error) => taking.fail(name, error),
            }
        }
        let databases = self.databases(&server).await?;
        let mut contents = Contents {
            how: recipe.how_counted().to_owned(),
            counts: BTreeMap::new(),
        };
        let parts = recipe.parts(db, &databases, LONGEST.as_secs());
        let mut files = Vec::new();
        for part in &parts {
            taking.any()?;
            let (file, counts) = self.part(&server, recipe, part, &mut taking).await?;
            contents.counts.extend(counts);
            files.push(file);
        }
        if contents.total() == 0 {
            return Err(tool("dump", "there is nothing in it, not even an account"));
        }
        failpoint("backup.dumped");
        for (part, file) in parts.iter().zip(&files) {
            self.check(&server, part, file, &mut taking).await?;
        }
        let mut manifest = Manifest {
            version: manifest::VERSION,
            name: db.name.clone(),
            uid: db.uid,
            engine: db.engine,
            server_version: order.version.clone(),
            image: db.image.reference.to_string(),
            image_id: container.image.to_string(),
            slot: order.slot,
            attempt: order.attempt,
            kind: order.kind,
            started,
            finished: self.clock.now(),
            files,
            contents,
            keys: self.recipients.iter().map(|r| r.key_id()).collect(),
            ledger_head: self.ledger.book().head().seq,
        };
        let plain = bundle::files(recipe, db, &manifest, (self.spec_text)(db));
        for (name, text) in plain {
            let sum = stream::hex(&Sha256::digest(text.as_bytes()));
            let bytes = text.len() as u64;
            for (store, at) in taking.live.clone() {
                let key = format!("{}{name}", taking.prefix);
                if let Err(error) = write_small(at.as_ref(), &key, text.clone()).await {
                    taking.fail(&store, error.into());
                }
            }
            manifest.files.push(File {
                name,
                part: None,
                database: None,
                bytes,
                sha256: sum.clone(),
                plain_bytes: bytes,
                plain_sha256: sum,
            });
        }
        failpoint("backup.manifest");
        let bytes = manifest.write().map_err(|why| tool("manifest", why))?;
        let sha256 = stream::hex(&Sha256::digest(&bytes));
        let mut written = BTreeMap::new();
        for (store, at) in taking.live.clone() {
            let key = format!("{}{MANIFEST}", taking.prefix);
            match write_small(at.as_ref(), &key, bytes.clone()).await {
                Ok(_) => {
                    written.insert(store, (manifest.clone(), sha256.clone()));
                }
                Err(error) => taking.fail(&store, error.into()),
            }
        }
        Ok((written, taking.failed))
    }

    /// One part: its file, and what was counted in it.
    async fn part(
        &self,
        server: &Server<'_>,
        recipe: &dyn Backups,
        part: &Part,
        taking: &mut Taking,
    ) -> Result<(File, BTreeMap<String, u64>), BackupError> {
        let what = format!("dump {} ({})", server.db.name, part.name);
        let file_name = format!("{}.zst.age", part.name);
        let mut companion = match &part.companion {
            Some(command) => Some(Companion::start(self, server, command, &what).await?),
            None => None,
        };
        let mut command = part.dump.clone();
        if let Some(companion) = &companion {
            for arg in &mut command.args {
                *arg = arg.replace(SNAPSHOT_NAME, &companion.snapshot);
            }
        }
        let folder = self.folder(server, &command)?;
        let io = |what: &'static str| BackupError::io(what);
        let pipe = folder.pipe(OUT).map_err(io("make a pipe"))?;
        let (reader, keeper) = pipe.reader().map_err(io("open a pipe"))?;
        let (mut senders, mut on_their_way) = (Vec::new(), BTreeMap::<String, OnItsWay>::new());
        for (name, store) in &taking.live {
            let (send, object) =
                objects::begin(store.clone(), format!("{}{file_name}", taking.prefix));
            senders.push(send);
            on_their_way.insert(name.clone(), object);
        }
        let mut watch = recipe.watch(&part.name);
        let recipients = self.recipients.clone();
        let packing = tokio::task::spawn_blocking(move || {
            let sums = stream::pack(reader, watch.as_mut(), &recipients, senders);
            (sums, watch)
        });
        let job = self.job(server, &command, &folder, &what);
        let end = self.jobs.run(&job, LONGEST).await;
        // From here on the pipe has no writer: its reader comes to the end.
        drop(keeper);
        let packed = packing.await;
        let result: Result<_, BackupError> = async {
            let end = end?;
            ended_well(&end, &what)?;
            let (sums, watch) = packed.map_err(|e| tool(&what, e.to_string()))?;
            let sums = sums.map_err(io("compress and encrypt"))?;
            let mut counts = watch.end(&end.words).map_err(|why| tool(&what, why))?;
            if let Some(companion) = companion.take() {
                counts.extend(companion.counts().await?);
            }
            Ok((sums, counts))
        }
        .await;
        drop(companion);
        let mut first: Option<BackupError> = None;
        for (store, object) in on_their_way {
            match object.end(result.is_ok()).await {
                Ok(bytes) if result.as_ref().is_ok_and(|(s, _)| s.bytes == bytes) => {}
                Ok(_) if result.is_err() => {}
                Ok(bytes) => {
                    let why = format!("{store}: {bytes} bytes were taken, not all");
                    taking.fail(&store, BackupError::Damaged(why));
                }
                Err(error) => {
                    // A store's trouble breaks the pipe where it is the only one: it says more than
                    // the tool that found the pipe broken.
                    first.get_or_insert_with(|| error.clone().into());
                    taking.fail(&store, error.into());
                }
            }
        }
        let (sums, counts) = result.map_err(|error| match first.take() {
            Some(store) if taking.live.is_empty() => store,
            Some(_) | None => error,
        })?;
        let file = File {
            name: file_name,
            part: Some(part.name.clone()),
            database: part.database.clone(),
            bytes: sums.bytes,
            sha256: sums.sha256,
            plain_bytes: sums.plain_bytes,
            plain_sha256: sums.plain_sha256,
        };
        Ok((file, counts))
    }

    /// Reads a file back from every store and compares its sums; one store's copy goes through the
    /// engine's own reader, which must find a whole archive.
    async fn check(
        &self,
        server: &Server<'_>,
        part: &Part,
        file: &File,
        taking: &mut Taking,
    ) -> Result<(), BackupError> {
        let mut read_by_tool = part.check.is_none();
        for (name, store) in taking.live.clone() {
            let key = format!("{}{}", taking.prefix, file.name);
            let checked = match &part.check {
                Some(command) if !read_by_tool => {
                    let what = format!("read {} of {}", part.name, server.db.name);
                    self.through(server, command, &store, key, file, None, &what)
                        .await
                }
                Some(_) | None => self.read_back(&store, key, file).await,
            };
            match checked {
                Ok(()) => read_by_tool = true,
                Err(error) => taking.fail(&name, error),
            }
        }
        taking.any()
    }

    /// Reads a file and compares its sums.
    pub(super) async fn read_back(
        &self,
        store: &Arc<dyn BackupStore>,
        key: String,
        file: &File,
    ) -> Result<(), BackupError> {
        let nowhere = || Ok(Box::new(std::io::sink()) as Box<dyn std::io::Write>);
        let reading = objects::read(store, key, self.identities.clone(), nowhere, None);
        let read = reading
            .await
            .map_err(|e| tool("read back", e.to_string()))?;
        objects::judged(read, file, &store.place()).map(|_| ())
    }

    /// Reads a file into a command's pipe, and what follows it; compares its sums.
    #[allow(
        clippy::too_many_arguments,
        reason = "the one place where all of these meet"
    )]
    pub(super) async fn through(
        &self,
        server: &Server<'_>,
        command: &crate::engine::backup::Command,
        store: &Arc<dyn BackupStore>,
        key: String,
        file: &File,
        then: Option<crate::model::Secret>,
        what: &str,
    ) -> Result<(), BackupError> {
        let folder = self.folder(server, command)?;
        let pipe = folder.pipe(IN).map_err(BackupError::io("make a pipe"))?;
        let to = pipe.clone();
        let open = move || Ok(Box::new(to.writer()?) as Box<dyn std::io::Write>);
        let reading = objects::read(store, key, self.identities.clone(), open, then);
        let job = self.job(server, command, &folder, what);
        let end = self.jobs.run(&job, LONGEST).await;
        pipe.free_writer(&reading).await;
        let read = reading.await.map_err(|e| tool(what, e.to_string()))?;
        // Damage says more than the tool that stumbled over it.
        let whole = objects::judged(read, file, &store.place())?;
        ended_well(&end?, what)?;
        match whole {
            Some(_) => Ok(()),
            None => Err(tool(what, "it ended well before it had read everything")),
        }
    }
}

/// What runs beside a dump: names its snapshot, and counts in it.
struct Companion {
    snapshot: String,
    task: Option<tokio::task::JoinHandle<Result<Vec<u8>, BackupError>>>,
    hold: std::fs::File,
    what: String,
    // Kept until the end: the job reads its pipes from there.
    _folder: super::JobFolder,
}

impl Companion {
    async fn start(
        archive: &Archive,
        server: &Server<'_>,
        command: &crate::engine::backup::Command,
        what: &str,
    ) -> Result<Self, BackupError> {
        let what = format!("{what}: snapshot and counts");
        let folder = archive.folder(server, command)?;
        let io = |what: &'static str| BackupError::io(what);
        let named = folder.pipe(SNAPSHOT).map_err(io("make a pipe"))?;
        let hold = folder.pipe(HOLD).map_err(io("make a pipe"))?;
        let hold = hold.holder().map_err(io("open a pipe"))?;
        let (reader, keeper) = named.reader().map_err(io("open a pipe"))?;
        let job = archive.job(server, command, &folder, &what);
        let jobs = archive.jobs.clone();
        let said = what.clone();
        let mut task = tokio::spawn(async move {
            let end = jobs.run(&job, LONGEST).await?;
            ended_well(&end, &said)?;
            Ok(end.output)
        });
        let mut reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(reader).read_line(&mut line).map(|_| line)
        });
        // Cancel-safe: both are tasks of their own, and go on.
        let line = tokio::select! {
            line = &mut reading => line,
            ended = &mut task => {
                drop(keeper);
                let ended = ended.map_err(|e| tool(&what, e.to_string()))?;
                ended?;
                return Err(tool(&what, "it ended before it named a snapshot"));
            }
        };
        drop(keeper);
        let line = line
            .map_err(|e| tool(&what, e.to_string()))?
            .map_err(io("read a pipe"))?;
        Ok(Companion {
            snapshot: line.trim().to_owned(),
            task: Some(task),
            hold,
            what,
            _folder: folder,
        })
    }

    /// Lets go of the snapshot, and waits for what was counted in it.
    async fn counts(mut self) -> Result<BTreeMap<String, u64>, BackupError> {
        use std::io::Write;
        // Said and not only closed: it may not have opened the pipe yet.
        self.hold
            .write_all(b"\\q\n")
            .map_err(BackupError::io("write to a pipe"))?;
        let Some(mut task) = self.task.take() else {
            return Ok(BTreeMap::new());
        };
        let output = (&mut task)
            .await
            .map_err(|e| tool(&self.what, e.to_string()))??;
        stream::counts(&output).map_err(|why| tool(&self.what, why))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // The job goes with its future.
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
