//! What can be typed.

use clap::{Parser, Subcommand, ValueEnum};

use super::acting::Why;
use super::host::Globals;
use super::{
    account, apply, approve, audit, backup, ca, check, clone, completions, connect, delete,
    describe, eject, events, export, get, images, init, key, logs, maintenance, password, plan,
    recover, release, rename, restart, restore, resume, retry, rotate, sessions, start, stop, thaw,
    wait,
};

/// Database servers for research groups, each in a container of its own.
#[derive(Debug, Parser)]
#[command(name = "db4sci", version, max_term_width = 100)]
#[command(
    after_help = "Without a command: what is wrong, and the next command for it.\n\
    Exit codes: 0 ok, 1 error, 2 wrong usage; `plan`: 3 when there is something to do."
)]
pub struct Cli {
    /// Where everything is.
    #[command(flatten)]
    pub globals: Globals,
    /// How to show it.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Everywhere"
    )]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For people with wide terminals.
    Wide,
    /// For programs.
    Json,
    /// For programs, and to edit.
    Yaml,
    /// Names only, one a line.
    Name,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What is wrong, and the next command for each (also without a command)
    Status,
    /// Write commented settings, the keys and the folders
    Init(init::Args),
    /// Run the daemon
    Run,
    /// Check specs and settings without a daemon
    Check(check::Args),
    /// Show what would happen, when, and what it costs
    Plan(plan::Args),
    /// Let steps of a plan begin that wait for their window, or for a person
    Approve(approve::Args),
    /// Hand in specs
    Apply(apply::Args),
    /// List databases
    Get(get::Args),
    /// What databases take on their disks, and what is left there
    Disk,
    /// Everything about one database: why is nothing happening?
    Describe(describe::Args),
    /// What happened
    Events(events::Args),
    /// Whether the log is as it was written
    Audit(audit::Args),
    /// What a database's server wrote
    Logs(logs::Args),
    /// Wait until a database is ready, stopped or retired
    Wait(wait::Args),
    /// Open a database with its own client
    Connect(connect::Args),
    /// Who is connected to a database
    Sessions(sessions::Args),
    /// Run a database although its spec says otherwise
    Start(start::Args),
    /// Stop a database although its spec says otherwise; its data stays
    Stop(stop::Args),
    /// Restart a database's server once
    Restart(restart::Args),
    /// Keep db4sci's hands off a database, or off the whole host
    Maintenance(maintenance::Args),
    /// End `start`, `stop` and `maintenance`: the spec is in force again
    Resume(resume::Args),
    /// End a quarantine, or let a database run on data that was put there by hand; with a reason
    Release(release::Args),
    /// Forget failed attempts, and try again at once; a quarantine needs `release`
    Retry(retry::Args),
    /// Retire a database: a final proven backup, then it is stopped; its data is kept for a while
    Delete(delete::Args),
    /// Take a deletion back
    Undelete(Why),
    /// Take, list, prove, keep and fetch backups
    Backup(backup::Args),
    /// Bring a backup back, in place or as another database
    Restore(restore::Args),
    /// Make another database of a backup, with passwords of its own
    Clone(clone::Args),
    /// Give a database another name; its data, port, passwords, backups and history go with it
    Rename(rename::Args),
    /// Release a database from db4sci: a compose file and its secrets are written, its data stays
    Eject(eject::Args),
    /// Bring a lost host's databases back from the stores
    Recover(recover::Args),
    /// Give up a store that is gone, so that removals are no longer frozen for it
    Thaw(thaw::Args),
    /// Show the password of an account of a database, once
    Password(password::Args),
    /// Make new passwords for a database; open connections go on
    Rotate(rotate::Args),
    /// Further accounts of a database: for who may only read, say
    Account(account::Args),
    /// The authority that servers' certificates are verified with
    Ca(ca::Args),
    /// The keys that passwords are sealed under, and that backups are encrypted to
    Key(key::Args),
    /// Images of this host, as an archive for hosts that reach no registry
    Images(images::Args),
    /// A database's spec as a document that can be applied
    Export(export::Args),
    /// The JSON Schema of specs
    Schema,
    /// Look for what is wrong with this host
    Doctor,
    /// A shell's completions
    Completions(completions::Args),
}
