//! Where a container differs from its database: field by field, never by a hash.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use crate::engine::{self, Recipe};
use crate::model::action::{Limits, NewConfig, Renewal, Settings};
use crate::model::database::TLS;
use crate::model::{
    ContainerSeen, Cost, Database, FilesSeen, ImageId, Memory, RestartPolicy, Seen, Site, Timestamp,
};

/// All differences of one container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Drift {
    /// Differences that only another container mends: one line each.
    pub recreate: Vec<String>,
    /// Whether it mounts other folders than the database's data: then it is never started.
    pub elsewhere: bool,
    /// Differences that a restart mends.
    pub restart: Vec<String>,
    /// Settings, and a certificate, that a running server takes.
    pub reload: Option<Settings>,
    /// What they change: one line each.
    pub reload_why: Vec<String>,
    /// Limits to set in place, or at the restart if `limits_at_restart`.
    pub limits: Option<Limits>,
    /// What the limits change: one line each.
    pub limits_why: Vec<String>,
    /// Whether the limits may not be set under a running server: lowering memory below use kills.
    pub limits_at_restart: bool,
    /// The name it should have.
    pub name: Option<String>,
    /// Whether the restart policy is not `always`.
    pub policy: bool,
}

impl Drift {
    /// What mending all of it costs.
    pub(super) fn cost(&self) -> Cost {
        if !self.recreate.is_empty() {
            Cost::Recreate
        } else if !self.restart.is_empty() || self.limits_at_restart {
            Cost::Restart
        } else {
            Cost::None
        }
    }

    /// All of it, one line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.recreate.clone();
        lines.extend(self.restart.iter().cloned());
        lines.extend(self.reload_why.iter().cloned());
        lines.extend(self.limits_why.iter().cloned());
        lines.extend(self.name.iter().map(|n| format!("container's name -> {n}")));
        lines.extend(self.policy.then(|| "restart policy -> always".to_owned()));
        lines
    }
}

