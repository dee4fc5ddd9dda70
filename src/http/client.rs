//! The API's own client: one request a connection over the unix socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::problem::{PROBLEM_JSON, ProblemDetails};

/// How long the daemon may take to answer a question: it has most answers at hand.
const ANSWERS: Duration = Duration::from_secs(15);

/// Where the daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there: the daemon does not run.
    #[error("the daemon does not answer on {socket}: {source}")]
    Down {
        /// The socket.
        socket: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Somebody listens there and says nothing: the daemon hangs. It was only asked.
    #[error("the daemon hangs: it takes calls on {socket}, and did not answer within {seconds} s")]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The socket is there, and is not for this user.
    #[error("{socket}: not allowed; use sudo, or ask for the group `db4sci`")]
    Denied {
        /// The socket.
        socket: PathBuf,
    },
    /// The connection broke: whether the request was carried out is not known.
    #[error(
        "the daemon broke off while it was asked `{what}`: {why}; look before you repeat it: db4sci events"
    )]
    Broken {
        /// The request.
        what: String,
        /// The library's words.
        why: String,
    },
    /// The daemon said no, and why.
    #[error("{}", .0.detail)]
    Problem(Box<ProblemDetails>),
    /// The answer is not what this program expects.
    #[error(
        "the daemon's answer to `{what}` is not understood: {why}; are the daemon and this program of one version?"
    )]
    Garbled {
        /// The request.
        what: String,
        /// What was wrong.
        why: String,
    },
}

impl ClientError {
    /// Whether the daemon does not run, so that its work may be done without it.
    pub fn is_down(&self) -> bool {
        match self {
            ClientError::Down { .. } => true,
            ClientError::Silent { .. }
            | ClientError::Denied { .. }
            | ClientError::Broken { .. }
            | ClientError::Problem(_)
            | ClientError::Garbled { .. } => false,
        }
    }

    /// Whether the daemon says nothing, dead or alive, so that a look without it makes sense.
    pub fn is_unheard(&self) -> bool {
        self.is_down() || matches!(self, ClientError::Silent { .. })
    }
}

impl Client {
    /// A client of the daemon at a socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Client {
            socket: socket.into(),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks for something; `path` follows `/api/v1`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_later(path, Duration::ZERO).await
    }

    /// Asks for something that the daemon itself may wait so long for: an event, a server, Docker.
    pub async fn get_later<T: DeserializeOwned>(
        &self,
        path: &str,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let limit = ANSWERS + wait;
        let asked = self.send(Method::GET, path, Bytes::new());
        let answer = tokio::time::timeout(limit, asked).await;
        answer.unwrap_or_else(|_| {
            Err(ClientError::Silent {
                socket: self.socket.clone(),
                seconds: limit.as_secs(),
            })
        })
    }

    /// Hands something in.
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Garbled {
            what: format!("POST {path}"),
            why: error.to_string(),
        })?;
        self.send(Method::POST, path, body.into()).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let what = format!("{method} {path}");
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| {
            if source.kind() == io::ErrorKind::PermissionDenied {
                ClientError::Denied {
                    socket: self.socket.clone(),
                }
            } else {
                ClientError::Down {
                    socket: self.socket.clone(),
                    source,
                }
            }
        })?;
        let broken = |why: String| ClientError::Broken {
            what: what.clone(),
            why,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(error.to_string()))?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::HOST, "db4sci")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| broken(error.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(error.to_string()))?;
        let status = response.status();
        let is_problem = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes() == PROBLEM_JSON.as_bytes());
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| broken(error.to_string()))?
            .to_bytes();
        driver.abort();
        read(&what, status, is_problem, &body)
    }
}

fn read<T: DeserializeOwned>(
    what: &str,
    status: StatusCode,
    is_problem: bool,
    body: &[u8],
) -> Result<T, ClientError> {
    let garbled = |why: String| ClientError::Garbled {
        what: what.to_owned(),
        why,
    };
    if is_problem {
        let problem = serde_json::from_slice(body).map_err(|e| garbled(e.to_string()))?;
        return Err(ClientError::Problem(Box::new(problem)));
    }
    if !status.is_success() {
        return Err(garbled(format!("status {status}")));
    }
    serde_json::from_slice(body).map_err(|e| garbled(e.to_string()))
}
