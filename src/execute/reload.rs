//! Settings, a configuration file and a certificate, brought into a running server.

use crate::engine::{self, ADMIN_SECRET};
use crate::model::action::{Renewal, Settings};
use crate::model::database::ConfigFile;
use crate::model::{Database, FilesWanted, Lane};

use super::failpoint::failpoint;
use super::steps::as_reached;
use super::{Executor, StepError, certificates};

/// Stands for a setting's value between file and server.
const UNDONE: &str = "(being changed)";

/// Brings settings into a running server. Its files say so first, and count as in force last: after
/// a crash in between, all of it is done again.
///
/// # Errors
/// Where the server does not take it. A configuration file then has its old text again, so that the
/// server's next start finds one that it has started with before.
pub(super) async fn reload(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
    settings: &Settings,
) -> Result<(), StepError> {
    let recipe = engine::recipe(db.engine);
    let mut files = rendered(db, settings, settings.config_after());
    let after = files.settings.clone();
    // As it is before anything is brought in.
    let before = exec.dirs.files(&exec.site, db, &files, &[]).await;
    let before = before.present().map(|seen| seen.settings.clone());
    let mark = match settings.certificate {
        Some(Renewal::Issue) => Some(certificates::issue(exec, db).await?),
        Some(Renewal::Load) => Some(certificates::mark(exec, db).await?),
        None => None,
    };
    under_way(&mut files, settings);
    // One that the server has not read yet is not in use.
    files.certificate = settings.in_use.clone().filter(|_| mark.is_none());
    exec.dirs.write_files(&exec.site, db, &files).await?;
    failpoint("reload.written");
    let reached = as_reached(exec, db, lane, before.as_ref()).await?;
    let admin = exec.vault.secret(db, ADMIN_SECRET)?;
    let target = recipe.target(&reached, &exec.site, admin);
    let mut statements = recipe.reload_statements(settings);
    if mark.is_some() {
        statements.extend(recipe.certificate_statements().unwrap_or_default());
    }
    if let Err(refused) = exec.servers.run(&target, &statements).await {
        if settings.new_config.is_some() {
            let mut back = rendered(db, settings, settings.config.as_ref());
            under_way(&mut back, settings);
            back.certificate = files.certificate;
            exec.dirs.write_files(&exec.site, db, &back).await?;
        }
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
fn rendered(db: &Database, settings: &Settings, config: Option<&String>) -> FilesWanted {
    let mut as_reloaded = db.with_settings(&settings.all);
    as_reloaded.config = config.map(|text| ConfigFile {
        file: String::new(),
        text: text.clone(),
    });
    engine::recipe(db.engine).files(&as_reloaded)
}

/// What the files say of themselves as long as the server may have some of it and not the rest.
fn under_way(files: &mut FilesWanted, settings: &Settings) {
    for name in settings.changed.keys() {
        // No value that anybody could wish for: this one is still to be brought in.
        files.settings.insert(name.clone(), UNDONE.to_owned());
    }
    files.config_text.clone_from(&settings.config);
    files.config_tried = match &settings.new_config {
        Some(new) => Some(new.text.clone().unwrap_or_default()),
        None => settings.config_tried.clone(),
    };
}
