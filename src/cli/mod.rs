//! The command line: one verb a file.
//!
//! A verb asks the daemon over its socket and says the answer in words. It decides nothing about
//! databases. What only the whole program can do (run the daemon, look at Docker without one) comes
//! from a [`Host`].

pub mod args;
pub mod context;
pub mod eject;
mod error;
pub mod host;
pub mod ui;

mod acting;
mod daemon;

mod account;
mod apply;
mod approve;
mod audit;
mod backup;
mod ca;
mod check;
mod clone;
mod completions;
mod connect;
mod delete;
mod describe;
mod disk;
mod doctor;
mod events;
mod export;
mod get;
mod images;
mod init;
mod key;
mod logs;
mod maintenance;
mod password;
mod plan;
mod recover;
mod release;
mod rename;
mod restart;
mod restore;
mod resume;
mod retry;
mod rotate;
mod run;
mod schema;
mod sessions;
mod start;
mod status;
mod stop;
mod thaw;
mod wait;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use self::args::{Cli, Verb};
use self::context::{Context, Io};
use self::error::CliError;
pub use self::error::Exit;
pub use self::host::{
    Checked, Finding, Globals, Health, Host, ImageInfo, JobRequest, KeyInfo, KeyKind,
};
pub use self::recover::{Args as RecoverArgs, Found, Recovered};
use crate::model::SystemClock;

/// Runs this process' command line.
pub fn main(host: Arc<dyn Host>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("db4sci: no threads to work with: {error}; nothing was changed");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(run(std::env::args_os(), host, Io::of_process()));
    // A thread may still sit in a read of standard input; it must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}

/// Runs a command line; what it says goes to `io`.
pub async fn run(args: impl IntoIterator<Item = OsString>, host: Arc<dyn Host>, io: Io) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let text = if io.colours {
                error.render().ansi().to_string()
            } else {
                error.render().to_string()
            };
            let to_out = !error.use_stderr();
            io.say(to_out, &text);
            return if to_out { Exit::OK } else { Exit::USAGE };
        }
    };
    let context = Context::new(cli.globals, cli.output, host, io, Arc::new(SystemClock));
    dispatch(cli.verb, &context).await
}

/// Runs one verb, and says what went wrong.
async fn dispatch(verb: Option<Verb>, context: &Context) -> Exit {
    let done = match verb {
        None | Some(Verb::Status) => status::run(context).await,
        Some(Verb::Init(args)) => init::run(args, context).await,
        Some(Verb::Run) => run::run(context).await,
        Some(Verb::Check(args)) => check::run(args, context).await,
        Some(Verb::Plan(args)) => plan::run(args, context).await,
        Some(Verb::Approve(args)) => approve::run(args, context).await,
        Some(Verb::Apply(args)) => apply::run(args, context).await,
        Some(Verb::Get(args)) => get::run(args, context).await,
        Some(Verb::Describe(args)) => describe::run(args, context).await,
        Some(Verb::Events(args)) => events::run(args, context).await,
        Some(Verb::Logs(args)) => logs::run(args, context).await,
        Some(Verb::Wait(args)) => wait::run(args, context).await,
        Some(Verb::Connect(args)) => connect::run(args, context).await,
        Some(Verb::Start(args)) => start::run(args, context).await,
        Some(Verb::Stop(args)) => stop::run(args, context).await,
        Some(Verb::Restart(args)) => restart::run(args, context).await,
        Some(Verb::Maintenance(args)) => maintenance::run(args, context).await,
        Some(Verb::Resume(args)) => resume::run(args, context).await,
        Some(Verb::Delete(args)) => delete::delete(args, context).await,
        Some(Verb::Undelete(args)) => delete::undelete(args, context).await,
        Some(Verb::Release(args)) => release::run(args, context).await,
        Some(Verb::Retry(args)) => retry::run(args, context).await,
        Some(Verb::Backup(args)) => backup::run(args, context).await,
        Some(Verb::Restore(args)) => restore::run(args, context).await,
        Some(Verb::Clone(args)) => clone::run(args, context).await,
        Some(Verb::Eject(args)) => eject::run(args, context).await,
        Some(Verb::Rename(args)) => rename::run(args, context).await,
        Some(Verb::Recover(args)) => recover::run(args, context).await,
        Some(Verb::Thaw(args)) => thaw::run(args, context).await,
        Some(Verb::Password(args)) => password::run(args, context).await,
        Some(Verb::Rotate(args)) => rotate::run(args, context).await,
        Some(Verb::Account(args)) => account::run(args, context).await,
        Some(Verb::Sessions(args)) => sessions::run(args, context).await,
        Some(Verb::Ca(args)) => ca::run(args, context).await,
        Some(Verb::Disk) => disk::run(context).await,
        Some(Verb::Audit(args)) => audit::run(args, context).await,
        Some(Verb::Key(args)) => key::run(args, context).await,
        Some(Verb::Images(args)) => images::run(args, context).await,
        Some(Verb::Export(args)) => export::run(args, context).await,
        Some(Verb::Schema) => schema::run(context).await,
        Some(Verb::Doctor) => doctor::run(context).await,
        Some(Verb::Completions(args)) => completions::run(args, context).await,
    };
    match done {
        Ok(exit) => exit,
        // Whoever read it has enough: `db4sci get | head -1`.
        Err(CliError::NobodyReads) => Exit::OK,
        Err(error) => {
            context.warn(&error.text());
            error.exit()
        }
    }
}
