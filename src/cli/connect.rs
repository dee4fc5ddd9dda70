//! `db4sci connect`

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use super::error::{CliError, Exit};
use super::host::JobRequest;
use crate::engine::{Client, truststore};
use crate::http::Connection;
use crate::model::DbName;

/// The name that a printed URL has for the authority's certificate.
const PRINTED: &str = "db4sci-ca.crt";

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
    /// Print the URL, without password, and the password file's text
    #[arg(long)]
    pub print: bool,
    /// Run the client in a container of the database's own image
    #[arg(long, conflicts_with = "print")]
    pub as_job: bool,
    /// As an account that was added (`db4sci account add`)
    #[arg(long, value_name = "USER", value_parser = login)]
    pub account: Option<String>,
    /// Arguments for the client: -- -Atc 'select 1'
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// Runs it: the client's exit code is passed on.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let account = args.account.as_deref();
    if !args.as_job {
        let connection = ask(context, &args.name, account, false).await?;
        if args.print {
            let client = connection.client_with("", PRINTED);
            context.line(&client.url)?;
            context.print(connection.passfile_with(PRINTED).expose())?;
            if connection.authority.is_some() {
                context.warn(&format!(
                    "TLS is demanded; first: db4sci ca export > {PRINTED}"
                ));
            }
            return Ok(Exit::OK);
        }
        let client = &connection.client;
        let here_too = !client.in_image;
        if let Some(program) = on_path(&client.program).filter(|_| here_too) {
            return here(program, &connection, &args_of(client, args.args)).await;
        }
    }
    let connection = ask(context, &args.name, account, true).await?;
    let args = args_of(&connection.client, args.args);
    as_job(context, connection, args).await
}

/// The arguments after the client's own: a person's, or those that open a shell.
fn args_of(client: &Client, given: Vec<String>) -> Vec<String> {
    if given.is_empty() {
        client.shell_args.clone()
    } else {
        given
    }
}

/// A login name as it may stand in an address.
fn login(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || !text.chars().all(plain) {
        return Err("no login name that db4sci gives; see: db4sci account list NAME".to_owned());
    }
    Ok(text.to_owned())
}

async fn ask(
    context: &Context,
    name: &DbName,
    account: Option<&str>,
    from_job: bool,
) -> Result<Connection, CliError> {
    let user = account.map_or(String::new(), |user| format!("&user={user}"));
    let path = format!("/databases/{name}/connection?fromJob={from_job}{user}");
    Ok(context.client.get(&path).await?)
}

/// Where this host has a program.
fn on_path(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| {
            std::fs::metadata(path)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// Runs this host's own client.
async fn here(
    program: PathBuf,
    connection: &Connection,
    args: &[String],
) -> Result<Exit, CliError> {
    let fails = |path: &std::path::Path, what: &'static str| {
        let path = path.to_owned();
        move |source| CliError::File { path, what, source }
    };
    let authority = connection.authority.as_deref();
    let authority = authority.map(|text| write(text, "writing the certificate"));
    let authority = authority.transpose()?;
    let path = authority.as_ref().map(|file| file.path().to_string_lossy());
    let path = path.unwrap_or_default();
    let passfile = connection.passfile_with(&path);
    let passfile = write(passfile.expose(), "writing the password file")?;
    let client = connection.client_with(&passfile.path().to_string_lossy(), &path);
    // From here on an interrupt is the client's to handle (it cancels a query), and an end from
    // outside must not leave the password file behind.
    let signals = |kind: SignalKind| signal(kind).map_err(fails(&program, "setting it up"));
    let _interrupts = signals(SignalKind::interrupt())?;
    let mut terminations = signals(SignalKind::terminate())?;
    let mut hangups = signals(SignalKind::hangup())?;
    let mut child = Command::new(&program)
        .args(&client.args)
        .args(args)
        .envs(&client.env)
        .kill_on_drop(true)
        .spawn()
        .map_err(fails(&program, "starting it"))?;
    // `wait` is safe to cancel; a client that is left behind is killed by its drop.
    tokio::select! {
        ended = child.wait() => ended.map(code).map_err(fails(&program, "waiting for it")),
        _ = terminations.recv() => Ok(Exit::of(128 + 15)),
        _ = hangups.recv() => Ok(Exit::of(128 + 1)),
    }
}

/// A file that only this user can read, and that goes when it is dropped.
fn write(text: &str, what: &'static str) -> Result<tempfile::NamedTempFile, CliError> {
    let folder = std::env::temp_dir();
    let fails = |source| CliError::File {
        path: folder.clone(),
        what,
        source,
    };
    // Made with mode 0600.
    let mut file = tempfile::Builder::new()
        .prefix(".db4sci-")
        .tempfile_in(&folder)
        .map_err(fails)?;
    file.write_all(text.as_bytes()).map_err(fails)?;
    file.flush().map_err(fails)?;
    Ok(file)
}

/// A process' exit code, as a shell would pass it on.
fn code(status: ExitStatus) -> Exit {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Exit::of(u8::try_from(code).unwrap_or(1))
}

/// Runs the client in a container of the database's own image.
async fn as_job(
    context: &Context,
    connection: Connection,
    args: Vec<String>,
) -> Result<Exit, CliError> {
    let name = connection.name.clone();
    let authority = JobRequest::AUTHORITY;
    let passfile = connection.passfile_with(authority);
    let mut client: Client = connection.client_with(JobRequest::PASSFILE, authority);
    client.args.extend(args);
    let (Some(image), Some(container)) = (connection.image, connection.container) else {
        return Err(CliError::Said(format!(
            "`{name}` has no container to connect to; nothing was changed; why: db4sci describe \
             {name}"
        )));
    };
    let authority = match (connection.authority, client.truststore) {
        (Some(pem), true) => Some(truststore::of(&pem).ok_or_else(|| {
            CliError::Said("the daemon gave no certificate to verify the server with".to_owned())
        })?),
        (pem, _) => pem.map(String::into_bytes),
    };
    let job = JobRequest {
        name,
        image,
        container,
        client,
        passfile,
        authority,
        terminal: context.terminal(),
    };
    let code = context.host.run_job(&context.globals, job).await;
    let code = code.map_err(CliError::Said)?;
    Ok(Exit::of(u8::try_from(code).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use crate::plan::render::sample;

    #[tokio::test]
    async fn the_hosts_client_finds_a_private_passfile_that_is_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let args = ["-c", "stat -c %a $P >$0; cat $P >>$0; echo $P >>$0; exit 7"];
        let connection = Connection {
            name: sample::name("genomics"),
            client: Client {
                program: "sh".to_owned(),
                args: args.map(str::to_owned).to_vec(),
                env: [("P".to_owned(), Connection::PASSFILE.to_owned())].into(),
                shell_args: Vec::new(),
                in_image: false,
                truststore: false,
                url: String::new(),
            },
            passfile: Secret::new("word\n"),
            authority: None,
            image: None,
            container: None,
        };
        let more = [seen.display().to_string()];
        let exit = here("/bin/sh".into(), &connection, &more).await.unwrap();
        assert_eq!(exit, Exit::of(7));
        let text = std::fs::read_to_string(&seen).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["600", "word"]);
        assert!(!std::path::Path::new(lines[2]).exists(), "{text}");
    }

    #[test]
    fn a_program_is_found_on_the_path_or_not() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("db4sci-test-client"), None);
    }
}
