//! Secrets, and accounts besides a database's own: what is refused, and what the entries change.

use super::{Book, NewEntry, Row};
use crate::model::account::{AccountState, FurtherAccount, FurtherAccounts, account_secret};
use crate::model::{BackupId, Change, Entry, KeptSecret, Timestamp};

impl Book {
    /// Whether an entry about accounts may be accepted; whose it is was looked at before.
    pub(super) fn check_account(&self, new: &NewEntry) -> Result<(), String> {
        let row = self.check_row(new)?;
        match &new.change {
            Change::AccountWanted { user, .. } => row.account_refused(user).map_or(Ok(()), Err),
            Change::AccountUnwanted { user, .. } => row.removal_refused(user).map_or(Ok(()), Err),
            Change::AccountMade { user, .. } | Change::AccountGone { user, .. } => {
                let known = row.accounts.contains_key(user);
                known.then_some(()).ok_or_else(|| row.no_account(user))
            }
            // Two may ask at once, and each have seen that nobody has it: the second one is late.
            Change::PasswordShown { user, .. } => row.showing_refused(user.as_deref()),
            _ => Ok(()),
        }
    }

    /// Takes in an entry about secrets or further accounts.
    pub(super) fn fold_secrets(&mut self, entry: &Entry) -> Result<(), String> {
        let at = entry.at;
        let row = self.change(entry)?;
        match &entry.change {
            Change::Sealed { uid: _, secrets } => {
                for (name, sealed) in secrets {
                    let next = row.secrets.remove(name).and_then(|kept| kept.next);
                    let sealed = sealed.clone();
                    row.secrets
                        .insert(name.clone(), KeptSecret { sealed, next });
                }
            }
            Change::SecretsOffered { uid: _, secrets } => {
                for (name, sealed) in secrets {
                    if let Some(kept) = row.secrets.get_mut(name) {
                        kept.next = Some(sealed.clone());
                    }
                }
            }
            Change::SecretsTaken { uid: _, names } => {
                row.password_shown = None;
                for name in names {
                    let kept = row.secrets.get_mut(name);
                    if let Some((kept, next)) = kept.and_then(|k| k.next.take().map(|n| (k, n))) {
                        kept.sealed = next;
                    }
                }
                for (user, account) in &mut row.accounts {
                    account
                        .shown
                        .take_if(|_| names.contains(&account_secret(user)));
                }
            }
            Change::PasswordShown { uid: _, user } => {
                let shown = Some((at, entry.who.clone()));
                match user.as_ref().map(|user| row.accounts.get_mut(user)) {
                    None => row.password_shown = shown,
                    Some(Some(account)) => account.shown = shown,
                    Some(None) => {}
                }
            }
            Change::AccountWanted {
                uid: _,
                user,
                rights,
                secret,
            } => {
                let wanted = FurtherAccount {
                    rights: *rights,
                    state: AccountState::Wanted,
                    since: at,
                    returned: false,
                    shown: None,
                };
                row.accounts.insert(user.clone(), wanted);
                let (sealed, next) = (secret.clone(), None);
                row.secrets
                    .insert(account_secret(user), KeptSecret { sealed, next });
            }
            Change::AccountMade { uid: _, user } => row.account(user, at, AccountState::There),
            Change::AccountUnwanted { uid: _, user } => {
                row.secrets.remove(&account_secret(user));
                row.account(user, at, AccountState::Leaving);
            }
            Change::AccountGone { uid: _, user } => row.account(user, at, AccountState::Gone),
            _ => {}
        }
        Ok(())
    }

    /// The accounts that the data of a backup may bring to a copy: none of them is the copy's.
    pub(super) fn brought_by(&self, from: &BackupId, at: Timestamp) -> FurtherAccounts {
        let of = self.holder_of(from).map(|(row, _)| row.accounts.clone());
        let mut all = of.unwrap_or_default();
        for account in all.values_mut() {
            account.state = AccountState::Leaving;
            (account.since, account.returned, account.shown) = (at, true, None);
        }
        all
    }
}

