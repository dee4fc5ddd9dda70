//! The steps on secrets: made and sealed before anything uses them, then written as files.

use std::collections::BTreeMap;

use crate::admin::vault;
use crate::engine::Recipe;
use crate::model::{Change, Database, SecretFile};

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
    seal_missing(exec, db, &recipe.files(db).secrets).await?;
    failpoint("secrets.sealed");
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
            (None, None) => vault::password()?,
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
