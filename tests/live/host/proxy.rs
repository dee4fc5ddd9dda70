//! A unix socket in front of Docker's, which can break its stream of events.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{SOON, eventually};

/// Docker's own socket.
const DOCKER: &str = "/var/run/docker.sock";

/// The proxy; its threads end with the test's process.
pub struct Proxy {
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    swallow: AtomicBool,
    /// Both ends of the streams of events that were opened.
    streams: Mutex<Vec<UnixStream>>,
}

impl Proxy {
    /// Listens at a path.
    #[track_caller]
    pub fn start(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&ours);
                thread::spawn(move || serve(client, &shared));
            }
        });
        Proxy {
            path: path.to_owned(),
            shared,
        }
    }

    /// For `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Breaks off every stream of events.
    #[track_caller]
    pub fn cut_events(&self) {
        // After an earlier cut the daemon comes again within a second.
        let streams = eventually(SOON, "somebody listens to events", || {
            let streams = std::mem::take(&mut *self.shared.streams.lock().unwrap());
            (!streams.is_empty())
                .then_some(streams)
                .ok_or_else(|| "nobody".to_owned())
        });
        for stream in streams {
            // Closed already, perhaps.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Leaves the streams open, and lets no event through.
    pub fn swallow_events(&self, swallow: bool) {
        self.shared.swallow.store(swallow, Ordering::Relaxed);
    }
}

/// One connection; its first request says whether it becomes a stream of events.
fn serve(mut client: UnixStream, shared: &Arc<Shared>) {
    let Ok(mut docker) = UnixStream::connect(DOCKER) else {
        return;
    };
    let mut first = [0; 16 << 10];
    let Ok(n) = client.read(&mut first) else {
        return;
    };
    let head = String::from_utf8_lossy(&first[..n]).into_owned();
    let events = head
        .lines()
        .next()
        .is_some_and(|line| line.contains("/events"));
    if events && let (Ok(a), Ok(b)) = (client.try_clone(), docker.try_clone()) {
        shared.streams.lock().unwrap().extend([a, b]);
    }
    if docker.write_all(&first[..n]).is_err() {
        return;
    }
    let (Ok(mut up_from), Ok(mut up_to)) = (client.try_clone(), docker.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let _ = std::io::copy(&mut up_from, &mut up_to);
        let _ = up_to.shutdown(Shutdown::Write);
    });
    let mut part = [0; 16 << 10];
    let mut answered = false;
    while let Ok(n @ 1..) = docker.read(&mut part) {
        // The answer's head passes: the stream looks well.
        let silent = events && answered && shared.swallow.load(Ordering::Relaxed);
        answered = true;
        if !silent && client.write_all(&part[..n]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}
