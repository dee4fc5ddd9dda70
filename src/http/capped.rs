//! A TCP listener that keeps only so many connections open.
//!
//! Anybody on the host may connect to the health port; without a cap they could use up the
//! daemon's file descriptors, and with them the socket, the journal and every probe.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The listener.
#[derive(Debug)]
pub struct Capped {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Capped {
    /// A listener with so many places; who comes when all are taken waits in the kernel's queue.
    pub fn new(listener: TcpListener, places: usize) -> Self {
        Capped {
            listener,
            places: Arc::new(Semaphore::new(places)),
        }
    }
}

impl Listener for Capped {
    type Io = Seated;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // It is never closed; if it were, a connection without a place would be served all the same.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let seated = Seated {
            stream,
            _place: place,
        };
        (seated, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that has a place, and gives it back at its end.
#[derive(Debug)]
pub struct Seated {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Seated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Seated {
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

    #[tokio::test]
    async fn the_next_one_is_let_in_when_somebody_leaves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut capped = Capped::new(listener, 1);
        let _first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let (served, _) = capped.accept().await;
        {
            let mut next = std::pin::pin!(capped.accept());
            assert!(futures_util::poll!(next.as_mut()).is_pending());
            drop(served);
            next.await;
        }
    }
}
