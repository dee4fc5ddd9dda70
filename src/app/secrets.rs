//! Passwords as the API gives and changes them, and the keys that they are sealed under.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::admin::vault::{self, VaultError};
use crate::admin::{Book, NewEntry, Row};
use crate::engine::{self, USER_SECRET};
use crate::http::backend::{Password, Rotate, Rotated};
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::account::{AccountState, account_secret};
use crate::model::{Change, Database, DbName, Outcome, Secret, SecretKind};
use crate::specs::access::Need;

use super::backend::{Daemon, because, unavailable};
use super::keys;

/// How long a change of passwords is waited for; it goes on by itself.
const WAIT: Duration = Duration::from_secs(30);

impl Daemon {
    pub(super) async fn show_password(
        &self,
        caller: &Caller,
        name: &DbName,
        user: Option<&str>,
        reason: &str,
    ) -> Result<Password, Refusal> {
        let row = self.row_for(caller, name, Need::Owner).await?;
        let db = &row.database;
        let conflict = |message: String| Err(Refusal::new(RefusalKind::Conflict, message));
        let user = user.filter(|user| *user != db.account.user);
        if !row.initialised {
            return conflict(format!(
                "{name} has no account yet; wait for it: db4sci wait {name} --for ready"
            ));
        }
        let password = self.user_password(db, user).await?;
        let login = user.unwrap_or(&db.account.user);
        // Written first, and refused when it was shown before: shown at most once, whoever else asks now.
        let change = Change::PasswordShown {
            uid: db.uid,
            user: user.map(str::to_owned),
        };
        let why = because(reason);
        let message = format!("the password of account {login} was shown{why}");
        self.write(caller, name, message, change).await?;
        Ok(Password {
            user: login.to_owned(),
            password,
        })
    }

    /// The password of the database's account, or of a further one. While another one is on its way,
    /// the server may know either of the two: the change is waited for.
    pub(super) async fn user_password(
        &self,
        db: &Database,
        user: Option<&str>,
    ) -> Result<Secret, Refusal> {
        let file = user.map_or_else(|| USER_SECRET.to_owned(), account_secret);
        if let Some(user) = user {
            self.further(&self.row(&db.name)?, user)?;
        }
        let changes = |book: &Book| {
            let row = book.row(&db.name).filter(|row| row.database.uid == db.uid);
            let kept = row.and_then(|row| row.secrets.get(&file));
            kept.is_some_and(|kept| kept.next.is_some())
        };
        if !self.comes(|book| !changes(book)).await {
            let name = &db.name;
            let message = format!(
                "the password of {name} is being changed, and its server does not take the new one \
                 yet; see: db4sci describe {name}"
            );
            return Err(Refusal::new(RefusalKind::Conflict, message));
        }
        self.vault.secret(db, &file).map_err(sealed)
    }

