//! Programs that a bench runs, the command line among them.

use std::process::Command;

use crate::figures::Error;
use crate::host::{Host, without_our_own};

/// Runs a program; what it said, without the blanks at its ends.
pub fn run(command: &mut Command) -> Result<String, Error> {
    let done = command.output()?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(format!("{:?}: {said}", command.get_program()).into());
    }
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

/// A verb of the command line against the daemon.
pub fn verb(host: &Host, args: &[&str]) -> Result<String, Error> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_db4sci"));
    without_our_own(&mut command);
    command
        .args(args)
        .env("DB4SCI_MODE", "test")
        .env("DB4SCI_HOME", host.home.path())
        .env("DB4SCI_SOCKET", host.home.path().join("db4sci.sock"));
    run(&mut command)
}
