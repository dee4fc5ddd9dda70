//! The memory is written, a database at a time.

use std::collections::BTreeMap;

use crate::admin::{Ledger, NewEntry, Vault};
use crate::cli::Found;
use crate::engine;
use crate::model::{
    Change, Database, DbName, MarkerState, Outcome, Secret, Seen, Site, Timestamp, Uid,
};
use crate::plan::comeback::{Lost, Priority};
use crate::runtime::docker::Docker;
use crate::runtime::host::HostDirs;
use crate::runtime::{ContainerBrief, DataDirs, Runtime};
use crate::settings::Settings;
use crate::specs::Rules;
use crate::store::Stores;

use super::super::daemon;
use super::super::history::Place;
use super::super::rebuild::stub::left_alone;
use super::super::recover::{held, was_found};
use super::Alive;
use super::labelled::{engine_of, of_labels};

/// Why a database without its passwords is left alone.
const NO_SECRETS: &str = "its passwords are not known any more; restore one of its backups";
/// Why a database without its marker is.
const LABELLED: &str = "its marker cannot be read, and only its container's labels say what it is: say its \
                        spec (db4sci apply, or its file), and then db4sci resume it";

/// Writes a memory.
pub(super) struct Maker<'a> {
    pub(super) docker: &'a Docker,
    pub(super) settings: &'a Settings,
    pub(super) site: &'a Site,
    pub(super) ledger: &'a Ledger,
    /// What seals; `None`: nothing is to be made.
    pub(super) vault: Option<Vault>,
    pub(super) now: Timestamp,
    pub(super) databases: BTreeMap<DbName, Found>,
    /// When each is known to have lived last.
    pub(super) lived: BTreeMap<Uid, Timestamp>,
}

