//! A server of one's own: the database's image, an empty directory, no network, no secret of the
//! real one.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::BackupError;
use super::{Archive, Server, tool};
use crate::admin::vault;
use crate::engine::backup::Backups;
use crate::engine::{self, ADMIN_SECRET, GUARD_TARGET, MARKER_TARGET};
use crate::model::database::{Account, Volume};
use crate::model::{
    ContainerId, Database, ImageId, ImageSeen, Secret, SecretKind, SecretText, Site,
};
use crate::runtime::jobs::{Job, Network};

/// Between two questions to a server that is starting.
const PAUSE: Duration = Duration::from_millis(200);

/// Where throwaway servers of a database have their directories: on its own volume, where there is
/// room for its data, and from where a finished one can be moved into place.
pub(super) fn work_folder(db: &Database) -> PathBuf {
    db.own_dir().join(".work").join(db.name.as_str())
}

/// A throwaway server. Its container goes with this value, and its directory, too, unless it was
/// moved away.
pub(super) struct Throwaway {
    /// The database as this server has it: same name, another place.
    pub(super) db: Database,
    recipe: &'static dyn Backups,
    /// The password in force.
    pub(super) password: Secret,
    image: crate::model::ImageId,
    /// Where its secrets and settings lie.
    site: Site,
    /// Its container, once it was launched.
    id: Option<ContainerId>,
    work: PathBuf,
    jobs: std::sync::Arc<dyn crate::runtime::jobs::Jobs>,
}

impl Throwaway {
    /// Where commands are run.
    pub(super) fn server(&self) -> Server<'_> {
        Server {
            db: &self.db,
            recipe: self.recipe,
            image: &self.image,
            running: self.id.clone(),
            password: self.password.clone(),
        }
    }

    /// Stops the server in order: its data is at rest afterwards.
    pub(super) async fn settle(&self, deadline: Duration) -> Result<(), BackupError> {
        let Some(id) = &self.id else { return Ok(()) };
        let code = self.jobs.settle(id, deadline).await?;
        // 137: it was killed at the deadline, and its data is not at rest.
        if code == 137 {
            return Err(tool(
                "stop the throwaway server",
                format!("it had to be killed after {} s", deadline.as_secs()),
            ));
        }
        Ok(())
    }

    /// Takes its container away, whatever it does. Its data stays.
    pub(super) async fn discard(&mut self) -> Result<(), BackupError> {
        if let Some(id) = &self.id {
            self.jobs.discard(id).await?;
            self.id = None;
        }
        Ok(())
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let (jobs, id, work) = (self.jobs.clone(), self.id.clone(), self.work.clone());
        let state = self.site.state_dir.clone();
        // Without a runtime this process is about to end; the next daemon clears.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(async move {
                if let Some(id) = id
                    && let Err(error) = jobs.discard(&id).await
                {
                    tracing::warn!(%id, %error, "a throwaway server stays until the next start");
                }
                let removed =
                    tokio::task::spawn_blocking(move || remove(&work).and(remove(&state))).await;
                if let Ok(Err(error)) = removed {
                    tracing::warn!(%error, "a throwaway server's directory stays");
                }
            });
        }
    }
}

/// The image that a database runs: backups are taken, tested and restored with the same.
///
/// # Errors
/// `NotNow` before its container was first looked at.
pub fn image_of(db: &Database) -> Result<ImageId, BackupError> {
    let unknown = || {
        let name = &db.name;
        BackupError::NotNow(format!(
            "the image of {name} is not known yet; try again later"
        ))
    };
    db.image.pinned.clone().ok_or_else(unknown)
}

impl Archive {
    /// The image on this host that a reference or an id names.
    ///
    /// # Errors
    /// `NotNow` when there is none; as the engine does.
    pub async fn image(&self, reference_or_id: &str) -> Result<ImageSeen, BackupError> {
        self.runtime.image(reference_or_id).await?.ok_or_else(|| {
            BackupError::NotNow(format!(
                "the image {reference_or_id} is not on this host; load it"
            ))
        })
    }
}

