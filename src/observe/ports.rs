//! Who holds a port of this host.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use async_trait::async_trait;

/// Answers for the host's ports.
#[async_trait]
pub trait HostPorts: Send + Sync + 'static {
    /// Who holds a TCP port, in words for a person; `None` when it is free.
    async fn owner(&self, ip: IpAddr, port: u16) -> Option<String>;
}

/// The ports of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisHost;

#[async_trait]
impl HostPorts for ThisHost {
    async fn owner(&self, ip: IpAddr, port: u16) -> Option<String> {
        // Binding is the question that the engine will ask, too.
        let error = tokio::net::TcpListener::bind(SocketAddr::new(ip, port))
            .await
            .err()?;
        if error.kind() != std::io::ErrorKind::AddrInUse {
            return None;
        }
        let process = tokio::task::spawn_blocking(move || listener(port))
            .await
            .ok()
            .flatten();
        Some(process.unwrap_or_else(|| "another process".to_owned()))
    }
}

/// The process that listens on a port: `/proc/net/tcp{,6}` (proc(5)) gives the socket's inode, the
/// links in `/proc/PID/fd` the process.
fn listener(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let text = std::fs::read_to_string(table).ok()?;
            text.lines()
                .skip(1)
                .find_map(|line| listening_inode(line, port))
        })?;
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let holds = std::fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link == Path::new(&wanted)));
        let name = || std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("{} (process {pid})", name().trim()))
    })
}

/// The inode of a line of `/proc/net/tcp`, if that socket listens on the port. Addresses are
/// hexadecimal; state 0A is LISTEN.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local_port, 16).ok()? == port;
    if listens {
        fields.get(9)?.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_names_its_process_and_a_free_one_nobody() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let held = std::net::TcpListener::bind((ip, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let owner = ThisHost.owner(ip, port).await.unwrap();
        assert!(
            owner.contains(&format!("process {}", std::process::id())),
            "{owner}"
        );
        drop(held);
        assert_eq!(ThisHost.owner(ip, port).await, None);
    }
}
