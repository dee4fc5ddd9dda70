//! Between a job container and this process' own stdin, stdout and stderr.

use std::io::Read;
use std::pin::Pin;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::query_parameters::{
    AttachContainerOptions, ResizeContainerTTYOptions, WaitContainerOptions,
};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::client::{CALL, Docker, WORK};
use super::error::failed;
use super::terminal::{RawTerminal, size};
use crate::model::ContainerId;
use crate::runtime::RuntimeError;

/// Exit code of a program whose reader went away: 128 plus SIGPIPE.
const NOBODY_READS: i64 = 141;

/// Docker's own detach keys are Ctrl-P Ctrl-Q, and Ctrl-P is "the line before" in every client.
/// NUL, which nobody types, stands first here: Docker holds back what may be the sequence's start.
const DETACH_KEYS: &str = "ctrl-@,ctrl-@,ctrl-@";

/// Starts a created container, attached to this process, and gives its exit code.
pub(super) async fn attached(
    docker: &Docker,
    id: &ContainerId,
    tty: bool,
) -> Result<i64, RuntimeError> {
    let options = AttachContainerOptions {
        detach_keys: Some(DETACH_KEYS.to_owned()),
        stream: true,
        stdin: true,
        stdout: true,
        stderr: true,
        logs: false,
    };
    // Before the start, so that nothing it says is missed.
    let AttachContainerResults { output, input } = docker
        .call("attach to the job", CALL, |d| async move {
            d.attach_container(id.as_str(), Some(options)).await
        })
        .await?;
    docker
        .call("start the job", WORK, |d| async move {
            d.start_container(id.as_str(), None).await
        })
        .await?;
    // Restored when this function is left, in whatever way.
    let _raw = if tty { RawTerminal::enter() } else { None };
    let read_all = tokio::select! {
        // The output's end is the job's end; the other two never end before it, and what they may
        // lose by being cut off has no reader any more.
        read_all = show(output) => read_all?,
        () = type_in(input) => true,
        () = follow_size(docker, id, tty) => true,
    };
    if read_all {
        exit_code(docker, id).await
    } else {
        Ok(NOBODY_READS)
    }
}

/// Copies the job's output to ours until it ends; false when nobody reads ours any more.
async fn show(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
) -> Result<bool, RuntimeError> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(piece) = output.next().await {
        let piece = piece.map_err(|e| failed("read from the job", e))?;
        let written = match piece {
            LogOutput::StdErr { message } => copy(&mut stderr, &message).await,
            LogOutput::StdOut { message }
            | LogOutput::Console { message }
            | LogOutput::StdIn { message } => copy(&mut stdout, &message).await,
        };
        if written.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn copy(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Copies our stdin to the job; at its end, the job's stdin ends too. Never returns.
async fn type_in(mut input: Pin<Box<dyn AsyncWrite + Send>>) {
    let mut typed = stdin();
    while let Some(bytes) = typed.recv().await {
        // Flushed at once: an unflushed key is no key.
        if copy(&mut input, &bytes).await.is_err() {
            break;
        }
    }
    // A job that is over cannot be told; its output says so.
    let _ = input.shutdown().await;
    std::future::pending::<()>().await;
}

/// Our stdin, read by a thread of its own: tokio's reader would hold up the end of the process
/// until the next key.
fn stdin() -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 16 * 1024];
        while let Ok(read) = stdin.read(&mut buffer) {
            if read == 0 || send.blocking_send(buffer[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
}

/// Gives the job's terminal the size of ours, now and whenever that changes. Never returns.
async fn follow_size(docker: &Docker, id: &ContainerId, tty: bool) {
    if tty && let Ok(mut changes) = signal(SignalKind::window_change()) {
        loop {
            if let Some((rows, columns)) = size() {
                let options = ResizeContainerTTYOptions {
                    h: i32::from(rows),
                    w: i32::from(columns),
                };
                // A wrong size is no reason to end a session.
                let _ = docker
                    .call("resize", CALL, |d| async move {
                        d.resize_container_tty(id.as_str(), options).await
                    })
                    .await;
            }
            if changes.recv().await.is_none() {
                break;
            }
        }
    }
    std::future::pending::<()>().await;
}

/// The exit code; waits as long as the job runs.
async fn exit_code(docker: &Docker, id: &ContainerId) -> Result<i64, RuntimeError> {
    let options = WaitContainerOptions {
        condition: "not-running".to_owned(),
    };
    let client = docker.client().await?;
    let mut ends = std::pin::pin!(client.wait_container(id.as_str(), Some(options)));
    match ends.next().await {
        Some(Ok(end)) => Ok(end.status_code),
        // Every code but 0 is an error to bollard.
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(failed("wait for the job", error)),
        None => Err(RuntimeError::Engine(
            "wait for the job: no answer".to_owned(),
        )),
    }
}