fn remove(work: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(work) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Makes the folders of a throwaway server; its database and site.
fn folders(
    work: &Path,
    state: PathBuf,
    db: &Database,
    site: &Site,
) -> std::io::Result<(Database, Site)> {
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    let db = Database {
        volume: Volume {
            label: db.volume.label.clone(),
            path: work.join("volume"),
        },
        // Nobody but jobs on its own loopback talks to it, and these write.
        tls: None,
        read_only: false,
        account: Account {
            password_file: None,
            ..db.account.clone()
        },
        ..db.clone()
    };
    let site = Site {
        // Its secrets lie with the daemon's own, never beside the data.
        state_dir: state,
        ..site.clone()
    };
    make(&site.state_dir)?;
    make(&db.marker_dir())?;
    make(&db.data_dir())?;
    let owner = Some(db.layout.uid);
    for (path, _) in db.data_mounts() {
        make(&path)?;
        let mut here = path.as_path();
        while here.starts_with(db.data_dir()) {
            chown(here, owner, owner)?;
            here = here.parent().unwrap_or(work);
        }
    }
    Ok((db, site))
}

impl Archive {
    /// Lays out an empty directory for a server, its settings and its secrets; the server is not
    /// started. Its data will be under a key of its own, if it is encrypted, unless it is to stay (be
    /// put into the database's place).
    pub(super) async fn lay_out(
        &self,
        db: &Database,
        recipe: &'static dyn Backups,
        image: &crate::model::ImageId,
        to_stay: bool,
    ) -> Result<Throwaway, BackupError> {
        let startable = self.startable(db).await;
        let db = startable.as_ref();
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let (work, state) = (work_folder(db).join(&mark), self.job_folders().join(&mark));
        let (inner, site) =
            folders(&work, state, db, &self.site).map_err(BackupError::io("make a directory"))?;
        let wanted = engine::recipe(db.engine).files(&inner);
        let mut secrets = Vec::new();
        for file in &wanted.secrets {
            secrets.push(SecretText {
                name: file.name.clone(),
                text: match file.kind {
                    SecretKind::Key { .. } if to_stay => self.vault.secret(db, &file.name)?,
                    SecretKind::Key { .. } | SecretKind::Password => vault::make(file.kind)?,
                },
            });
        }
        let admin = secrets.iter().find(|s| s.name == ADMIN_SECRET);
        let password = admin
            .map(|s| s.text.clone())
            .ok_or_else(|| BackupError::NotNow(format!("{} has no privileged login", db.engine)))?;
        // From here on the directory goes with this value.
        let throwaway = Throwaway {
            db: inner,
            recipe,
            password,
            image: image.clone(),
            site,
            id: None,
            work,
            jobs: self.jobs.clone(),
        };
        let Throwaway { db, site, .. } = &throwaway;
        self.dirs.write_secrets(site, db, &secrets).await?;
        self.dirs.write_files(site, db, &wanted).await?;
        Ok(throwaway)
    }

    /// Starts the server on its directory, and waits until it answers.
    pub(super) async fn launch(&self, throwaway: &mut Throwaway) -> Result<(), BackupError> {
        let Throwaway {
            db, image, site, ..
        } = &*throwaway;
        let recipe = engine::recipe(db.engine);
        let seen = self.image(image.as_str()).await?;
        let mut spec = recipe.container(db, site, &seen);
        throwaway.recipe.open_door(&mut spec);
        throwaway.recipe.calm(&mut spec);
        // Guard and marker are for data that somebody has.
        let own = |target: &str| target != GUARD_TARGET && target != MARKER_TARGET;
        let job = Job {
            name: format!("throwaway server of {}", db.name),
            instance: self.site.instance.clone(),
            image: image.clone(),
            network: Network::None,
            mounts: spec.mounts.into_iter().filter(|m| own(&m.target)).collect(),
            entrypoint: Vec::new(),
            command: spec.command,
            env: spec.env,
            user: None,
            memory: spec.memory,
            nano_cpus: spec.nano_cpus,
            shm: spec.shm,
        };
        let deadline = Duration::from_secs(u64::from(recipe.defaults().start_deadline));
        throwaway.id = Some(self.jobs.launch(&job).await?);
        let up = tokio::time::timeout(deadline, self.until_up(throwaway)).await;
        match up {
            Ok(result) => result,
            Err(_) => Err(self.silent(throwaway, "it does not answer").await),
        }
    }

    async fn until_up(&self, throwaway: &Throwaway) -> Result<(), BackupError> {
        loop {
            let Some(id) = &throwaway.id else {
                return Ok(());
            };
            if let Some(code) = self.jobs.ended(id).await? {
                let why = format!("it ended with exit code {code}");
                return Err(self.silent(throwaway, &why).await);
            }
            if self.inventory(&throwaway.server()).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn silent(&self, throwaway: &Throwaway, why: &str) -> BackupError {
        let words = match &throwaway.id {
            Some(id) => self.jobs.words(id).await.unwrap_or_default(),
            None => String::new(),
        };
        let lines: Vec<&str> = words.lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join(" | ");
        tool("start a throwaway server", format!("{why}: {last}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::admin::testing::database;
    use crate::engine::backup::backups;
    use crate::execute::backup::place::place;
    use crate::model::guard::INNER_UID;
    use crate::model::{BackupKind, Timestamp};
    use crate::runtime::RuntimeError;
    use crate::runtime::fixture::site;
    use crate::runtime::jobs::{JobEnd, Jobs};

    struct NoJobs;

    #[async_trait]
    impl Jobs for NoJobs {
        async fn run(&self, _: &Job, _: Duration) -> Result<JobEnd, RuntimeError> {
            unreachable!()
        }
        async fn launch(&self, _: &Job) -> Result<ContainerId, RuntimeError> {
            unreachable!()
        }
        async fn ended(&self, _: &ContainerId) -> Result<Option<i64>, RuntimeError> {
            unreachable!()
        }
        async fn words(&self, _: &ContainerId) -> Result<String, RuntimeError> {
            unreachable!()
        }
        async fn settle(&self, _: &ContainerId, _: Duration) -> Result<i64, RuntimeError> {
            unreachable!()
        }
        async fn discard(&self, _: &ContainerId) -> Result<(), RuntimeError> {
            unreachable!()
        }
        async fn clear(&self, _: &str, _: Timestamp) -> Result<u32, RuntimeError> {
            unreachable!()
        }
    }

    #[tokio::test]
    async fn data_on_its_way_into_place_outlives_whoever_moves_it() {
        let temp = tempfile::tempdir().unwrap();
        let mut db = database("genomics", 32011);
        db.volume.path = temp.path().join("volume");
        db.layout.uid = rustix::process::geteuid().as_raw();
        let work = work_folder(&db).join("mark");
        let (state, host) = (temp.path().join("jobs"), site(temp.path()));
        let (inner, site) = folders(&work, state, &db, &host).unwrap();
        let (data, _) = inner.data_mounts().next().unwrap();
        fs::write(data.join("PG_VERSION"), "17").unwrap();
        // Writing the uid waits for a reader: until then it is under way.
        let gate = data.join(INNER_UID);
        mknodat(CWD, &gate, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let throwaway = Arc::new(Throwaway {
            db: inner,
            recipe: backups(db.engine, BackupKind::Manual),
            password: Secret::new("x".to_owned()),
            image: ImageId("sha256:ab".to_owned()),
            site,
            id: None,
            work: work.clone(),
            jobs: Arc::new(NoJobs),
        });
        let moving = place(throwaway.clone(), db.clone(), temp.path().join("aside"));
        // Cut off.
        drop(throwaway);
        for _ in 0..200 {
            if !work.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(work.exists(), "it went with whoever waited");
        let opened = tokio::task::spawn_blocking(move || fs::read_to_string(gate));
        let uid = opened.await.unwrap().unwrap();
        assert_eq!(uid, format!("{}\n", db.uid));
        moving.await.unwrap().unwrap();
        let there = fs::read_to_string(db.data_dir().join("PG_VERSION"));
        assert_eq!(there.unwrap(), "17");
    }
}