impl Row {
    /// Other data is in place, of a backup perhaps: what it knows of accounts is what was true then.
    pub(super) fn data_returned(&mut self, from: Option<&BackupId>, at: Timestamp) {
        for account in self.accounts.values_mut() {
            match account.state {
                AccountState::Wanted | AccountState::There => {
                    account.state = AccountState::Wanted;
                }
                // One that was removed before the backup is not in it: what has its name there is
                // somebody else's.
                AccountState::Gone if from.is_some_and(|id| id.slot.instant() <= account.since) => {
                    account.state = AccountState::Leaving;
                }
                AccountState::Gone => continue,
                AccountState::Leaving => {}
            }
            (account.since, account.returned) = (at, true);
        }
    }

    fn account(&mut self, user: &str, at: Timestamp, state: AccountState) {
        if let Some(account) = self.accounts.get_mut(user) {
            (account.state, account.since, account.returned) = (state, at, false);
        }
    }

    /// Why nothing about accounts can change now.
    pub fn accounts_refused(&self) -> Option<String> {
        let name = &self.database.name;
        if name.is_mydb_admin() {
            return Some(
                "mydb_admin is db4sci's own memory; its roles are its own, and nobody adds any"
                    .to_owned(),
            );
        }
        self.engaged().or_else(|| {
            (!self.initialised).then(|| {
                format!("`{name}` has no data yet; wait for it: db4sci wait {name} --for ready")
            })
        })
    }

    /// Why nobody can have this account made.
    pub fn account_refused(&self, user: &str) -> Option<String> {
        let name = &self.database.name;
        if let Some(why) = self.accounts_refused() {
            return Some(why);
        }
        if self.database.account.user == user {
            return Some(format!(
                "`{user}` is the own account of `{name}`; for a new password: db4sci rotate {name} \
                 --user"
            ));
        }
        let account = self.accounts.get(user)?;
        match account.state {
            AccountState::Wanted | AccountState::There => Some(format!(
                "`{name}` has an account `{user}` already, which is {}; to give it another role, remove it \
                 first: db4sci account remove {name} {user}",
                account.rights
            )),
            AccountState::Leaving => Some(format!(
                "account `{user}` of `{name}` is being removed; try again when that is over"
            )),
            AccountState::Gone => None,
        }
    }

    fn removal_refused(&self, user: &str) -> Option<String> {
        let name = &self.database.name;
        if let Some(why) = self.accounts_refused() {
            return Some(why);
        }
        if self.database.account.user == user {
            return Some(format!(
                "`{user}` is the own account of `{name}`, and stays as long as that; for a new password: \
                 db4sci rotate {name} --user"
            ));
        }
        match self.accounts.get(user) {
            Some(account) if account.wanted() => None,
            Some(_) | None => Some(self.no_account(user)),
        }
    }

    fn showing_refused(&self, user: Option<&str>) -> Result<(), String> {
        let name = &self.database.name;
        let (shown, login, which) = match user {
            None => {
                let login = self.database.account.user.as_str();
                (&self.password_shown, login, "--user".to_owned())
            }
            Some(user) => {
                let account = self.accounts.get(user);
                let account = account.ok_or_else(|| self.no_account(user))?;
                (&account.shown, user, format!("--account {user}"))
            }
        };
        match shown {
            None => Ok(()),
            Some((at, who)) => Err(format!(
                "the password of {login} of {name} was shown to {who} at {}, and is shown once only; a new \
                 one: db4sci rotate {name} {which}",
                at.format("%F %T UTC")
            )),
        }
    }

    fn no_account(&self, user: &str) -> String {
        let name = &self.database.name;
        format!("`{name}` has no account `{user}` that was added; see: db4sci account list {name}")
    }
}

#[cfg(test)]
mod tests;
