//! A privileged login that a server refuses, made right again at rest.

use super::error::BackupError;
use super::{Archive, JOB_MEMORY, JobFolder, QUESTION, ended_well, tool};
use crate::engine;
use crate::engine::ADMIN_SECRET;
use crate::engine::backup as recipes;
use crate::model::{BackupKind, Database, ImageId};
use crate::runtime::jobs::{Job, Network};

/// Ends the guard's own arguments.
const GUARDED: &str = "--";

impl Archive {
    /// Sets again what the privileged login needs. The server must be down: the job begins with the guard
    /// of its container, which refuses what is not its data, and data that a server runs on.
    ///
    /// # Errors
    /// As the job does; it may be repeated.
    pub async fn let_in(&self, db: &Database, image: &ImageId) -> Result<(), BackupError> {
        let what = format!("let db4sci into {} again", db.name);
        let recipe = recipes::backups(db.engine, BackupKind::Scheduled);
        let admin = self.vault.secret(db, ADMIN_SECRET)?;
        let Some((command, text)) = recipe.let_in(db, &admin) else {
            return Err(tool(&what, format!("there is no way into {}", db.engine)));
        };
        let seen = self.image(image.as_str()).await?;
        let spec = engine::recipe(db.engine).container(db, &self.site, &seen);
        let folder = JobFolder::for_command(&self.job_folders(), db.layout.uid, &text, &command)
            .map_err(BackupError::io("make a job's folder"))?;
        let own = spec.entrypoint.iter().position(|word| word == GUARDED);
        let guard = own.map_or(0, |at| at + 1);
        let mut entrypoint: Vec<String> = spec.entrypoint.into_iter().take(guard).collect();
        entrypoint.push(command.program);
        entrypoint.extend(command.args);
        let mut mounts = spec.mounts;
        mounts.push(folder.mount());
        let job = Job {
            name: what.clone(),
            instance: self.site.instance.clone(),
            image: image.clone(),
            network: Network::None,
            mounts,
            entrypoint,
            command: Vec::new(),
            env: command.env,
            user: Some(db.layout.uid),
            memory: JOB_MEMORY,
            nano_cpus: 0,
            shm: 0,
        };
        let end = self.jobs.run(&job, QUESTION).await?;
        ended_well(&end, &what)
    }
}
