//! A unix listener at which each user has only so many connections open.
//!
//! A member of the group whose program opens connections and forgets them would use up the daemon's
//! file descriptors for everybody: the other members, the journal, every probe.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

/// Connections that one user but root may have open at once.
const PLACES: usize = 64;

/// The listener.
#[derive(Debug)]
pub struct Portioned {
    listener: UnixListener,
    taken: Arc<Taken>,
}

impl Portioned {
    /// A listener that ends a connection at once whose user has all their places. Root always has one more.
    pub fn new(listener: UnixListener) -> Self {
        Portioned {
            listener,
            taken: Arc::default(),
        }
    }
}

impl Listener for Portioned {
    type Io = Placed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let uid = stream.peer_cred().ok().map(|peer| peer.uid());
            match self.taken.place(uid) {
                Some(place) => {
                    let placed = Placed {
                        stream,
                        _place: place,
                    };
                    return (placed, address);
                }
                None => tracing::warn!(
                    ?uid,
                    places = PLACES,
                    "a user has all their connections at the socket open; one more was ended"
                ),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// How many places each user has taken. Whom the kernel does not name share theirs.
#[derive(Debug, Default)]
struct Taken(Mutex<HashMap<Option<u32>, usize>>);

impl Taken {
    fn place(self: &Arc<Self>, uid: Option<u32>) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = taken.entry(uid).or_default();
        if *theirs >= PLACES && uid != Some(0) {
            return None;
        }
        *theirs += 1;
        Some(Place {
            uid,
            taken: Arc::clone(self),
        })
    }
}

/// A user's place, given back at its end.
#[derive(Debug)]
struct Place {
    uid: Option<u32>,
    taken: Arc<Taken>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(theirs) = taken.get_mut(&self.uid) {
            *theirs -= 1;
            if *theirs == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub struct Placed {
    stream: UnixStream,
    _place: Place,
}

impl Placed {
    /// The connection, to ask who is at its other end.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_has_all_places_takes_none_from_others_and_gets_one_back_at_its_end() {
        let taken = Arc::new(Taken::default());
        for uid in [Some(1000), None] {
            let mut all: Vec<Place> = (0..PLACES).map(|_| taken.place(uid).unwrap()).collect();
            assert!(taken.place(uid).is_none());
            assert!(taken.place(Some(1001)).is_some());
            all.pop();
            assert!(taken.place(uid).is_some());
        }
        let roots: Vec<Option<Place>> = (0..=PLACES).map(|_| taken.place(Some(0))).collect();
        assert!(roots.iter().all(Option::is_some));
        drop(roots);
        assert!(taken.0.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
