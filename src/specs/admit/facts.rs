//! What a spec says about a database besides how it runs: kept as labels, and the protections that
//! some of it demands.

use std::collections::BTreeMap;

use crate::engine;
use crate::model::database::{Encryption, Tls, Volume};

use super::super::raw::{Life, Support};
use super::{Check, Engine};
use crate::model::{BackupWindow, Protection};

impl Check<'_> {
    /// The labels of the original DB4SCI.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let spec = self.spec;
        let backup = spec.backup.as_ref();
        let schedule = backup.and_then(|b| b.schedule.clone());
        let window = backup.and_then(|b| b.window);
        let facts: [(&str, &str, Option<String>, String); 6] = [
            (
                "SUPPORT",
                "/support",
                spec.support.map(|s| support(s).to_owned()),
                support(Support::Basic).to_owned(),
            ),
            (
                "LIFE",
                "/life",
                spec.life.map(|l| life(l).to_owned()),
                life(Life::Long).to_owned(),
            ),
            (
                "PHI",
                "/phi",
                spec.phi.map(|p| if p { "Yes" } else { "No" }.to_owned()),
                "No".to_owned(),
            ),
            (
                "BACKUP_FREQ",
                "/backup/schedule",
                schedule,
                "Daily".to_owned(),
            ),
            (
                "BACKUP_WINDOW",
                "/backup/window",
                window.map(|w| backup_window(w).to_owned()),
                backup_window(BackupWindow::AfterHours).to_owned(),
            ),
            (
                "MAINTAIN",
                "/maintenanceWindow",
                spec.maintenance_window.clone(),
                "AfterHours".to_owned(),
            ),
        ];
        facts
            .into_iter()
            .map(|(label, field, given, default)| {
                let kept = || {
                    let earlier = self.before.kept(field)?;
                    earlier.facts.get(label).cloned()
                };
                let value = given.or_else(kept).unwrap_or(default);
                (label.to_owned(), value)
            })
            .collect()
    }

    /// Whether connections must be encrypted. One that was admitted before there was a choice stays
    /// as it is until somebody chooses.
    pub(super) fn tls(&self) -> Option<Tls> {
        let kept = || self.before.kept("/tls").map(|db| db.tls);
        let given = self.spec.tls.map(Some);
        given.or_else(kept).unwrap_or(Some(Tls::default()))
    }

    /// Whether the server encrypts its files. That is settled by its first start.
    pub(super) fn encryption(&mut self, engine: Option<Engine>) -> Encryption {
        let earlier = self.before.0.map(|db| db.encryption);
        let Some(wanted) = self.spec.encryption else {
            return earlier.unwrap_or_default();
        };
        let able = engine.is_none_or(|engine| engine.recipe.encrypts());
        if let (Some(engine), Encryption::Engine, false) = (engine, wanted, able) {
            self.refuse(
                "spec.encryption",
                format!(
                    "{} has no encryption of its own (MariaDB has); remove this, and take a data \
                     volume that is encrypted",
                    engine.kind
                ),
            );
        }
        if let Some(earlier) = earlier.filter(|earlier| *earlier != wanted) {
            self.refuse(
                "spec.encryption",
                format!(
                    "its data was made with `{}`, which stays for its life; set that again. For \
                     data with `{}`: a new database with it, filled from a dump of this one",
                    earlier.as_str(),
                    wanted.as_str()
                ),
            );
        }
        wanted
    }

    /// What is demanded and cannot be given is refused: a promise that nobody keeps is worse than
    /// none.
    pub(super) fn protections(&mut self, volume: Option<&Volume>, encryption: Encryption) {
        let spec = self.spec;
        if spec.phi == Some(true) {
            let label = volume.map(|v| v.label.as_str());
            let encrypted = self
                .rules
                .volumes
                .iter()
                .any(|v| Some(v.label.as_str()) == label && v.encrypted);
            let able = spec
                .engine
                .is_some_and(|kind| engine::recipe(kind).encrypts());
            let mut missing = Vec::new();
            if self.tls() != Some(Tls::Required) {
                missing.push(Protection::Tls);
            }
            if !self.rules.backups_encrypted() {
                missing.push(Protection::Backups);
            }
            if !encrypted && encryption != Encryption::Engine {
                missing.push(Protection::Files);
            }
            if missing.is_empty() {
                return;
            }
            let missing: Vec<_> = missing.iter().map(|p| p.words(able)).collect();
            self.refuse(
                "spec.phi",
                format!(
                    "protected health information needs what this database does not have: {}; \
                     keep it elsewhere for now",
                    missing.join(", ")
                ),
            );
        }
    }
}

fn support(support: Support) -> &'static str {
    match support {
        Support::None => "None",
        Support::Basic => "Basic",
        Support::Full => "Full",
    }
}

fn life(life: Life) -> &'static str {
    match life {
        Life::Short => "Short",
        Life::Medium => "Medium",
        Life::Long => "Long",
    }
}

fn backup_window(window: BackupWindow) -> &'static str {
    match window {
        BackupWindow::Any => "Any",
        BackupWindow::AfterHours => "AfterHours",
        BackupWindow::Weekend => "Weekend",
    }
}
