//! `db4sci account`

use super::acting::say;
use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::password;
use super::ui::documents;
use super::ui::table::Table;
use super::ui::times;
use crate::http::api::accounts::{AddRequest, RemoveRequest};
use crate::http::backend::Rotated;
use crate::model::DbName;
use crate::model::account::{AccountView, Rights};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with accounts.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make another account in a database's server; its password is shown once
    ///
    /// It stays: one that is dropped by hand is made again, and after a restore it has the password that it
    /// has now.
    Add {
        /// The database
        name: DbName,
        /// The login name
        user: String,
        /// What it may do: ReadOnly, ReadWrite, or Admin (all that is short of the server itself); Neo4j
        /// Community knows only Admin
        #[arg(long)]
        role: Rights,
        /// Why, for the log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Which accounts db4sci made
    List {
        /// The database
        name: DbName,
    },
    /// Take an account that was added away again; its sessions end
    ///
    /// What it owns in the database goes to the database's own account. A restore does not bring it back.
    Remove {
        /// The database
        name: DbName,
        /// The login name
        user: String,
        /// Why, for the log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Add {
            name,
            user,
            role,
            reason,
        } => {
            let path = format!("/databases/{name}/accounts");
            let request = AddRequest {
                user: user.clone(),
                role,
                reason,
            };
            let added: Rotated = context.client.post(&path, &request).await?;
            password::say_changed(context, &name, Some(&user), &added)
        }
        Verb::List { name } => list(context, &name).await,
        Verb::Remove { name, user, reason } => {
            let path = format!("/databases/{name}/accounts/remove");
            let request = RemoveRequest { user, reason };
            say(context, context.client.post(&path, &request).await?)
        }
    }
}

async fn list(context: &Context, name: &DbName) -> Result<Exit, CliError> {
    let path = format!("/databases/{name}/accounts");
    let accounts: Vec<AccountView> = context.client.get(&path).await?;
    match context.format {
        Format::Json => documents::json(context, &accounts)?,
        Format::Yaml => documents::yaml(context, &accounts)?,
        Format::Name => {
            for account in &accounts {
                context.line(&account.user)?;
            }
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["USER", "ROLE", "STATE", "SINCE", "PASSWORD"]);
            for account in &accounts {
                let own = if account.own { " (its own)" } else { "" };
                let shown = match account.password_shown {
                    Some(at) => format!("shown {}", times::relative(at - context.now())),
                    None => "not shown yet".to_owned(),
                };
                table.row([
                    format!("{}{own}", account.user).into(),
                    account.role.as_str().into(),
                    account.state.as_str().into(),
                    times::relative(account.since - context.now()).into(),
                    shown.into(),
                ]);
            }
            context.print(&table.text(context.paint()))?;
        }
    }
    Ok(Exit::OK)
}
