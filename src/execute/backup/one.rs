//! One database of a backup, carried into a server that has others: first the whole backup is loaded
//! into a throwaway server and counted, and only what was proven there goes on.

use std::io::{self, Write};

use super::error::BackupError;
use super::meter::Metered;
use super::restore::Built;
use super::{Archive, JobFolder, QUESTION, Server, ended_well, recipes, tool};
use crate::engine::backup::{Command, IN, LeftOut, Limit, OUT, WAS, Way};
use crate::model::{Backup, BackupKind, Database, ImageId};

/// How often the last step is tried: clients that connect again at once stand in its way.
const SWAPS: u32 = 10;

/// Why a database was not carried over.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Uncarried {
    error: BackupError,
    /// Whether what was there is gone, or half replaced.
    pub gone: bool,
}

impl From<BackupError> for Uncarried {
    fn from(error: BackupError) -> Self {
        let gone = false;
        Uncarried { error, gone }
    }
}

impl Archive {
    /// Loads a backup, which must hold a database of this name, into a throwaway server that goes on
    /// running with a password of its own.
    ///
    /// # Errors
    /// As [`BackupError`] says.
    pub async fn open(
        &self,
        db: &Database,
        image: &ImageId,
        backup: &Backup,
        database: &str,
    ) -> Result<Built, BackupError> {
        let built = self.load(db, image, backup, None).await?;
        let there = self.inventory(&built.server()).await?.databases;
        if there.iter().any(|name| name == database) {
            return Ok(built);
        }
        Err(BackupError::NotNow(format!(
            "{} holds no database `{database}`; it holds: {}",
            backup.id,
            there.join(", ")
        )))
    }

    /// Carries one database out of a restored server into the running one of `db`. `aside` is what the
    /// one that is there is called afterwards, if there is one and the engine can rename it; whether it is
    /// kept so is given.
    ///
    /// # Errors
    /// As [`Uncarried`] says.
    pub async fn carry(
        &self,
        built: &Built,
        db: &Database,
        database: &str,
        aside: &str,
    ) -> Result<bool, Uncarried> {
        let recipe = recipes::backups(db.engine, BackupKind::Manual);
        let from = built.server();
        let container = self.container(db, recipe).await?;
        let reached = self.as_in_force(db).await;
        let to = self.server(&reached, recipe, &container)?;
        let (inventory, there) = (self.inventory(&from).await?, self.inventory(&to).await?);
        let left_out =
            |which: fn(String) -> LeftOut| there.left_out.contains(&which(database.to_owned()));
        if left_out(LeftOut::Dropped) {
            let why = format!(
                "a DROP DATABASE of {database} was cut off in {}, and its name is taken: drop it, and \
                 restore it again",
                db.name
            );
            return Err(BackupError::NotNow(why).into());
        }
        let is_there =
            there.databases.iter().any(|name| name == database) || left_out(LeftOut::Closed);
        let aside = is_there.then_some(aside);
        let way = Way {
            from: (from.db, &inventory),
            to: to.db,
        };
        let one = recipe.one(&way, database, aside).ok_or_else(|| {
            let why = format!("{} has one database only: restore all of it", db.engine);
            BackupError::NotNow(why)
        })?;
        let what = format!("restore {database} of {}", db.name);
        if let Some(prepare) = &one.prepare {
            self.ask(&from, prepare, &what, QUESTION).await?;
        }
        let lifted = match &one.limit {
            Some(limit) => Some(self.lift(&to, limit, &what).await?),
            None => None,
        };
        let replaced = async {
            self.ask(&to, &one.clear, &what, QUESTION).await?;
            self.transfer(&from, &one.dump, &to, &one.load, &what).await
        };
        let gone = one.swap.is_none();
        let replaced = replaced.await;
        if let Some(set) = &lifted
            && let Err(error) = self.ask(&to, set, &what, QUESTION).await
        {
            tracing::warn!(
                name = %to.db.name,
                %error,
                "a limit of a server stays lifted until it starts again"
            );
        }
        replaced.map_err(|error| Uncarried { error, gone })?;
        let Some(swap) = &one.swap else {
            return Ok(false);
        };
        let mut tries = 1;
        loop {
            match self.ask(&to, swap, &what, QUESTION).await {
                Ok(_) => return Ok(is_there),
                Err(BackupError::Tool { .. }) if tries < SWAPS => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lifts a limit; the command that sets it again as it was.
    async fn lift(
        &self,
        to: &Server<'_>,
        limit: &Limit,
        what: &str,
    ) -> Result<Command, BackupError> {
        let answer = self.ask(to, &limit.lift, what, QUESTION).await?;
        let lines = recipes::lines(&answer).map_err(|why| tool(what, why))?;
        let was = lines.first().and_then(|line| line.get(0)?.as_u64());
        let was = was.ok_or_else(|| tool(what, "the server does not say what its limit is"))?;
        let mut set = limit.set.clone();
        for (_, text) in &mut set.scripts {
            *text = text.replace(WAS, &was.to_string());
        }
        Ok(set)
    }

    /// What one command writes in one server, another reads in the other.
    async fn transfer(
        &self,
        from: &Server<'_>,
        dump: &Command,
        to: &Server<'_>,
        load: &Command,
        what: &str,
    ) -> Result<(), BackupError> {
        let (out, into) = (self.folder(from, dump)?, self.folder(to, load)?);
        let pipe = |folder: &JobFolder, name| {
            let pipe = folder.pipe(name);
            pipe.map_err(BackupError::io("make a pipe"))
        };
        let (source, sink) = (pipe(&out, OUT)?, pipe(&into, IN)?);
        let (mut reader, keeper) = source.reader().map_err(BackupError::io("open a pipe"))?;
        let now = self.clock.now();
        let meter = self
            .meters
            .begin(&to.db.name, "carrying it over", None, now);
        let (writer, counts) = (sink.clone(), meter.clone());
        let copying = tokio::task::spawn_blocking(move || {
            let mut writer = Metered {
                to: writer.writer()?,
                meter: counts,
            };
            io::copy(&mut reader, &mut writer)?;
            writer.flush()
        });
        let dump = self.job(from, dump, &out, what);
        let load = self.job(to, load, &into, what);
        let dumping = async {
            // It is as quick as who loads.
            let end = self.load_moving(&dump, &meter).await;
            // The reader comes to its end.
            drop(keeper);
            end
        };
        let loading = async {
            let end = self.load_moving(&load, &meter).await;
            sink.free_writer(&copying).await;
            end
        };
        let (dumped, loaded) = tokio::join!(dumping, loading);
        let copied = copying.await.map_err(|e| tool(what, e.to_string()))?;
        // The reader says more than the writer, which found its pipe broken.
        ended_well(&loaded?, what)?;
        ended_well(&dumped?, what)?;
        copied.map_err(BackupError::io("carry it over"))
    }
}
