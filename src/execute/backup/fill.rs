//! A backup goes into a throwaway server, and is counted there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ended::{ended_well, loaded_well};
use super::error::BackupError;
use super::meter::Meter;
use super::restore::Passwords;
use super::throwaway::Throwaway;
use super::{Archive, JobFolder, LONGEST, QUESTION, Server, tool};
use crate::engine;
use crate::engine::backup::{self as recipes, Command, Refused};
use crate::model::{Backup, Contents, Database};
use crate::runtime::jobs::{Job, JobEnd};
use crate::store::manifest::Manifest;

/// A load takes as long as it takes. One is killed that took nothing for so long: at its end, where indexes
/// are made, it takes next to nothing.
const SILENCE: Duration = Duration::from_secs(12 * 3600);

impl Archive {
    /// Brings a backup into a throwaway server that was laid out, and counts what is there then. What of
    /// it is not in force there is given, for people.
    pub(super) async fn fill(
        &self,
        throwaway: &mut Throwaway,
        db: &Database,
        backup: &Backup,
        manifest: &Manifest,
        passwords: Option<&Passwords>,
    ) -> Result<Vec<String>, BackupError> {
        let recipe = recipes::backups(db.engine, manifest.kind);
        if !recipe.at_rest() {
            self.launch(throwaway).await?;
        }
        let own = throwaway.password.clone();
        let wanted = recipes::Passwords {
            admin: passwords.map_or(&own, |p| &p.admin),
            user: passwords.and_then(|p| p.user.as_ref()),
            daemon: passwords.and_then(|p| p.daemon.as_ref()),
        };
        let (mut lacking, mut refused) = (Vec::new(), BTreeMap::new());
        let owner = self.owner(backup);
        let meter = self.reading(&owner, "loading it into a throwaway server", manifest);
        for (part, stored) in self.objects(backup, manifest, &meter)? {
            let file = stored.file;
            let command = recipe.load(&throwaway.db, part, file.database.as_deref());
            let then = recipe.epilogue(db, part, wanted);
            let changes = then.is_some();
            let what = format!("load {part} of {}", backup.id);
            let server = throwaway.server();
            let loaded = self
                .through(&server, &command, stored, then, &what)
                .await
                .and_then(|end| loaded_well(recipe, part, &end.words, &what).map(|()| end.output));
            // A tool that does not take what was stored speaks of the backup.
            let answer = loaded.map_err(BackupError::damage_told)?;
            if let Some(Refused { key, names }) = recipe
                .refused(part, &answer)
                .map_err(|why| tool(&what, why))?
            {
                lacking.push(format!(
                    "of its {key}, this server takes none of these, and has them no more: {}",
                    names.join(", ")
                ));
                refused.insert(key.to_owned(), names.len() as u64);
            }
            if changes {
                throwaway.password = wanted.admin.clone();
            }
        }
        let now = self.clock.now();
        self.meters
            .begin(&owner, "counting what came of it", None, now);
        let mut found = self.count(&throwaway.server(), &manifest.contents).await?;
        let aside = recipe.set_aside(&throwaway.db, &found);
        for (key, n) in refused {
            *found.entry(key).or_default() += n;
        }
        let differences = manifest.contents.differences(&found, 5);
        if !differences.is_empty() {
            return Err(BackupError::Damaged(format!(
                "{}: what was restored is not what was backed up: {}",
                backup.id,
                differences.join("; ")
            )));
        }
        if recipe.at_rest() && recipe.serves() {
            // Whether a server takes it, only a server shows.
            self.launch(throwaway).await?;
            self.set_passwords(throwaway, wanted).await?;
        }
        if let Some(aside) = aside {
            lacking.extend(self.start_again(throwaway, &aside).await?);
        }
        Ok(lacking)
    }

    /// Runs a job that loads, for as long as the meter moves.
    pub(super) async fn load_moving(
        &self,
        job: &Job,
        meter: &Meter,
    ) -> Result<JobEnd, BackupError> {
        // Safe to cancel: a job goes with its future.
        tokio::select! {
            end = self.jobs.run(job, Duration::MAX) => Ok(end?),
            () = meter.still(SILENCE) => Err(BackupError::Cut {
                what: job.name.clone(),
                why: format!(
                    "it was killed, since it had taken nothing for {} h",
                    SILENCE.as_secs() / 3600
                ),
            }),
        }
    }

    /// Starts the server once more: some of what was loaded holds only from then on. What keeps it from
    /// starting is set aside, and told.
    async fn start_again(
        &self,
        throwaway: &mut Throwaway,
        aside: &Command,
    ) -> Result<Option<String>, BackupError> {
        let deadline = engine::recipe(throwaway.db.engine).defaults().stop_deadline;
        throwaway
            .settle(Duration::from_secs(u64::from(deadline)))
            .await?;
        throwaway.discard().await?;
        let why = match self.launch(throwaway).await {
            Ok(()) => return Ok(None),
            Err(BackupError::Tool { why, .. }) => why,
            Err(other) => return Err(other),
        };
        throwaway.discard().await?;
        let what = format!("set aside what keeps {} from starting", throwaway.db.name);
        self.ask(&throwaway.server(), aside, &what, QUESTION)
            .await?;
        self.launch(throwaway).await?;
        let file = aside.args.last().and_then(|file| file.rsplit('/').next());
        Ok(Some(format!(
            "with what was set there the server does not start ({why}), so it does without that: it is in \
             {} of its data folder",
            file.unwrap_or_default()
        )))
    }

    /// What is counted now of what is to be there.
    pub(super) async fn count(
        &self,
        server: &Server<'_>,
        expected: &Contents,
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        let recipe = server.recipe;
        let databases = match server.running {
            Some(_) => self.inventory(server).await?.databases,
            None => Vec::new(),
        };
        let mut found = BTreeMap::new();
        for command in recipe.count(server.db, expected, &databases) {
            let what = format!("count what is in {}", server.db.name);
            let answer = self.ask(server, &command, &what, LONGEST).await?;
            found.extend(recipe.counts(&answer).map_err(|why| tool(&what, why))?);
        }
        Ok(found)
    }

    /// Sets the passwords that are to be in force in a server that was loaded at rest.
    async fn set_passwords(
        &self,
        throwaway: &Throwaway,
        passwords: recipes::Passwords<'_>,
    ) -> Result<(), BackupError> {
        let server = throwaway.server();
        let Some((command, text)) = server.recipe.set_passwords(server.db, passwords) else {
            return Ok(());
        };
        let what = format!("set the passwords of {}", server.db.name);
        let owner = server.db.layout.uid;
        let folder = JobFolder::for_command(&self.job_folders(), owner, &text, &command)
            .map_err(BackupError::io("make a job's folder"))?;
        let job = self.job(&server, &command, &folder, &what);
        let end = self.jobs.run(&job, QUESTION).await?;
        ended_well(&end, &what)
    }
}
