//! A real S3 server in a process of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use db4sci::model::Secret;
use db4sci::store::s3::{S3Settings, S3Store};

/// Where `dev/setup` puts what Debian does not have.
const LAB: &str = "/var/cache/db4sci-lab/bin";
/// Until it listens.
const START: Duration = Duration::from_secs(30);
/// The access key of the tests.
pub const ACCESS: &str = "backup-writer";
/// Its secret.
pub const SECRET: &str = "a-secret-that-shows-nowhere";
/// The one bucket.
pub const BUCKET: &str = "db4sci-test";

/// The server; it ends with this, and its folder goes.
pub struct Gateway {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts one with an empty bucket.
    #[track_caller]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (buckets, beside) = (folder.path().join("buckets"), folder.path().join("beside"));
        std::fs::create_dir_all(buckets.join(BUCKET)).unwrap();
        std::fs::create_dir(&beside).unwrap();
        let port = free_port();
        let process = Command::new(program())
            .args(["--quiet", "--port", &format!("127.0.0.1:{port}"), "posix"])
            // File systems without extended attributes will do.
            .arg("--sidecar")
            .args([&beside, &buckets])
            .env("ROOT_ACCESS_KEY", ACCESS)
            .env("ROOT_SECRET_KEY", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Gateway {
            process,
            port,
            folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(gateway.address()).is_err() {
            assert!(begun.elapsed() < START, "it does not listen on {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where the bucket's objects lie as files.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join("buckets").join(BUCKET)
    }

    /// The bucket, reached directly.
    pub fn store(&self) -> S3Store {
        S3Store::new(&self.settings(self.address()))
    }

    /// Settings for the bucket, reached at an address.
    pub fn settings(&self, address: SocketAddr) -> S3Settings {
        S3Settings {
            bucket: BUCKET.to_owned(),
            prefix: "institute/".to_owned(),
            endpoint: Some(format!("http://{address}")),
            region: "us-east-1".to_owned(),
            access_key: ACCESS.to_owned(),
            secret_key: Secret::new(SECRET),
            server_side_encryption: false,
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn program() -> PathBuf {
    let lab = std::env::var_os("DB4SCI_LAB").map(|lab| PathBuf::from(lab).join("bin"));
    let program = lab.unwrap_or_else(|| LAB.into()).join("versitygw");
    let shown = program.display();
    assert!(program.is_file(), "{shown} is not there; run dev/setup");
    program
}

/// A port that nobody listens on now, below those of outgoing connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 14_000 + u16::try_from(std::process::id() % 400).unwrap() * 10;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
