//! What is: containers, data folders, servers, ports — looked at for one database at a time.
//!
//! Nothing here decides. A failed look is `Unknown`, never `Absent`.

mod index;
pub mod ports;
pub mod probes;

use std::borrow::Cow;
use std::sync::Arc;

use crate::admin::{Authority, Vault};
use crate::engine::{self, CERTIFICATE_AND_KEY};
use crate::model::{
    Attempts, ContainerSeen, DataSeen, Database, FilesSeen, FolderId, ImageId, ImageRef, Probe,
    Seen, SeenDatabase, Site, Status, Timestamp,
};
use crate::runtime::{DataDirs, Runtime, RuntimeError, RuntimeEvent};

pub use index::{Index, Tags};
pub use ports::HostPorts;
pub use probes::Probes;

/// Looks at databases.
pub struct Observer {
    runtime: Arc<dyn Runtime>,
    dirs: Arc<dyn DataDirs>,
    ports: Arc<dyn HostPorts>,
    probes: Probes,
    vault: Arc<Vault>,
    authority: Arc<Authority>,
    site: Site,
    index: Index,
    tags: Tags,
}

impl Observer {
    /// An observer that has seen nothing yet: until the first [`Observer::relist`], every
    /// database's containers are `Unknown`.
    pub fn new(
        runtime: Arc<dyn Runtime>,
        dirs: Arc<dyn DataDirs>,
        ports: Arc<dyn HostPorts>,
        probes: Probes,
        vault: Arc<Vault>,
        authority: Arc<Authority>,
        site: Site,
    ) -> Self {
        Observer {
            runtime,
            dirs,
            ports,
            probes,
            vault,
            authority,
            site,
            index: Index::default(),
            tags: Tags::default(),
        }
    }

    /// Lists all containers anew and remembers which belong to whom.
    ///
    /// # Errors
    /// The engine's, after which everything remembered counts as unknown.
    pub async fn relist(&self) -> Result<(), RuntimeError> {
        match self.runtime.list().await {
            Ok(all) => {
                self.index.replace(&all);
                Ok(())
            }
            Err(error) => {
                self.index.unknown(error.to_string());
                Err(error)
            }
        }
    }

    /// Asks anew which images the known references name.
    pub async fn look_at_tags(&self) {
        for reference in self.tags.references() {
            self.tags.set(&reference, self.named(&reference).await);
        }
    }

    /// Takes an event's hint about which container belongs to whom.
    pub fn note(&self, event: &RuntimeEvent) {
        self.index.note(event);
    }

    /// The kept connections to servers.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Everything the planner needs to know about one database.
    pub async fn look(
        &self,
        db: &Database,
        attempts: Attempts,
        ledger_writable: bool,
    ) -> SeenDatabase {
        let containers = self.containers(db).await;
        let ours = containers.present().and_then(|all| {
            all.iter()
                .find(|c| c.uid() == Some(db.uid) && c.status == Status::Running)
        });
        let files = self.files(db).await;
        let probe = match ours {
            Some(container) => {
                let reached = db.at_port_of(container, &self.site);
                let reached = match &files {
                    Seen::Present(files) => reached.as_in_force(&files.settings),
                    Seen::Absent | Seen::Unknown(_) => Cow::Borrowed(&*reached),
                };
                self.probes.of(&reached, container).await
            }
            None => {
                self.probes.stop(db.uid).await;
                Probe::NotAsked
            }
        };
        let (image, port_owner, left_port) = match &containers {
            // An engine that does not answer would only be waited for again, and nothing is done.
            Seen::Unknown(why) => (Seen::Unknown(why.clone()), None, None),
            Seen::Absent | Seen::Present(_) => {
                // A server that runs the image that it should: nothing depends on how that looks.
                let settled = ours.is_some_and(|c| db.image.pinned.as_ref() == Some(&c.image));
                let image = if settled {
                    Seen::Unknown("not looked at while it runs".to_owned())
                } else {
                    self.image(db).await
                };
                let left = self.left_port(db, containers.present()).await;
                (image, self.port_owner(db, ours).await, left)
            }
        };
        let tag = match &containers {
            Seen::Unknown(why) => Seen::Unknown(why.clone()),
            Seen::Absent | Seen::Present(_) => self.tag(&db.image.reference).await,
        };
        SeenDatabase {
            containers,
            image,
            tag,
            data: self.data(db).await,
            files,
            probe,
            attempts,
            port_owner,
            left_port,
            ledger_writable,
        }
    }

    /// What lies in its place.
    pub async fn data(&self, db: &Database) -> Seen<DataSeen> {
        let identity = engine::recipe(db.engine).identity();
        self.dirs.look(db, identity).await
    }

    /// The run of its server and the folder in its place during that run; `None`: none runs, or that cannot
    /// be told.
    pub async fn run_and_folder(&self, db: &Database) -> Option<(Timestamp, FolderId)> {
        let before = self.run(db).await?;
        let folder = self.dirs.folder(db).await?;
        // Between two runs it is moved by right.
        (self.run(db).await? == before).then_some((before, folder))
    }