impl Maker<'_> {
    pub(super) async fn note(
        &self,
        name: &DbName,
        message: String,
        change: Change,
    ) -> Result<(), String> {
        let entry = NewEntry::of(name, Outcome::Done, message, change);
        let done = self.ledger.append(entry).await;
        done.map(drop).map_err(|e| e.to_string())
    }

    /// Writes all that is known of one database.
    pub(super) async fn take_up(
        &mut self,
        found: &Alive,
        stores: &Stores,
        places: &[Place],
    ) -> Result<(), String> {
        let (db, name) = (&found.db, &found.db.name);
        let admitted = Change::Admitted {
            database: Box::new(db.clone()),
        };
        let says = match found.labelled {
            true => "container's labels say",
            false => "marker says",
        };
        let message = format!("{} on port {}, as its {says}", db.image.display, db.port);
        self.note(name, message, admitted).await?;
        self.pin(found).await?;
        let mut shown = Found {
            priority: Priority::of(db),
            lost: Some(Lost::Nothing),
            engine: format!("{} {}", db.engine, db.image.series),
            backup: None,
            as_of: None,
            bytes: 0,
            what: String::new(),
        };
        if name.is_mydb_admin() {
            "begins anew; what is left of it is moved aside".clone_into(&mut shown.what);
            shown.lost = Some(Lost::Everything);
            self.databases.insert(name.clone(), shown);
            return Ok(());
        }
        if found.state == MarkerState::Initialised {
            let change = Change::Initialised { uid: db.uid };
            let message = format!("{name} has data, as its marker says");
            self.note(name, message, change).await?;
        }
        let held = held(stores, places, db.uid).await;
        let all = held.backups.iter().map(|kept| &kept.backup);
        let newest = all.max_by_key(|backup| backup.started);
        // One that is retired has neither a server that runs nor another backup after that.
        let up = found.container.as_ref().is_some_and(|c| c.up);
        let last = newest.and_then(|b| b.finished).filter(|_| !up);
        let lived = if up { Some(self.now) } else { last };
        self.lived.extend(lived.map(|at| (db.uid, at)));
        if let Some(newest) = newest {
            shown.backup = Some(newest.id.to_string());
            (shown.as_of, shown.bytes) = (Some(newest.started), newest.bytes);
        }
        for kept in &held.backups {
            let entry = was_found(name, kept.backup.clone());
            self.ledger.append(entry).await.map_err(|e| e.to_string())?;
        }
        shown.what = match (found.state, found.container.as_ref().map(|c| c.up)) {
            (MarkerState::Initialising, _) => "its first start had not ended; is made",
            (MarkerState::Ejected, _) => "was released from db4sci; is left alone",
            (MarkerState::Initialised, Some(true)) => "lives; its container runs on",
            (MarkerState::Initialised, Some(false)) => "lives; its container is down",
            (MarkerState::Initialised, None) => "lives; its container is made again",
        }
        .to_owned();
        if found.state == MarkerState::Initialised {
            // Running without its passwords it would be taken for broken.
            let why = match self.secrets(db).await {
                Ok(true) if found.labelled => Some(LABELLED.to_owned()),
                Ok(true) => None,
                Ok(false) => Some(NO_SECRETS.to_owned()),
                Err(why) => Some(format!("its passwords cannot be read: {why}")),
            };
            if let Some(why) = why {
                shown.what = format!("is left alone: {why}");
                let entry = left_alone(name, why, self.now);
                self.ledger.append(entry).await.map_err(|e| e.to_string())?;
            }
        }
        self.databases.insert(name.clone(), shown);
        Ok(())
    }

    /// Makes a row of a container of which its labels alone say whose it is.
    pub(super) async fn take_in(
        &mut self,
        container: &ContainerBrief,
        stores: &Stores,
        places: &[Place],
        rules: &Rules,
    ) -> Result<(), String> {
        let seen = self.docker.inspect(container.id.as_str()).await;
        let seen = seen.map_err(|e| daemon::chain(&e))?;
        let seen = seen.ok_or("it is gone by now")?;
        let mut image = None;
        for offer in rules.catalog.offers(engine_of(&seen.labels)?) {
            let here = self.docker.image(rules.pulled(offer).as_str()).await;
            let here = here.map_err(|e| daemon::chain(&e))?;
            if here.is_some_and(|here| here.id == seen.image) {
                image = Some(offer.display.as_str());
                break;
            }
        }
        let image =
            image.ok_or_else(|| format!("its image {} is none of the catalog's", seen.image))?;
        let mut rules = rules.clone();
        for (_, row) in self.ledger.book().rows() {
            rules.take(&row.database);
        }
        let db = of_labels(&seen, image, &rules)?;
        if let Some(other) = self.ledger.book().row(&db.name) {
            return Err(format!(
                "{} is another database ({})",
                db.name, other.database.uid
            ));
        }
        let dirs = HostDirs::new(&self.settings.state_dir);
        if let Seen::Present(data) = dirs.look(&db, None).await
            && let Some(marker) = data.marker
            && (marker.uid != db.uid || marker.state == MarkerState::Ejected)
        {
            return Err(format!(
                "the marker in {} says otherwise",
                db.marker_dir().display()
            ));
        }
        let found = Alive {
            db,
            state: MarkerState::Initialised,
            container: Some(container.clone()),
            labelled: true,
        };
        self.take_up(&found, stores, places).await
    }

    /// When a database is known to have lived last.
    pub(super) fn lived(&self, uid: Uid) -> Timestamp {
        let known = self.lived.get(&uid).copied();
        known.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Notes which image its container runs: the marker may be from before that was known.
    async fn pin(&self, found: &Alive) -> Result<(), String> {
        let (db, Some(container)) = (&found.db, &found.container) else {
            return Ok(());
        };
        let seen = self.docker.inspect(container.id.as_str()).await;
        let Some(seen) = seen.map_err(|e| daemon::chain(&e))? else {
            return Ok(());
        };
        if db.image.pinned.as_ref() == Some(&seen.image) {
            return Ok(());
        }
        let message = format!(
            "{} is {}, as its container says",
            db.image.reference, seen.image
        );
        let (uid, image) = (db.uid, seen.image);
        self.note(&db.name, message, Change::ImagePinned { uid, image })
            .await
    }

    /// Seals the passwords that still lie in their files; `false`: not all of them do.
    async fn secrets(&self, db: &Database) -> Result<bool, String> {
        let dirs = HostDirs::new(&self.settings.state_dir);
        let mut texts = Vec::new();
        for file in engine::recipe(db.engine).secrets(db) {
            let text = dirs.secret_file(self.site, db, &file.name).await;
            match text.map_err(|e| e.to_string())? {
                Some(text) => texts.push((file.name, text)),
                None => return Ok(false),
            }
        }
        let Some(vault) = &self.vault else {
            return Ok(true);
        };
        let seal = |(name, text): (String, Secret)| {
            let sealed = vault
                .seal(db.uid, &name, &text)
                .map_err(|e| e.to_string())?;
            Ok((name, sealed))
        };
        let secrets = texts.into_iter().map(seal).collect::<Result<_, String>>()?;
        let change = Change::Sealed {
            uid: db.uid,
            secrets,
        };
        self.note(
            &db.name,
            "its secrets are sealed, as their files say".to_owned(),
            change,
        )
        .await?;
        Ok(true)
    }
}
