//! The way to a server, with what can happen on it. The server closes each connection after one
//! answer, so that a connection is a request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a busy server says.
pub const SLOW_DOWN: &str = "503 Slow Down";

/// What happens to a request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It is answered with this status (503, 429): slow down.
    Busy(&'static str),
    /// The connection breaks after so many bytes of the request.
    CutUp(u64),
    /// The connection breaks after so many bytes of the answer.
    CutDown(u64),
    /// The answer waits until the gate is opened.
    Held,
}

#[derive(Default)]
struct Plan {
    /// The fault, and how many more requests it happens to.
    fault: Option<(Fault, u32)>,
    requests: u32,
}

/// The way. It ends with this.
pub struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    gate: watch::Sender<bool>,
    listens: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A way to a server.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (gate, opened) = watch::channel(false);
        let shared = plan.clone();
        let listens = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = next(&shared);
                tokio::spawn(carry(client, server, fault, opened.clone()));
            }
        });
        Proxy {
            address,
            plan,
            gate,
            listens,
        }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on a fault happens to so many requests.
    pub fn set(&self, fault: Fault, times: u32) {
        *self.plan.lock().unwrap() = Plan {
            fault: Some((fault, times)),
            requests: 0,
        };
    }

    /// Requests since the last `set`.
    pub fn requests(&self) -> u32 {
        self.plan.lock().unwrap().requests
    }

    /// Lets held answers pass.
    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

fn next(plan: &Mutex<Plan>) -> Option<Fault> {
    let mut plan = plan.lock().unwrap();
    plan.requests += 1;
    let (fault, times) = plan.fault.as_mut()?;
    let fault = *fault;
    *times = times.checked_sub(1)?;
    Some(fault)
}

/// One request. Errors are connections that ended, which is what it is about.
async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    fault: Option<Fault>,
    mut gate: watch::Receiver<bool>,
) {
    if let Some(Fault::Busy(status)) = fault {
        let text = "<Error><Code>SlowDown</Code><Message>Later, please.</Message></Error>";
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        );
        // Before it has asked, a client takes no answer.
        let mut head = [0; 16];
        let _ = client.read_exact(&mut head).await;
        let _ = client.write_all(answer.as_bytes()).await;
        // A close with unread bytes would be a reset, and take the answer along.
        let _ = copy(&mut client, &mut tokio::io::sink()).await;
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    match fault {
        None => {
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
        Some(fault) => {
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            let up = async {
                if let Fault::CutUp(bytes) = fault {
                    let mut some = (&mut from_client).take(bytes);
                    if copy(&mut some, &mut to_server).await.is_ok() && some.limit() == 0 {
                        return;
                    }
                } else {
                    let _ = copy(&mut from_client, &mut to_server).await;
                }
                std::future::pending::<()>().await;
            };
            let down = async {
                if let Fault::Held = fault {
                    let _ = gate.wait_for(|open| *open).await;
                }
                let most = match fault {
                    Fault::CutDown(bytes) => bytes,
                    Fault::Busy(_) | Fault::CutUp(_) | Fault::Held => u64::MAX,
                };
                let _ = copy(&mut (&mut from_server).take(most), &mut to_client).await;
            };
            tokio::select! {
                () = up => {}
                () = down => {}
            }
        }
    }
}
