//! What the server is asked to make at its first start: the database inside it, and the account.
//! Neither is changed later.

use std::path::PathBuf;

use crate::engine::Recipe;
use crate::model::DbName;
use crate::model::database::{Account, Source};

use super::Check;

impl Check<'_> {
    /// The database's own name inside the server.
    pub(super) fn inner_name(
        &mut self,
        recipe: &dyn Recipe,
        name: Option<&DbName>,
    ) -> Option<String> {
        let field = "spec.database";
        let given = self.spec.database.as_deref();
        let default = name.map(|name| recipe.default_database(name.as_str()));
        let wanted = given.map(str::to_owned).or(default)?;
        if let Some(earlier) = self.before.0 {
            if given.is_some() && wanted != earlier.database {
                self.refuse(
                    field,
                    format!(
                        "the database inside the server is `{}` and is not renamed by db4sci; set \
                         it back",
                        earlier.database
                    ),
                );
                return None;
            }
            return Some(earlier.database.clone());
        }
        let mut chars = wanted.chars();
        let first = chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first
            || wanted.len() > 63
            || !chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        {
            self.refuse(
                field,
                format!(
                    "`{}` is not allowed; allowed: ^[A-Za-z_][A-Za-z0-9_-]{{0,62}}$",
                    wanted.escape_debug()
                ),
            );
            return None;
        }
        let allowed = recipe.check_database(&wanted);
        self.take(field, allowed.map(|()| wanted))
    }

    pub(super) fn account(
        &mut self,
        recipe: &dyn Recipe,
        name: Option<&DbName>,
    ) -> Option<Account> {
        let given = self.spec.account.as_ref();
        let user = given.and_then(|a| a.user.clone());
        let role = given.and_then(|a| a.role);
        let file = given.and_then(|a| a.password_file.clone());
        if let Some(Account {
            user: old_user,
            role: old_role,
            password_file: old_file,
        }) = self.before.0.map(|db| &db.account)
        {
            if let Some(user) = user.filter(|u| u != old_user) {
                self.refuse(
                    "spec.account.user",
                    format!(
                        "the account is `{old_user}` and is not renamed to `{}`; set it back, and \
                         make another one with SQL",
                        user.escape_debug()
                    ),
                );
            }
            if role.is_some_and(|r| r != *old_role) {
                self.refuse(
                    "spec.account.role",
                    format!(
                        "the account was made as {old_role:?}, and its rights are not changed by \
                         db4sci; set it back, and change them with SQL"
                    ),
                );
            }
            let old_path = old_file.as_ref().map(|f| f.display().to_string());
            if file.is_some() && file != old_path {
                self.refuse(
                    "spec.account.passwordFile",
                    "the file is the one of the day of creation; set it back. For another password, \
                     change what is in that file, then: db4sci rotate NAME --user"
                        .to_owned(),
                );
            }
            return Some(Account {
                user: old_user.clone(),
                role: *old_role,
                password_file: old_file.clone(),
            });
        }
        let default = name.map(super::super::rename::default_user);
        let user = user.or(default)?;
        let allowed = recipe.check_user(&user);
        let user = self.take("spec.account.user", allowed.map(|()| user));
        let role = role.unwrap_or_default();
        let allowed = recipe.check_role(role);
        let role = self.take("spec.account.role", allowed.map(|()| role));
        let file = match file {
            Some(file) => Some(self.password_file(&file)?),
            None => None,
        };
        Some(Account {
            user: user?,
            role: role?,
            password_file: file,
        })
    }

    /// A file with a password. The daemon reads it with its own rights and the person gets to use
    /// what is in it, so only those who write `desired-state/` may name one.
    fn password_file(&mut self, file: &str) -> Option<PathBuf> {
        let field = "spec.account.passwordFile";
        if !matches!(self.request.source, Source::File(_)) {
            self.refuse(
                field,
                "only a file of desired-state/ may name a file of the host; leave it out, and \
                 db4sci makes a password"
                    .to_owned(),
            );
            return None;
        }
        let path = PathBuf::from(file);
        if !path.is_absolute() || path.components().any(|c| c.as_os_str() == "..") {
            self.refuse(
                field,
                format!(
                    "`{}` is no absolute path; write one, without `..`",
                    file.escape_debug()
                ),
            );
            return None;
        }
        Some(path)
    }
}
