//! One part of a backup: dumped into the stores, and read back from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::companion::Companion;
use super::error::BackupError;
use super::meter::Meter;
use super::objects::{self, OnItsWay, Stored};
use super::take::Taking;
use super::{Archive, Server, ended_well, stream, tool};
use crate::engine::backup::{Backups, Command, IN, OUT, Part, SNAPSHOT_NAME};
use crate::model::Secret;
use crate::runtime::jobs::JobEnd;
use crate::store::manifest::File;

impl Archive {
    /// One part: its file, and what was counted in it.
    pub(super) async fn part(
        &self,
        server: &Server<'_>,
        recipe: &dyn Backups,
        part: &Part,
        taking: &mut Taking,
        meter: Arc<Meter>,
    ) -> Result<(File, BTreeMap<String, u64>), BackupError> {
        let what = format!("dump {} ({})", server.db.name, part.name);
        let file_name = format!("{}.zst.age", part.name);
        let mut companion = match &part.companion {
            Some(command) => Some(Companion::start(self, server, command, &what).await?),
            None => None,
        };
        let mut command = part.dump.clone();
        // In one place: a database may be called like this, too.
        if let Some(companion) = &companion
            && let Some(arg) = command.args.iter_mut().find(|a| a.contains(SNAPSHOT_NAME))
        {
            *arg = arg.replace(SNAPSHOT_NAME, &companion.snapshot);
        }
        let folder = self.folder(server, &command)?;
        let io = |what: &'static str| BackupError::io(what);
        let pipe = folder.pipe(OUT).map_err(io("make a pipe"))?;
        let (reader, keeper) = pipe.reader().map_err(io("open a pipe"))?;
        let (mut senders, mut on_their_way) = (Vec::new(), BTreeMap::<String, OnItsWay>::new());
        for (name, store) in &taking.live {
            let (send, object) = objects::begin(
                store.clone(),
                format!("{}{file_name}", taking.prefix),
                taking.about,
            );
            senders.push(send);
            on_their_way.insert(name.clone(), object);
        }
        let mut watch = recipe.watch(&part.name);
        let recipients = self.recipients.clone();
        let packing = tokio::task::spawn_blocking(move || {
            let sums = stream::pack(reader, watch.as_mut(), &recipients, senders, meter);
            (sums, watch)
        });
        let job = self.job(server, &command, &folder, &what);
        let begun = Instant::now();
        let end = self.jobs.run(&job, server.longest()).await;
        // From here on the pipe has no writer: its reader comes to the end.
        drop(keeper);
        let packed = packing.await;
        let dumped = begun.elapsed();
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
        let ending = Instant::now();
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
            took_ms: (dumped + ending.elapsed()).as_millis().try_into().ok(),
        };
        Ok((file, counts))
    }

    /// Reads a file back from every store and compares its sums; one store's copy goes through the
    /// engine's own reader, which must find a whole archive.
    pub(super) async fn check(
        &self,
        server: &Server<'_>,
        part: &Part,
        file: &File,
        taking: &mut Taking,
        meter: &Arc<Meter>,
    ) -> Result<(), BackupError> {
        let mut read_by_tool = part.check.is_none();
        for (name, store) in taking.live.clone() {
            let stored = Stored {
                store: &store,
                key: format!("{}{}", taking.prefix, file.name),
                file,
                meter: meter.clone(),
            };
            let checked = match &part.check {
                Some(command) if !read_by_tool => {
                    let what = format!("read {} of {}", part.name, server.db.name);
                    let read = self.through(server, command, stored, None, &what);
                    read.await.map(drop)
                }
                Some(_) | None => self.read_back(stored).await,
            };
            match checked {
                Ok(()) => read_by_tool = true,
                Err(error) => taking.fail(&name, error),
            }
        }
        taking.any()
    }

    /// Reads a file and compares its sums.
    pub(super) async fn read_back(&self, stored: Stored<'_>) -> Result<(), BackupError> {
        let nowhere = || Ok(Box::new(std::io::sink()) as Box<dyn std::io::Write>);
        let Stored { store, file, .. } = stored;
        let identities = self.identities.clone();
        let reading = objects::read(store, stored.key, stored.meter, identities, nowhere, None);
        let read = reading
            .await
            .map_err(|e| tool("read back", e.to_string()))?;
        objects::judged(read, file, &store.place()).map(|_| ())
    }

    /// Reads a file into a command's pipe, and what follows it; compares its sums. How the command ended.
    pub(super) async fn through(
        &self,
        server: &Server<'_>,
        command: &Command,
        stored: Stored<'_>,
        then: Option<Secret>,
        what: &str,
    ) -> Result<JobEnd, BackupError> {
        let Stored {
            store,
            key,
            file,
            meter,
        } = stored;
        let folder = self.folder(server, command)?;
        let pipe = folder.pipe(IN).map_err(BackupError::io("make a pipe"))?;
        let to = pipe.clone();
        let open = move || Ok(Box::new(to.writer()?) as Box<dyn std::io::Write>);
        let identities = self.identities.clone();
        let reading = objects::read(store, key, meter.clone(), identities, open, then);
        let job = self.job(server, command, &folder, what);
        let end = self.load_moving(&job, &meter).await;
        pipe.free_writer(&reading).await;
        let read = reading.await.map_err(|e| tool(what, e.to_string()))?;
        // Damage says more than the tool that stumbled over it.
        let whole = objects::judged(read, file, &store.place())?;
        let end = end?;
        ended_well(&end, what)?;
        match whole {
            Some(_) => Ok(end),
            None => Err(tool(what, "it ended well before it had read everything")),
        }
    }
}
