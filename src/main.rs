//! The `db4sci` program.

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    db4sci::cli::main(Arc::new(db4sci::app::Program))
}
