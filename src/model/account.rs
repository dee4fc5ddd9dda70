//! Accounts of a database besides its own: people ask for them by name, and they are kept in the ledger.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{SecretText, Timestamp, Who};

/// What the names of further accounts' secret files begin with; no other secret's does.
pub const ACCOUNT_SECRET: &str = "account-";

/// The secret file with a further account's password.
pub fn account_secret(user: &str) -> String {
    format!("{ACCOUNT_SECRET}{user}")
}

/// Whether a secret file is of an account whose password nobody keeps any more.
pub fn is_stray(file: &str, kept: &[SecretText]) -> bool {
    file.starts_with(ACCOUNT_SECRET) && kept.iter().all(|secret| secret.name != file)
}

/// What a further account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rights {
    /// Reads data, and changes none.
    ReadOnly,
    /// Reads and changes data, and makes neither databases nor accounts.
    ReadWrite,
    /// As the database's own account with `role: Admin`.
    Admin,
}

impl Rights {
    /// All of them, the least first.
    pub const ALL: [Rights; 3] = [Rights::ReadOnly, Rights::ReadWrite, Rights::Admin];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Rights::ReadOnly => "ReadOnly",
            Rights::ReadWrite => "ReadWrite",
            Rights::Admin => "Admin",
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Rights {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Rights::ALL
            .into_iter()
            .find(|r| r.as_str().eq_ignore_ascii_case(s));
        found.ok_or_else(|| {
            let all = Rights::ALL.map(Rights::as_str).join(", ");
            format!("`{}` is no role; roles: {all}", s.escape_debug())
        })
    }
}

/// A further account, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FurtherAccount {
    /// What it may do.
    pub rights: Rights,
    /// Where it stands.
    pub state: AccountState,
    /// Since when.
    pub since: Timestamp,
    /// Whether other data was put in place since then, which may know it as it was before: nobody is
    /// told Ready until its server was given what is true.
    pub returned: bool,
    /// When its password was shown, and to whom.
    pub shown: Option<(Timestamp, Who)>,
}

/// Where a further account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccountState {
    /// It is wanted, and its server may not know it yet. Entered when somebody asks for it, and when other
    /// data is put in place; left when its server was told.
    Wanted,
    /// Its server knows it. Left when somebody does not want it any more.
    There,
    /// It is not wanted any more, and its server may know it still. Left when its server was told.
    Leaving,
    /// Its server does not know it. It is remembered: a backup from before may bring it back.
    Gone,
}

impl AccountState {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            AccountState::Wanted => "being made",
            AccountState::There => "there",
            AccountState::Leaving => "being removed",
            AccountState::Gone => "removed",
        }
    }
}

impl FurtherAccount {
    /// Whether it is to be there.
    pub fn wanted(&self) -> bool {
        match self.state {
            AccountState::Wanted | AccountState::There => true,
            AccountState::Leaving | AccountState::Gone => false,
        }
    }
}

/// The further accounts of a database, by their login names; those that were removed are among them.
pub type FurtherAccounts = BTreeMap<String, FurtherAccount>;

/// An account as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// The login name.
    pub user: String,
    /// What it may do.
    pub role: String,
    /// Where it stands, for people.
    pub state: String,
    /// Whether it is the database's own, which its spec names.
    pub own: bool,
    /// Since when it stands so.
    pub since: Timestamp,
    /// When its password was shown; it is shown once.
    pub password_shown: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_nobody_knows_is_refused_with_all_that_there_are() {
        assert_eq!("readonly".parse(), Ok(Rights::ReadOnly));
        for rights in Rights::ALL {
            assert_eq!(rights.to_string().parse(), Ok(rights));
        }
        let why = "Owner".parse::<Rights>().unwrap_err();
        assert_eq!(why, "`Owner` is no role; roles: ReadOnly, ReadWrite, Admin");
    }
}
