//! The steps on accounts besides a database's own.

use crate::engine::{self, ADMIN_SECRET, accounts};
use crate::model::account::{FurtherAccount, account_secret};
use crate::model::{Change, Database, Lane};
use crate::runtime::ServerError;

use super::failpoint::failpoint;
use super::secrets::write_files;
use super::steps::{as_reached, note};
use super::{Executor, StepError};

/// Makes an account as the ledger has it, and makes sure that it can log in. Its password was in the
/// ledger before: whatever happens here, it is not forgotten.
pub(super) async fn make(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
    user: &str,
) -> Result<(), StepError> {
    let account = wanted(exec, db, user, true)?;
    let reached = &as_reached(exec, db, lane, None).await?;
    let recipe = engine::recipe(db.engine);
    let admin = recipe.target(reached, &exec.site, exec.vault.secret(db, ADMIN_SECRET)?);
    let password = exec.vault.secret(db, &account_secret(user))?;
    let statements = accounts::make(reached, user, account.rights, &password);
    exec.servers.run(&admin, &statements).await?;
    failpoint("make_account.made");
    let as_user = accounts::seen_by(reached, user);
    let login = recipe.user_target(&as_user, &exec.site, password);
    logs_in(exec.servers.login(&login).await)?;
    // Before it is said to be there: whoever is told so looks for it.
    write_files(exec, db).await?;
    let (uid, user) = (db.uid, user.to_owned());
    let message = format!("account {user} is there ({})", account.rights);
    note(exec, db, message, Change::AccountMade { uid, user }).await
}

/// Takes an account away.
pub(super) async fn remove(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
    user: &str,
) -> Result<(), StepError> {
    wanted(exec, db, user, false)?;
    let reached = &as_reached(exec, db, lane, None).await?;
    let recipe = engine::recipe(db.engine);
    let admin = recipe.target(reached, &exec.site, exec.vault.secret(db, ADMIN_SECRET)?);
    let statements = accounts::remove(reached, user);
    exec.servers.run(&admin, &statements).await?;
    failpoint("drop_account.dropped");
    let (uid, user) = (db.uid, user.to_owned());
    let message = format!("account {user} is gone, and its sessions with it");
    note(exec, db, message, Change::AccountGone { uid, user }).await?;
    write_files(exec, db).await
}

/// The account by the ledger of now; somebody may have spoken since the lane was planned.
fn wanted(
    exec: &Executor,
    db: &Database,
    user: &str,
    wanted: bool,
) -> Result<FurtherAccount, StepError> {
    let book = exec.ledger.book();
    let row = book.row(&db.name).filter(|row| row.database.uid == db.uid);
    let account = row.and_then(|row| row.accounts.get(user));
    let account = account.filter(|account| account.wanted() == wanted);
    let moved = || StepError::Moved(format!("somebody spoke about {user} meanwhile"));
    account.cloned().ok_or_else(moved)
}

/// A refusal of a user's login says nothing of db4sci's own.
pub(super) fn logs_in(login: Result<(), ServerError>) -> Result<(), ServerError> {
    login.map_err(|error| match error {
        ServerError::LoginRefused(why) => ServerError::Statement {
            purpose: "check the account's login",
            message: why,
        },
        other => other,
    })
}
