//! Clients that write all the time, and remember what was acknowledged to them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::host::{MariaDB, Server};

/// Between two writes, and between two tries to reach a server that is down.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// One client in its database's own container. It writes the numbers from 1 on, each once the one before
/// it was acknowledged.
pub struct Writer {
    pub name: &'static str,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(
        name: &'static str,
        server: Server,
        container: &str,
        engine: Option<String>,
    ) -> Self {
        let (acknowledged, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, asked) = (acknowledged.clone(), stop.clone());
        let at = At {
            name,
            server,
            container: container.to_owned(),
            engine,
        };
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                write_on(&at, &count, &asked);
                std::thread::sleep(BETWEEN.1);
            }
        });
        Writer {
            name,
            acknowledged,
            stop,
            thread: Some(thread),
        }
    }

    /// How many rows were acknowledged; they are the first ones.
    pub fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where a writer writes to.
struct At {
    name: &'static str,
    server: Server,
    container: String,
    /// The address of its engine, if that is not the machine's.
    engine: Option<String>,
}

/// Writes until the connection breaks.
fn write_on(at: &At, count: &AtomicU64, stop: &AtomicBool) {
    let Ok(mut client) = client(at) else {
        return;
    };
    let (Some(mut to), Some(from)) = (client.stdin.take(), client.stdout.take()) else {
        return;
    };
    let mut answers = BufReader::new(from).lines();
    while !stop.load(Ordering::Relaxed) {
        let n = count.load(Ordering::Relaxed) + 1;
        // One whose answer was lost may be there: that is no second row.
        let insert = if at.server == MariaDB {
            format!("insert ignore into acknowledged values ({n}); select {n};\n")
        } else {
            format!("insert into acknowledged values ({n}) on conflict do nothing; select {n};\n")
        };
        let sent = to.write_all(insert.as_bytes()).and_then(|()| to.flush());
        match (sent, answers.next()) {
            (Ok(()), Some(Ok(answer))) if answer == n.to_string() => {
                count.store(n, Ordering::Release);
            }
            _ => break,
        }
        std::thread::sleep(BETWEEN.0);
    }
    let _ = client.kill();
    let _ = client.wait();
}

/// The engine's own client, one statement after the other, ending at the first error.
fn client(at: &At) -> std::io::Result<Child> {
    let name = at.name;
    let script = if at.server == MariaDB {
        format!(
            "MYSQL_PWD=$(cat /db4sci/secrets/admin) exec mariadb --host=127.0.0.1 --skip-ssl \
             --user=root --batch --skip-column-names --unbuffered {name}"
        )
    } else {
        format!("exec psql -XqAt -v ON_ERROR_STOP=1 -U postgres -d {name}")
    };
    let mut docker = Command::new("docker");
    if let Some(engine) = &at.engine {
        docker.args(["-H", engine]);
    }
    docker
        .args(["exec", "-i", &at.container, "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}