    /// When the run of its server began.
    async fn run(&self, db: &Database) -> Option<Timestamp> {
        let containers = self.containers(db).await;
        let ours = containers
            .present()?
            .iter()
            .find(|c| c.uid() == Some(db.uid) && c.status == Status::Running);
        ours?.started_at
    }

    /// The files that its container mounts, its certificate among them.
    async fn files(&self, db: &Database) -> Seen<FilesSeen> {
        let secrets = match self.vault.files(db) {
            Ok(secrets) => secrets,
            Err(error) => return Seen::Unknown(error.to_string()),
        };
        let wanted = engine::recipe(db.engine).named(db);
        let seen = self.dirs.files(&self.site, db, &wanted, &secrets).await;
        let Seen::Present(mut files) = seen else {
            return seen;
        };
        if db.tls.is_some() {
            let dirs = &self.dirs;
            let file = dirs.secret_file(&self.site, db, CERTIFICATE_AND_KEY).await;
            match file {
                Ok(text) => {
                    let text = text.as_ref().map(|text| text.expose());
                    files.certificate = text.and_then(|text| self.authority.look(text));
                }
                Err(error) => return Seen::Unknown(error.to_string()),
            }
        }
        Seen::Present(files)
    }

    async fn containers(&self, db: &Database) -> Seen<Vec<ContainerSeen>> {
        let known = match self.index.of(db.uid) {
            Ok(known) => known,
            Err(why) => return Seen::Unknown(why),
        };
        let mut found: Vec<ContainerSeen> = Vec::new();
        let name = self.site.container_name(&db.name);
        let asked = known.into_iter().map(|id| id.0).chain([name]);
        for key in asked {
            if found.iter().any(|c| c.name == key || c.id.as_str() == key) {
                continue;
            }
            match self.runtime.inspect(&key).await {
                Ok(Some(container)) => found.push(container),
                Ok(None) => self.index.forget(db.uid, &key),
                Err(error) => return Seen::Unknown(error.to_string()),
            }
        }
        if found.is_empty() {
            Seen::Absent
        } else {
            Seen::Present(found)
        }
    }

    /// Which image a reference names, at most a minute ago.
    async fn tag(&self, reference: &ImageRef) -> Seen<ImageId> {
        if let Some(known) = self.tags.of(reference) {
            return known;
        }
        let names = self.named(reference).await;
        self.tags.set(reference, names.clone());
        names
    }

    async fn named(&self, reference: &ImageRef) -> Seen<ImageId> {
        match self.runtime.image(reference.as_str()).await {
            Ok(Some(image)) => Seen::Present(image.id),
            Ok(None) => Seen::Absent,
            Err(error) => Seen::Unknown(error.to_string()),
        }
    }

    async fn image(&self, db: &Database) -> Seen<crate::model::ImageSeen> {
        let key = db
            .image
            .pinned
            .as_ref()
            .map_or(db.image.reference.as_str(), |id| id.as_str());
        match self.runtime.image(key).await {
            Ok(Some(image)) => Seen::Present(image),
            Ok(None) => Seen::Absent,
            Err(error) => Seen::Unknown(error.to_string()),
        }
    }

    /// Who else holds a port that it wants; those that its running container holds are its own.
    async fn port_owner(
        &self,
        db: &Database,
        runs: Option<&ContainerSeen>,
    ) -> Option<(u16, String)> {
        for (_, port) in db.published() {
            if runs.is_some_and(|c| c.ports.iter().any(|p| p.host == port)) {
                continue;
            }
            if let Some(owner) = self.holder(port).await {
                return Some((port, owner));
            }
        }
        None
    }

    /// Who holds a port that its container has, which is down, and that the database does not want any more.
    async fn left_port(
        &self,
        db: &Database,
        containers: Option<&Vec<ContainerSeen>>,
    ) -> Option<(u16, String)> {
        let is_down = |c: &&ContainerSeen| {
            c.uid() == Some(db.uid) && matches!(c.status, Status::Created | Status::Exited)
        };
        let down = containers?.iter().find(is_down)?;
        for port in down.ports.iter().map(|p| p.host) {
            if db.published().any(|(_, wanted)| wanted == port) {
                continue;
            }
            if let Some(owner) = self.holder(port).await {
                return Some((port, owner));
            }
        }
        None
    }

    /// Who holds a port of the host.
    async fn holder(&self, port: u16) -> Option<String> {
        let owner = self.ports.owner(self.site.publish_ip, port).await?;
        // The last list may know of a container that is gone, or not of one that came since. Without an
        // answer, the process's name has to do.
        let listed = self.relist().await.is_ok();
        Some(match self.index.holder_of(port).filter(|_| listed) {
            Some(container) => format!("container {container}"),
            None => owner,
        })
    }
}
