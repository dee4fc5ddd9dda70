//! The steps on secrets: made and sealed before anything uses them, then written as files.

use std::collections::BTreeMap;

use crate::admin::vault;
use crate::engine::{ADMIN_SECRET, Recipe, USER_SECRET, accounts};
use crate::model::account::{ACCOUNT_SECRET, FurtherAccounts, account_secret};
use crate::model::{Change, Database, Secret, SecretFile};
use crate::runtime::ServerError;

use super::failpoint::failpoint;
use super::steps::note;
use super::{Executor, StepError};

/// Seals what is not sealed yet, then writes the secret files. Sealed first: a password that a
/// server may know is in the ledger, whatever happens to its file.
pub(super) async fn write(
    exec: &Executor,
    db: &Database,
    recipe: &dyn Recipe,
) -> Result<(), StepError> {
    seal_missing(exec, db, &recipe.secrets(db)).await?;
    failpoint("secrets.sealed");
    write_files(exec, db).await
}

/// Writes the files of all that is sealed, and takes away those of accounts that went.
pub(super) async fn write_files(exec: &Executor, db: &Database) -> Result<(), StepError> {
    let secrets = exec.vault.files(db)?;
    exec.dirs.write_secrets(&exec.site, db, &secrets).await?;
    Ok(())
}

async fn seal_missing(
    exec: &Executor,
    db: &Database,
    wanted: &[SecretFile],
) -> Result<(), StepError> {
    let book = exec.ledger.book();
    let row = book.row(&db.name).filter(|row| row.database.uid == db.uid);
    let Some(row) = row else {
        return Err(StepError::Moved("it is another database by now".to_owned()));
    };
    let mut secrets = BTreeMap::new();
    for file in wanted.iter().filter(|f| !row.secrets.contains_key(&f.name)) {
        // A server that was made before secrets were sealed knows what its file says.
        let kept = if row.initialised {
            exec.dirs.secret_file(&exec.site, db, &file.name).await?
        } else {
            None
        };
        let text = match (kept, &file.from) {
            (Some(kept), _) => kept,
            (None, Some(from)) => exec.dirs.given_password(from).await?,
            (None, None) => vault::make(file.kind)?,
        };
        let sealed = exec.vault.seal(db.uid, &file.name, &text)?;
        secrets.insert(file.name.clone(), sealed);
    }
    if secrets.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
    let message = format!("its secrets are sealed: {}", names.join(", "));
    let uid = db.uid;
    note(exec, db, message, Change::Sealed { uid, secrets }).await
}

/// The further accounts that are to be there.
fn further(exec: &Executor, db: &Database) -> FurtherAccounts {
    let book = exec.ledger.book();
    let row = book.row(&db.name).filter(|row| row.database.uid == db.uid);
    let mut all = row.map(|row| row.accounts.clone()).unwrap_or_default();
    all.retain(|_, account| account.wanted());
    all
}

/// Gives the server the offered passwords. They are in the ledger already, so that whichever of the
/// two a server knows after a crash is known here, too; db4sci's own comes last.
pub(super) async fn rotate(
    exec: &Executor,
    db: &Database,
    recipe: &dyn Recipe,
) -> Result<(), StepError> {
    let mut offered: Vec<(String, Secret)> = Vec::new();
    let further = further(exec, db);
    let own = recipe.secrets(db).into_iter().map(|file| file.name);
    for name in own.chain(further.keys().map(|user| account_secret(user))) {
        if let Some(next) = exec.vault.next(db, &name)? {
            offered.push((name, next));
        }
    }
    offered.sort_by_key(|(name, _)| name == ADMIN_SECRET);
    let target = |password: &Secret| recipe.target(db, &exec.site, password.clone());
    let next = offered.iter().find(|(name, _)| name == ADMIN_SECRET);
    let mut admin = target(&exec.vault.secret(db, ADMIN_SECRET)?);
    let mut changed = false;
    if let Some((_, next)) = next
        && let Err(ServerError::LoginRefused(_)) = exec.servers.login(&admin).await
    {
        // It was changed before a crash, and as the last one.
        admin = target(next);
        changed = true;
    }
    for (name, password) in offered.iter().filter(|_| !changed) {
        let statements = match name.strip_prefix(ACCOUNT_SECRET) {
            Some(user) => accounts::make(db, user, further[user].rights, password),
            None => recipe.password_statements(db, name, password),
        };
        exec.servers.run(&admin, &statements).await?;
        failpoint("rotate.changed");
    }
    for (name, password) in &offered {
        match name.as_str() {
            ADMIN_SECRET => exec.servers.login(&target(password)).await?,
            USER_SECRET => {
                let login = recipe.user_target(db, &exec.site, password.clone());
                exec.servers.login(&login).await?;
            }
            other => {
                if let Some(user) = other.strip_prefix(ACCOUNT_SECRET) {
                    let as_user = accounts::seen_by(db, user);
                    let login = recipe.user_target(&as_user, &exec.site, password.clone());
                    exec.servers.login(&login).await?;
                }
            }
        }
    }
    let names: Vec<String> = offered.into_iter().map(|(name, _)| name).collect();
    let message = format!("new passwords are in force: {}", names.join(", "));
    let uid = db.uid;
    note(exec, db, message, Change::SecretsTaken { uid, names }).await?;
    failpoint("rotate.taken");
    write_files(exec, db).await
}
