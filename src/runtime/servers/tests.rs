//! Against sockets that behave badly. What real servers answer is tested live.

use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpListener;

use super::*;
use crate::model::Secret;
use crate::model::server::Protocol;

fn target(protocol: Protocol, port: u16) -> Target {
    Target {
        uid: Uid(uuid::Uuid::nil()),
        protocol,
        host: IpAddr::V4(Ipv4Addr::LOCALHOST).to_string(),
        port,
        user: "db4sci".to_owned(),
        password: Secret::new("secret"),
        database: "postgres".to_owned(),
        tls: false,
    }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for protocol in [Protocol::Postgres, Protocol::MySql] {
        let error = WireServers::new()
            .ask(&target(protocol, port), "select 1")
            .await
            .unwrap_err();
        assert!(matches!(error, ServerError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
}

#[tokio::test]
async fn a_listener_that_hangs_up_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hang_up = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            drop(socket);
        }
    });
    for protocol in [Protocol::Postgres, Protocol::MySql] {
        let error = WireServers::new()
            .login(&target(protocol, port))
            .await
            .unwrap_err();
        assert!(matches!(error, ServerError::Unreachable(_)), "{error:?}");
    }
    hang_up.abort();
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_says_nothing_is_given_up_at_the_deadline() {
    // The backlog accepts; nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let servers = WireServers::new();
    let begun = tokio::time::Instant::now();
    let error = servers
        .ask(&target(Protocol::Postgres, port), "select 1")
        .await
        .unwrap_err();
    assert!(matches!(error, ServerError::Unreachable(_)), "{error:?}");
    assert!(begun.elapsed() <= OPEN + ASK);
    servers.forget(Uid(uuid::Uuid::nil())).await;
}
