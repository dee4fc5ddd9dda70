//! The list of all containers, read by hand.
//!
//! bollard reads each state of a container as one of those it knows. A foreign container in a state that
//! is newer than this program would leave no list at all, and without one nothing is known of any
//! database. So only what is needed of a row is read, and its state as the word that it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::error::{chain, classify};
use crate::runtime::RuntimeError;

/// The call's name in messages.
pub(super) const WHAT: &str = "list containers";

/// Bytes that an answer may have: some kilobytes a container, of tens of thousands.
const LIMIT: usize = 64 << 20;

/// What is read of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    pub(super) id: Option<String>,
    pub(super) names: Option<Vec<String>>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) state: Option<String>,
    pub(super) ports: Option<Vec<Port>>,
}

/// A port of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Port {
    pub(super) public_port: Option<u64>,
}

/// The engine's words about a request that it does not fulfil.
#[derive(Deserialize)]
struct Said {
    message: String,
}

/// All rows. The caller sets the deadline.
pub(super) async fn rows(host: &str, version: &str) -> Result<Vec<Row>, RuntimeError> {
    let away =
        |why: &dyn std::error::Error| RuntimeError::Unavailable(format!("{WHAT}: {}", chain(why)));
    let address = host.split_once("://").map_or(host, |(_, rest)| rest);
    let (status, body) = if host.starts_with("tcp://") || host.starts_with("http://") {
        let stream = TcpStream::connect(address.trim_end_matches('/')).await;
        ask(stream.map_err(|e| away(&e))?, version).await?
    } else {
        let stream = UnixStream::connect(address).await;
        ask(stream.map_err(|e| away(&e))?, version).await?
    };
    if status != StatusCode::OK {
        let said = serde_json::from_slice(&body).map(|said: Said| said.message);
        let said = said.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned());
        let said: String = said.chars().take(1000).collect();
        return Err(classify(WHAT, Some(status.as_u16()), &said));
    }
    serde_json::from_slice(&body).map_err(|e| RuntimeError::Engine(format!("{WHAT}: {e}")))
}

async fn ask<S>(stream: S, version: &str) -> Result<(StatusCode, Bytes), RuntimeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |e: hyper::Error| RuntimeError::Unavailable(format!("{WHAT}: {}", chain(&e)));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = Request::get(format!("/v{version}/containers/json?all=true"))
        .header(header::HOST, "docker")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| RuntimeError::Engine(format!("{WHAT}: {e}")))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LIMIT).collect().await;
        let body = body.map_err(|e| match e.downcast::<hyper::Error>() {
            Ok(e) => broken(*e),
            Err(e) => RuntimeError::Engine(format!("{WHAT}: {e}; at most {LIMIT} bytes are read")),
        })?;
        Ok((head.status, body.to_bytes()))
    };
    // The connection carries the answer, and ends with it: that it ended first is told by the answer.
    let mut answer = std::pin::pin!(answer);
    let carried = tokio::select! {
        biased;
        answer = &mut answer => return answer,
        carried = connection => carried,
    };
    match carried {
        Ok(()) => answer.await,
        Err(error) => answer.await.map_err(|_| broken(error)),
    }
}
