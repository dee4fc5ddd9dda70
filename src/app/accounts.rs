//! Accounts of a database besides its own: who asks for one, and what is answered.

use crate::admin::vault;
use crate::admin::{Book, Row};
use crate::engine::accounts;
use crate::http::backend::Rotated;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::account::{AccountState, AccountView, Rights, account_secret};
use crate::model::{Change, Database, DbName, WantedState};
use crate::specs::access::Need;

use super::backend::{Daemon, because};
use super::secrets::sealed;

impl Daemon {
    pub(super) async fn list_accounts(
        &self,
        caller: &Caller,
        name: &DbName,
    ) -> Result<Vec<AccountView>, Refusal> {
        let row = self.row_for(caller, name, Need::User).await?;
        let own = AccountView {
            user: row.database.account.user.clone(),
            role: format!("{:?}", row.database.account.role),
            state: if row.initialised {
                AccountState::There
            } else {
                AccountState::Wanted
            }
            .as_str()
            .to_owned(),
            own: true,
            since: row.initialised_at.unwrap_or(row.created_at),
            password_shown: row.password_shown.as_ref().map(|(at, _)| *at),
        };
        let further = row.accounts.iter();
        let further = further.filter(|(_, account)| account.state != AccountState::Gone);
        let further = further.map(|(user, account)| AccountView {
            user: user.clone(),
            role: account.rights.to_string(),
            state: account.state.as_str().to_owned(),
            own: false,
            since: account.since,
            password_shown: account.shown.as_ref().map(|(at, _)| *at),
        });
        Ok(std::iter::once(own).chain(further).collect())
    }

    /// Wants an account. From the one entry on, which holds its password, it comes to be whatever happens.
    pub(super) async fn new_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        rights: Rights,
        reason: String,
    ) -> Result<Rotated, Refusal> {
        let row = self.row_for(caller, name, Need::Owner).await?;
        let db = &row.database;
        let conflict = |why: String| {
            let message = format!("{why}; nothing was changed");
            Err(Refusal::new(RefusalKind::Conflict, message))
        };
        if let Err(why) = accounts::check(db, user, rights) {
            let message = format!("{why}; nothing was changed");
            return Err(Refusal::new(RefusalKind::Invalid, message));
        }
        if let Some(why) = row.account_refused(user).or_else(|| not_running(&row)) {
            return conflict(why);
        }
        // What a person made with SQL is that person's.
        if !row.accounts.contains_key(user) && self.server_has(db, user).await? {
            return conflict(format!(
                "the server of {name} has an account `{user}` that db4sci did not make; drop it there first, \
                 or choose another name"
            ));
        }
        let password = vault::password().map_err(sealed)?;
        let file = account_secret(user);
        let change = Change::AccountWanted {
            uid: db.uid,
            user: user.to_owned(),
            rights,
            secret: self.vault.seal(db.uid, &file, &password).map_err(sealed)?,
        };
        let message = format!("account {user} is wanted ({rights}){}", because(&reason));
        self.write(caller, name, message, change).await?;
        self.queue.add(name);
        let there = |book: &Book| state(book, name, user) == Some(AccountState::There);
        if !self.comes(there).await {
            return Ok(Rotated {
                message: format!(
                    "{name}: account {user} is wanted, and its server does not take it yet; it is tried again \
                     (db4sci describe {name}), then: db4sci password {name} --account {user}"
                ),
                account: None,
            });
        }
        Ok(Rotated {
            message: format!("{name}: account {user} is there ({rights})"),
            account: Some(
                self.show_password(caller, name, Some(user), &reason)
                    .await?,
            ),
        })
    }

    /// Wants an account no more.
    pub(super) async fn end_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        let row = self.row_for(caller, name, Need::Owner).await?;
        let db = &row.database;
        let message = format!("account {user} is not wanted any more{}", because(&reason));
        let change = Change::AccountUnwanted {
            uid: db.uid,
            user: user.to_owned(),
        };
        self.write(caller, name, message, change).await?;
        self.queue.add(name);
        let gone = |book: &Book| state(book, name, user).is_none_or(|s| s == AccountState::Gone);
        if not_running(&row).is_none() && self.comes(gone).await {
            return Ok(format!(
                "{name}: account {user} is removed, and its sessions ended"
            ));
        }
        Ok(format!(
            "{name}: account {user} is to go, and goes as soon as its server answers: db4sci describe {name}"
        ))
    }

    /// Whether a server has an account of this name, whoever made it.
    async fn server_has(&self, db: &Database, user: &str) -> Result<bool, Refusal> {
        let target = self.own_login(db)?;
        let query = crate::engine::recipe(db.engine).probe_query(db, &[user]);
        let answer = self.servers.ask(&target, &query).await;
        let answer = answer.map_err(|error| {
            let name = &db.name;
            let message = format!(
                "{name}: {error}; an account is made in a server that answers, and nothing was changed; see: \
                 db4sci describe {name}"
            );
            Refusal::new(RefusalKind::Unavailable, message)
        })?;
        Ok(answer.further.contains(user))
    }
}

fn state(book: &Book, name: &DbName, user: &str) -> Option<AccountState> {
    let account = book.row(name)?.accounts.get(user)?;
    Some(account.state)
}

fn not_running(row: &Row) -> Option<String> {
    let name = &row.database.name;
    match row.wanted() {
        WantedState::Running => None,
        WantedState::Stopped | WantedState::Maintenance | WantedState::Retired => Some(format!(
            "{name} is stopped, and an account is made in a server that answers; first: db4sci start {name}"
        )),
    }
}
