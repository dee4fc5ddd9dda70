//! What comes in at the socket, byte by byte: the real routes and the real server, over a backend that agrees to all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::MockConnectInfo;
use axum::serve::Listener;
use db4sci::http::api;
use db4sci::http::peer::{Admission, Door, Peer};
use db4sci::http::problem::{PROBLEM_JSON, ProblemDetails};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{Check, Fate, Target, must};
use crate::worker;

mod answers;
mod backend;

pub const TARGET: Target = Target {
    name: "http",
    words: &[
        "GET /api/v1/databases HTTP/1.1\r\nhost: x\r\n\r\n",
        "HEAD ",
        "DELETE ",
        "PATCH ",
        "OPTIONS ",
        "/api/v1/databases/genomics",
        "/api/v1/apply?dryRun=true",
        "/api/v1/events?after=0&limit=1&waitSeconds=3600",
        "/api/v1/wait",
        "/rename/gen",
        "/work/1",
        "/work",
        "/logs?lines=5",
        "/export",
        "?",
        "&",
        "=",
        "%00",
        "%2e%2e%2f",
        "%ff",
        "..",
        "//",
        " HTTP/1.0",
        " HTTP/1.1",
        "\r\n",
        "\r\n\r\n",
        "content-type: application/json\r\n",
        "content-type: application/yaml\r\n",
        "content-length: 18446744073709551615\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "expect: 100-continue\r\n",
        "connection: close\r\n",
        "host: a\r\n",
        "{\"documents\":[{\"origin\":\"-\",\"line\":1,\"text\":\"a\"}]}",
        "{\"reason\":\"x\"}",
        "\"until\":\"+262142-12-31T23:59:59Z\"",
        "\"timeoutSeconds\":18446744073709551615",
        "\"what\":\"restore\"",
        "null",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "\"",
        "\n---\n",
        "\0",
        "é",
    ],
    cases: 1200,
    made: super::none,
    repair,
    start,
};

/// The length of the body that is there.
fn repair(bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let Some(end) = end.map(|end| end + 4) else {
        return bytes;
    };
    let name = b"content-length: ";
    let at = bytes[..end]
        .windows(name.len())
        .position(|part| part == name);
    let Some(at) = at.map(|at| at + name.len()) else {
        return bytes;
    };
    let line = bytes[at..]
        .iter()
        .position(|byte| *byte == b'\r')
        .unwrap_or(0);
    let length = (bytes.len() - end).to_string();
    let mut repaired = bytes.clone();
    repaired.splice(at..at + line, length.bytes());
    repaired
}

fn start() -> Check {
    let server = Server::new();
    Box::new(move |bytes| {
        let said = server.runtime.block_on(server.talk(bytes));
        if let Some(panic) = worker::panicked() {
            return Err(panic);
        }
        let mut fate = Fate::Refused;
        for answer in answers::all(&said)? {
            let status = answer.status;
            must(status < 500 || status == 503, || {
                format!("{status}: {answer:?}")
            })?;
            if status < 400 {
                fate = Fate::Taken;
                continue;
            }
            // Whoever asks for readiness reads another document.
            if status == 503 && answer.body.starts_with(b"{\"ready\":false") {
                continue;
            }
            // What is no HTTP never gets as far as to us, and the answer to HEAD has no body.
            let theirs =
                matches!(status, 400 | 414 | 431) || bytes.windows(4).any(|w| w == b"HEAD");
            if answer.body.is_empty() && theirs {
                continue;
            }
            let read: Result<ProblemDetails, _> = serde_json::from_slice(&answer.body);
            let right = read.as_ref().is_ok_and(|problem| {
                problem.status == status
                    && !problem.detail.is_empty()
                    && problem.kind == "about:blank"
            });
            must(right && answer.kind == PROBLEM_JSON, || {
                format!("no problem details: {answer:?}")
            })?;
        }
        Ok(fate)
    })
}

struct Server {
    runtime: Runtime,
    connections: UnboundedSender<DuplexStream>,
}

impl Server {
    fn new() -> Self {
        // Time goes on by itself whenever everybody waits, so that no answer takes long.
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let (connections, incoming) = unbounded_channel();
        let door = Door::new(Admission {
            daemon: 0,
            group: None,
            group_name: "db4sci".to_owned(),
        });
        let peer = Peer {
            uid: Some(0),
            groups: vec![0],
        };
        let backend = Arc::new(backend::Agreeing::new());
        let router =
            api::router(backend, door, CancellationToken::new()).layer(MockConnectInfo(peer));
        runtime.spawn(async move { axum::serve(Lines(incoming), router).await });
        Server {
            runtime,
            connections,
        }
    }

    /// Says all of it on one connection, and gives what comes back until nobody has more to say.
    async fn talk(&self, bytes: &[u8]) -> Vec<u8> {
        let (ours, theirs) = duplex(64 << 10);
        self.connections.send(theirs).unwrap();
        let (mut read, mut write) = split(ours);
        let mut said = Vec::new();
        let listening = async {
            let quiet = Duration::from_secs(3 * 3600);
            while let Ok(Ok(1..)) = tokio::time::timeout(quiet, read.read_buf(&mut said)).await {}
        };
        let saying = async {
            // Whoever refuses a body does not read the rest of it.
            let _ = write.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        // The end of listening is the end.
        tokio::select! {
            () = listening => {}
            () = saying => {}
        }
        said
    }
}

/// Connections as they come.
struct Lines(UnboundedReceiver<DuplexStream>);

impl Listener for Lines {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(line) => (line, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