/// Compares a container, and the files it was started with, with its database. `image` is the one
/// it should run, where that is known.
pub(super) fn drift(
    recipe: &dyn Recipe,
    db: &Database,
    site: &Site,
    image: Option<&ImageId>,
    files: &Seen<FilesSeen>,
    c: &ContainerSeen,
    now: Timestamp,
) -> Drift {
    let mut drift = Drift::default();
    if image.is_some_and(|wanted| *wanted != c.image) {
        drift
            .recreate
            .push(format!("image -> {}", db.image.reference));
    }
    let ports: BTreeSet<(u16, u16)> = c.ports.iter().map(|p| (p.container, p.host)).collect();
    let published: BTreeSet<(u16, u16)> = db.published().collect();
    if ports != published {
        let list = |all: &BTreeSet<(u16, u16)>| {
            all.iter()
                .map(|(_, host)| host.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        drift
            .recreate
            .push(format!("port {} -> {}", list(&ports), list(&published)));
    }
    let wanted = site.publish_ip.to_canonical();
    let bound: BTreeSet<IpAddr> = c.ports.iter().map(|p| p.ip.to_canonical()).collect();
    if let Some(other) = bound.iter().find(|ip| **ip != wanted) {
        drift.recreate.push(format!("address {other} -> {wanted}"));
    }
    for (source, target) in db.data_mounts() {
        if !c
            .mounts
            .iter()
            .any(|m| Path::new(&m.target) == Path::new(target) && m.source == source)
        {
            drift.elsewhere = true;
            drift
                .recreate
                .push(format!("mount {target} -> {}", source.display()));
        }
    }
    if c.shm != db.resources.shm.bytes() {
        let before = Memory::from_bytes(c.shm);
        drift
            .recreate
            .push(format!("shm {before} -> {}", db.resources.shm));
    }
    limits(db, c, &mut drift);
    if let Seen::Present(files) = files {
        settings(recipe, &engine::settings_of(db), files, &mut drift);
        config(recipe, db, files, &mut drift);
        certificate(
            recipe,
            &db.at_port_of(c, site),
            site,
            files,
            now,
            &mut drift,
        );
    }
    let name = site.container_name(&db.name);
    if c.name != name {
        drift.name = Some(name);
    }
    drift.policy = c.restart != RestartPolicy::Always;
    drift
}

/// Settings differ: those that a running server takes, and those that need a restart.
fn settings(
    recipe: &dyn Recipe,
    wanted: &BTreeMap<&str, &str>,
    files: &FilesSeen,
    drift: &mut Drift,
) {
    let seen = files.settings.iter();
    let seen = seen.map(|(name, value)| (name.as_str(), value.as_str()));
    if seen.eq(wanted.iter().map(|(name, value)| (*name, *value))) {
        return;
    }
    let mut reload = unchanged(files);
    let there = files.settings.keys().map(String::as_str);
    let names: BTreeSet<&str> = wanted.keys().copied().chain(there).collect();
    for name in names {
        let old = files.settings.get(name).map(String::as_str);
        let new = wanted.get(name).copied();
        let why = match (old, new) {
            (old, new) if old == new => continue,
            (Some(old), Some(new)) => format!("{name} {old} -> {new}"),
            (None, Some(new)) => format!("{name} -> {new}"),
            (_, None) => format!("{name} -> default"),
        };
        // A server that has no certificate gets one with its files.
        let first = name == TLS && (old.is_none() || new.is_none());
        if first || !recipe.reloads(name, new) {
            drift.restart.push(why);
            continue;
        }
        match new {
            Some(new) => reload.all.insert(name.to_owned(), new.to_owned()),
            None => reload.all.remove(name),
        };
        reload
            .changed
            .insert(name.to_owned(), new.map(str::to_owned));
        drift.reload_why.push(why);
    }
    drift.reload = (!reload.changed.is_empty()).then_some(reload);
}

/// The configuration file has another text: all of it is taken by the running server, or all of it
/// waits for a restart.
fn config(recipe: &dyn Recipe, db: &Database, files: &FilesSeen, drift: &mut Drift) {
    let wanted = db.config.as_ref().map(|config| config.text.as_str());
    if files.config.as_deref() == wanted && files.config_tried.is_none() {
        return;
    }
    let before: Vec<&str> = std::iter::once(files.config.as_deref().unwrap_or_default())
        .chain(files.config_tried.as_deref())
        .collect();
    let after = wanted.unwrap_or_default();
    let beside = drift.reload.as_ref().map_or(&*files.settings, |r| &r.all);
    let change = engine::config_change(recipe, &before, after, beside);
    let file = db.config.as_ref().map_or("none", |c| c.file.as_str());
    let why = |names: &BTreeSet<String>| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("config -> {file} ({})", names.join(", "))
    };
    if !change.restart.is_empty() {
        drift.restart.push(why(&change.restart));
        return;
    }
    drift.reload_why.push(if change.reload.is_empty() {
        format!("config -> {file} (no setting)")
    } else {
        why(&change.reload)
    });
    let reload = drift.reload.get_or_insert_with(|| unchanged(files));
    reload.new_config = Some(NewConfig {
        text: wanted.map(str::to_owned),
        changed: change.reload,
    });
}

/// What is in force, all of it.
fn unchanged(files: &FilesSeen) -> Settings {
    Settings {
        all: BTreeMap::clone(&files.settings),
        changed: BTreeMap::new(),
        config: files.config.clone(),
        config_tried: files.config_tried.clone(),
        new_config: None,
        in_use: files.in_use.clone(),
        certificate: None,
    }
}

/// Another certificate, where the server has one at all: one that is about to get its first is
/// restarted for that.
fn certificate(
    recipe: &dyn Recipe,
    db: &Database,
    site: &Site,
    files: &FilesSeen,
    now: Timestamp,
    drift: &mut Drift,
) {
    if db.tls.is_none() || !files.settings.contains_key(TLS) {
        return;
    }
    let names = engine::certificate_names(db, site);
    let (renewal, why) = match &files.certificate {
        None => (Renewal::Issue, "its certificate is gone".to_owned()),
        Some(seen) => match seen.outdated(&names, now) {
            Some(why) => (Renewal::Issue, why),
            None if files.in_use.as_ref() != Some(&seen.mark) => {
                let why = "its server has not read the new certificate".to_owned();
                (Renewal::Load, why)
            }
            None => return,
        },
    };
    if recipe.certificate_statements().is_none() {
        drift.restart.push(why);
        return;
    }
    let reload = drift.reload.get_or_insert_with(|| unchanged(files));
    reload.certificate = Some(renewal);
    drift.reload_why.push(why);
}

fn limits(db: &Database, c: &ContainerSeen, drift: &mut Drift) {
    let memory = db.resources.memory.bytes();
    let nano_cpus = db.resources.cpus.map_or(0, |cpus| cpus.nano());
    if c.memory != memory {
        let before = Memory::from_bytes(c.memory);
        drift.limits_why.push(if c.memory == 0 {
            format!("memory unlimited -> {}", db.resources.memory)
        } else {
            format!("memory {before} -> {}", db.resources.memory)
        });
        drift.limits_at_restart = c.memory == 0 || memory < c.memory;
    }
    if c.nano_cpus != nano_cpus {
        let why = format!("cpus {} -> {}", cores(c.nano_cpus), cores(nano_cpus));
        if nano_cpus == 0 {
            // An engine reads 0 as "leave it": a processor limit cannot be taken away in place.
            drift.recreate.push(why);
        } else {
            drift.limits_why.push(why);
        }
    }
    if !drift.limits_why.is_empty() {
        drift.limits = Some(Limits {
            memory,
            nano_cpus: if nano_cpus == 0 {
                c.nano_cpus
            } else {
                nano_cpus
            },
        });
    }
}

fn cores(nano: i64) -> String {
    if nano == 0 {
        "unlimited".to_owned()
    } else {
        (nano as f64 / 1e9).to_string()
    }
}
