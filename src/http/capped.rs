//! A TCP listener that keeps only so many connections open, and none that is not used.
//!
//! Anybody on the host may connect to the health port; without a cap they could use up the
//! daemon's file descriptors, and with them the socket, the journal and every probe. Without an end
//! for those that ask nothing, or never finish asking, a few of them would have all places for ever,
//! and health and metrics would be silent.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// The listener.
#[derive(Debug)]
pub struct Capped {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Capped {
    /// A listener with so many places; who comes when all are taken waits in the kernel's queue. A
    /// connection ends when so much time passed since it was let in, or since it last got something.
    pub fn new(listener: TcpListener, places: usize, patience: Duration) -> Self {
        Capped {
            patience,
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
            patience: self.patience,
            end: Box::pin(tokio::time::sleep(self.patience)),
            _place: place,
        };
        (seated, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that has a place, and gives it back at its end.
///
/// What it sends does not put off its end: a byte now and then would keep a place as well as none.
#[derive(Debug)]
pub struct Seated {
    stream: TcpStream,
    patience: Duration,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Seated {
    /// What the stream gives; where it has nothing to give, its end, once that has come.
    fn or_end<T>(
        &mut self,
        cx: &mut Context<'_>,
        given: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match given {
            Poll::Pending if self.end.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            given => given,
        }
    }
}

impl AsyncRead for Seated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.or_end(cx, read)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(1..)) = written {
            let end = Instant::now() + self.patience;
            self.end.as_mut().reset(end);
        }
        self.or_end(cx, written)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Somebody who came, and their connection as the daemon has it.
    async fn seated() -> (TcpStream, Seated) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let theirs = TcpStream::connect(address).await.unwrap();
        let (ours, _) = Capped::new(listener, 1, PATIENCE).accept().await;
        (theirs, ours)
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_is_let_go_and_so_is_who_never_finishes_asking() {
        for bytes in [0, 1] {
            let (mut theirs, mut ours) = seated().await;
            let came = Instant::now();
            tokio::time::advance(PATIENCE / 2).await;
            theirs.write_all(&vec![b'G'; bytes]).await.unwrap();
            let mut got = Vec::new();
            let error = ours.read_to_end(&mut got).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(got.len(), bytes);
            assert!(came.elapsed() < PATIENCE + PATIENCE / 4, "{bytes} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_answers_stays() {
        let (_theirs, mut ours) = seated().await;
        let came = Instant::now();
        for _ in 0..3 {
            tokio::time::advance(PATIENCE * 3 / 4).await;
            ours.write_all(b"200").await.unwrap();
        }
        let error = ours.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(came.elapsed() >= PATIENCE * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_no_answer_is_let_go() {
        let (_theirs, mut ours) = seated().await;
        let all = vec![b'x'; 64 << 20];
        let error = ours.write_all(&all).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_next_one_is_let_in_when_somebody_leaves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut capped = Capped::new(listener, 1, PATIENCE);
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