    pub(super) async fn new_passwords(
        &self,
        caller: &Caller,
        name: &DbName,
        which: Rotate,
        reason: String,
    ) -> Result<Rotated, Refusal> {
        let row = self.row_for(caller, name, Need::Owner).await?;
        let db = &row.database;
        let conflict = |message: String| Err(Refusal::new(RefusalKind::Conflict, message));
        if !row.initialised {
            return conflict(format!(
                "{name} has no account yet, so there is no password to change"
            ));
        }
        if let Some((from, _)) = &row.restoring {
            return conflict(format!(
                "{name} is being restored from {from}; change its passwords when that is over"
            ));
        }
        if let Some(why) = row.gone().or_else(|| row.on_its_way()) {
            return conflict(format!("{why}; nothing was changed"));
        }
        if row.secrets.values().any(|kept| kept.next.is_some()) {
            return conflict(format!(
                "the passwords of {name} are being changed already; it ends when its server answers"
            ));
        }
        let mut secrets = BTreeMap::new();
        if let Rotate::Account(user) = &which {
            self.further(&row, user)?;
            let text = vault::password().map_err(sealed)?;
            let file = account_secret(user);
            let value = self.vault.seal(db.uid, &file, &text).map_err(sealed)?;
            secrets.insert(file, value);
        }
        for file in &engine::recipe(db.engine).secrets(db) {
            let users = file.name == USER_SECRET;
            let wanted = match &which {
                Rotate::All => true,
                Rotate::User => users,
                Rotate::Own => !users,
                Rotate::Account(_) => false,
            };
            if !wanted || file.kind != SecretKind::Password {
                continue;
            }
            let text = match &file.from {
                Some(from) => self.given(db, &file.name, from).await?,
                None => vault::password().map_err(sealed)?,
            };
            let value = self.vault.seal(db.uid, &file.name, &text).map_err(sealed)?;
            secrets.insert(file.name.clone(), value);
        }
        let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
        let why = because(&reason);
        let message = format!("new passwords are made for {}{why}", names.join(", "));
        let change = Change::SecretsOffered {
            uid: db.uid,
            secrets,
        };
        self.write(caller, name, message, change).await?;
        self.queue.add(name);
        let taken = |book: &Book| {
            let row = book.row(name);
            row.is_none_or(|row| row.secrets.values().all(|kept| kept.next.is_none()))
        };
        if !self.comes(taken).await {
            return Ok(Rotated {
                message: format!(
                    "{name}: new passwords are made, and come into force as soon as its server \
                     answers; then: db4sci password {name}"
                ),
                account: None,
            });
        }
        let account = match &which {
            Rotate::Own => None,
            Rotate::All | Rotate::User => {
                Some(self.show_password(caller, name, None, &reason).await?)
            }
            Rotate::Account(user) => {
                let user = Some(user.as_str());
                Some(self.show_password(caller, name, user, &reason).await?)
            }
        };
        Ok(Rotated {
            message: format!("{name}: new passwords are in force; open connections go on"),
            account,
        })
    }

    /// Refuses a login name that is no further account's which its server knows.
    fn further(&self, row: &Row, user: &str) -> Result<(), Refusal> {
        let name = &row.database.name;
        let message = match row.accounts.get(user).map(|account| account.state) {
            Some(AccountState::There) => return Ok(()),
            Some(AccountState::Wanted) => {
                format!("account {user} of {name} is not made yet; see: db4sci describe {name}")
            }
            Some(AccountState::Leaving | AccountState::Gone) | None => format!(
                "{name} has no account `{user}` that was added; see: db4sci account list {name}"
            ),
        };
        Err(Refusal::new(RefusalKind::Conflict, message))
    }

    /// What a person's file says now.
    async fn given(
        &self,
        db: &Database,
        file: &str,
        from: &std::path::Path,
    ) -> Result<Secret, Refusal> {
        let given = self.dirs.given_password(from).await;
        let text = given.map_err(|e| {
            Refusal::new(RefusalKind::Conflict, format!("{e}; nothing was changed"))
        })?;
        if self.vault.secret(db, file).map_err(sealed)? == text {
            let message = format!(
                "{} still holds the password that is in force; write another one into it first",
                from.display()
            );
            return Err(Refusal::new(RefusalKind::Conflict, message));
        }
        Ok(text)
    }

    /// Whether the book says so within a while.
    pub(super) async fn comes(&self, said: impl Fn(&Book) -> bool) -> bool {
        let mut books = self.ledger.watch();
        let done = books.wait_for(|book| said(book));
        matches!(tokio::time::timeout(WAIT, done).await, Ok(Ok(_)))
    }

    pub(super) async fn new_key(&self, caller: &Caller, reason: &str) -> Result<String, Refusal> {
        self.admin_only(caller).await?;
        let (key, entries) = self.vault.renew(&caller.who, |_, _| None).map_err(sealed)?;
        let count = entries.len();
        let entries = keys::told(&key, &caller.who, entries, reason);
        self.ledger.append_all(entries).await.map_err(unavailable)?;
        Ok(format!(
            "key {key} seals from now on, the secrets of {count} databases too; older keys are kept. \
             Keep a copy of it elsewhere"
        ))
    }

    pub(super) async fn write(
        &self,
        caller: &Caller,
        name: &DbName,
        message: String,
        change: Change,
    ) -> Result<(), Refusal> {
        let entry = NewEntry {
            who: caller.who.clone(),
            name: Some(name.clone()),
            outcome: Outcome::Done,
            message,
            change,
        };
        self.ledger.append(entry).await.map_err(unavailable)?;
        Ok(())
    }
}

pub(super) fn sealed(error: VaultError) -> Refusal {
    Refusal::new(RefusalKind::Unavailable, error.to_string())
}
