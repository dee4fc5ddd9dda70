//! `db4sci completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::context::Context;
use super::error::{CliError, Exit};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "db4sci", &mut text);
    context.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::OK)
}
