//! Settings, a configuration file and a certificate, brought into a running server.

use std::collections::BTreeMap;

use crate::engine::trial::{self, UNDONE};
use crate::engine::{self, ADMIN_SECRET};
use crate::model::action::{Renewal, Settings};
use crate::model::database::ConfigFile;
use crate::model::{Database, FilesWanted, Lane};

use super::failpoint::failpoint;
use super::steps::as_reached;
use super::{Executor, StepError, certificates};

/// Values of settings by their names.
pub(super) type Values = BTreeMap<String, String>;

/// Brings settings into a running server. Its files say so first, and count as in force last: after
/// a crash in between, all of it is done again.
///
/// # Errors
/// Where the server does not take it. Its files then have their old text again, so that the server's
/// next start finds what it has started with before.
pub(super) async fn reload(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
    settings: &Settings,
) -> Result<(), StepError> {
    let recipe = engine::recipe(db.engine);
    let mut files = rendered(db, &settings.all, settings.config_after());
    let after = files.settings.clone();
    // As it is before anything is brought in.
    let named = recipe.named(db);
    let before = exec.dirs.files(&exec.site, db, &named, &[]).await;
    if let Some(seen) = before.present() {
        files.trial = seen.trial.clone();
    }
    let before = before.present().map(|seen| BTreeMap::clone(&seen.settings));
    let reached = as_reached(exec, db, lane, before.as_ref()).await?;
    let mark = match settings.certificate {
        Some(Renewal::Issue) => Some(certificates::issue(exec, &reached).await?),
        Some(Renewal::Load) => Some(certificates::mark(exec, db).await?),
        None => None,
    };
    under_way(&mut files, settings, before.as_ref());
    // One that the server has not read yet is not in use.
    files.certificate = settings.in_use.clone().filter(|_| mark.is_none());
    exec.dirs.write_files(&exec.site, db, &files).await?;
    failpoint("reload.written");
    let admin = exec.vault.secret(db, ADMIN_SECRET)?;
    let target = recipe.target(&reached, &exec.site, admin);
    let mut statements = recipe.reload_statements(settings);
    if mark.is_some() {
        statements.extend(recipe.certificate_statements().unwrap_or_default());
    }
    if let Err(refused) = exec.servers.run(&target, &statements).await {
        let earlier = taken_back(settings, before.as_ref());
        let mut back = rendered(db, &earlier.all, settings.config.as_ref());
        back.trial = files.trial;
        under_way(&mut back, settings, before.as_ref());
        back.certificate = files.certificate;
        exec.dirs.write_files(&exec.site, db, &back).await?;
        return Err(refused.into());
    }
    files.settings = after;
    files.config_text = settings.config_after().cloned();
    if settings.new_config.is_some() {
        files.config_tried = None;
    }
    files.certificate = mark.or_else(|| settings.in_use.clone());
    exec.dirs.write_files(&exec.site, db, &files).await?;
    Ok(())
}

/// The files with these settings and this text of the configuration file.
pub(super) fn rendered(db: &Database, settings: &Values, config: Option<&String>) -> FilesWanted {
    let mut as_reloaded = db.with_settings(settings);
    as_reloaded.config = config.map(|text| ConfigFile {
        file: String::new(),
        text: text.clone(),
    });
    engine::recipe(db.engine).files(&as_reloaded)
}

/// What the files say of themselves as long as the server may have some of it and not the rest.
fn under_way(files: &mut FilesWanted, settings: &Settings, before: Option<&Values>) {
    for name in settings.changed.keys() {
        // No value that anybody could wish for: this one is still to be brought in.
        let earlier = earlier(before, name).unwrap_or_default();
        let text = format!("{UNDONE} {earlier}");
        files
            .settings
            .insert(name.clone(), text.trim_end().to_owned());
    }
    files.config_text.clone_from(&settings.config);
    files.config_tried = match &settings.new_config {
        Some(new) => Some(new.text.clone().unwrap_or_default()),
        None => settings.config_tried.clone(),
    };
}

/// The value that the server has started with, also where the files say that it is being changed.
fn earlier<'a>(before: Option<&'a Values>, name: &str) -> Option<&'a str> {
    trial::earlier(before?.get(name)?)
}

/// The settings with what changes as it was before.
fn taken_back(settings: &Settings, before: Option<&Values>) -> Settings {
    let mut back = settings.clone();
    for name in settings.changed.keys() {
        match earlier(before, name) {
            Some(value) => back.all.insert(name.clone(), value.to_owned()),
            None => back.all.remove(name),
        };
    }
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_refuses_is_taken_back_to_what_it_started_with_however_often_it_is_tried() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let started = Values::from([pair("work_mem", "64MB"), pair("jit", "on")]);
        let settings = Settings {
            all: [
                pair("work_mem", "nonsense"),
                pair("wal_level", "x"),
                pair("jit", "on"),
            ]
            .into(),
            changed: [
                ("work_mem".to_owned(), Some("nonsense".to_owned())),
                ("wal_level".to_owned(), Some("x".to_owned())),
            ]
            .into(),
            ..Settings::default()
        };
        let mut before = started.clone();
        for _ in 0..3 {
            let back = taken_back(&settings, Some(&before));
            assert_eq!(back.all, started);
            let mut files = FilesWanted {
                settings: settings.all.clone(),
                ..FilesWanted::default()
            };
            under_way(&mut files, &settings, Some(&before));
            before = files.settings;
            assert_ne!(before["work_mem"], started["work_mem"]);
        }
    }
}
