//! What a spec is measured against. `settings` makes these; nothing here reads a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::model::database::ZoneName;
use crate::model::{Cpus, Database, DbName, EngineKind, ImageRef, Memory, Owners, Share};

use super::catalog::{Catalog, Offer};

/// Everything besides the spec that its admission depends on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What is offered.
    pub catalog: Catalog,
    /// Images to use instead of the catalog's: a registry's mirror, or a lab's own.
    pub mirrors: BTreeMap<String, ImageRef>,
    /// The data volumes; the first allowed one is the default.
    pub volumes: Vec<VolumeRule>,
    /// Logins and groups that may use volumes of `Admin`.
    pub admins: Vec<String>,
    /// The host's size; `None` where it is not known, which checks nothing.
    pub host: Option<HostSize>,
    /// Where ports without a wish begin.
    pub base_port: u16,
    /// Ports that are something else's, and whose.
    pub reserved: BTreeMap<u16, String>,
    /// Ports of databases that were admitted. The caller adds what it admits.
    pub taken: BTreeMap<u16, DbName>,
    /// What each owner may have.
    pub owners: Owners,
    /// What databases that were admitted take of that. The caller adds what it admits.
    pub shares: BTreeMap<DbName, Share>,
    /// The names of the backup stores.
    pub stores: BTreeSet<String>,
    /// The default time zone.
    pub time_zone: ZoneName,
    /// The configuration files of `dbconfig/<Engine>/`.
    pub config_files: ConfigFiles,
}

impl Rules {
    /// Whether backups are encrypted. Each one is, to the instance's own key at least, so this asks
    /// whether there is a store to back up to.
    pub fn backups_encrypted(&self) -> bool {
        !self.stores.is_empty()
    }

    /// What an image of the catalog is pulled by.
    pub fn pulled<'a>(&'a self, offer: &'a Offer) -> &'a ImageRef {
        let mirror = self.mirrors.get(offer.image.as_str());
        mirror.unwrap_or(&offer.image)
    }

    /// Records the ports of a database, and its share of its owner's limits, as taken.
    pub fn take(&mut self, db: &Database) {
        match Share::of(db) {
            Some(share) => self.shares.insert(db.name.clone(), share),
            None => self.shares.remove(&db.name),
        };
        for (_, port) in db.published() {
            self.taken.entry(port).or_insert_with(|| db.name.clone());
        }
    }
}

/// The host's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSize {
    /// All of its memory.
    pub memory: Memory,
    /// All of its processors.
    pub cpus: Cpus,
}

/// A data volume of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRule {
    /// Its label.
    pub label: String,
    /// Its folder on the host.
    pub path: PathBuf,
    /// The engines that may use it; `None` is all.
    pub engines: Option<Vec<EngineKind>>,
    /// The owners that may use it; `None` is all. `Admin` stands for the settings' admins.
    pub users: Option<Vec<String>>,
    /// Whether what lies there is encrypted.
    pub encrypted: bool,
}

impl VolumeRule {
    /// Whether a database of this engine and owner may lie here.
    pub fn allows(&self, engine: EngineKind, owner: &str, admins: &[String]) -> bool {
        let user = |u: &String| u == owner || (u == "Admin" && admins.iter().any(|a| a == owner));
        self.engines.as_ref().is_none_or(|e| e.contains(&engine))
            && self.users.as_ref().is_none_or(|us| us.iter().any(user))
    }
}

/// The files below `dbconfig/`, read beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigFiles {
    /// The folder, for messages.
    pub folder: PathBuf,
    /// An engine's files: the text, or why it cannot be had.
    pub files: BTreeMap<EngineKind, BTreeMap<String, Result<String, String>>>,
    /// Engines whose folder could not be read, and why.
    pub unread: BTreeMap<EngineKind, String>,
}

impl ConfigFiles {
    /// The text of a file that a spec names, or what is wrong with it.
    pub fn find(&self, engine: EngineKind, name: &str) -> Result<&str, String> {
        let folder = self.folder.join(engine.as_str());
        let shown = folder.display();
        if name.contains('/') || name == "." || name == ".." {
            return Err(format!(
                "`{}` is outside {shown}; name a file that lies directly in it",
                name.escape_debug()
            ));
        }
        if let Some(why) = self.unread.get(&engine) {
            return Err(format!("{shown}: {why}"));
        }
        let files = self.files.get(&engine);
        match files.and_then(|files| files.get(name)) {
            Some(Ok(text)) => Ok(text),
            Some(Err(why)) => Err(format!("{shown}/{name}: {why}")),
            None => {
                let all: Vec<&str> = files
                    .into_iter()
                    .flatten()
                    .map(|(f, _)| f.as_str())
                    .collect();
                let all = if all.is_empty() {
                    "it has none".to_owned()
                } else {
                    format!("there are: {}", all.join(", "))
                };
                let name = name.escape_debug();
                Err(format!("there is no file `{name}` in {shown}; {all}"))
            }
        }
    }
}
