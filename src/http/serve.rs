//! The two listeners, from their start to their end.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::capped::Capped;
use super::peer::{Admission, Door, Peer};
use super::portioned::Portioned;
use super::socket::{self, SocketError};
use super::{accounts, api, public};

/// How long requests under way may take after the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Connections that TCP keeps open at once: Prometheus, nginx and a few people.
pub(super) const TCP_PLACES: usize = 64;

/// How long one of them may ask nothing, or go on asking, until its place is another's. No usual
/// interval of Prometheus: a connection would end just when it is asked again.
const TCP_PATIENCE: Duration = Duration::from_secs(20);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The unix socket.
    pub socket: PathBuf,
    /// The group whose members may use it: `db4sci`.
    pub group: String,
    /// The TCP address of health and metrics; `None`: no TCP at all.
    pub http: Option<SocketAddr>,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The unix socket.
    #[error("the socket cannot be made")]
    Socket(#[from] SocketError),
    /// The TCP address.
    #[error(
        "cannot listen on {address}; set another one as `http` in config.yaml, or stop who has it: ss -ltnp"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Listeners that are open, and answer once they are served.
#[derive(Debug)]
pub struct Bound {
    unix: UnixListener,
    tcp: Option<TcpListener>,
    socket: PathBuf,
    door: Door,
}

/// Opens the listeners.
pub async fn bind(options: &Options) -> Result<Bound, HttpError> {
    let tcp = match options.http {
        None => None,
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .map_err(|source| HttpError::Address { address, source })?,
        ),
    };
    let unix = socket::listen(&options.socket, &options.group).await?;
    Ok(Bound {
        unix,
        tcp,
        socket: options.socket.clone(),
        door: Door::new(Admission {
            daemon: rustix::process::geteuid().as_raw(),
            group: accounts::group_id(&options.group).await,
            group_name: options.group.clone(),
        }),
    })
}

impl Bound {
    /// The TCP address, with the port that the system chose for 0.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok())
    }

    /// The unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Serves until told to stop; then requests under way get a short while, and the socket's file
    /// goes.
    pub async fn serve(self, backend: Arc<dyn Backend>, stop: CancellationToken) {
        let Bound {
            unix,
            tcp,
            socket,
            door,
        } = self;
        let api = api::router(Arc::clone(&backend), door, stop.clone());
        let unix = Portioned::new(unix);
        let unix = axum::serve(unix, api.into_make_service_with_connect_info::<Peer>())
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        let public = public::router(backend);
        let tcp_stop = stop.clone();
        let tcp = async move {
            if let Some(tcp) = tcp {
                axum::serve(Capped::new(tcp, TCP_PLACES, TCP_PATIENCE), public)
                    .with_graceful_shutdown(tcp_stop.cancelled_owned())
                    .await
            } else {
                Ok(())
            }
        };
        let given_up = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        // The second arm gives up what the first still does: that is its purpose.
        tokio::select! {
            ended = async { tokio::join!(unix, tcp) } => {
                for error in [ended.0, ended.1].into_iter().filter_map(Result::err) {
                    tracing::error!(%error, "a listener ended");
                }
            }
            () = given_up => tracing::warn!("requests still under way were cut off"),
        }
        if let Err(error) = std::fs::remove_file(&socket) {
            tracing::debug!(%error, path = %socket.display(), "the socket's file was gone");
        }
    }
}
