//! A sign of life for a watcher elsewhere: it stops when the daemon does, and when a database's backups
//! do. Whoever misses it is told by that watcher; nothing on this host has to work for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::model::view::{ConditionStatus, Phase, Snapshot};
use crate::settings::Heartbeat;

/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(20);

type Https = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Sends it for as long as all is well.
pub(super) async fn beat(
    heartbeat: Option<Heartbeat>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
) {
    let Some(Heartbeat { url, every }) = heartbeat else {
        return stop.cancelled().await;
    };
    let client = match client() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "no heartbeat is sent: this host has no root certificates");
            return stop.cancelled().await;
        }
    };
    let mut silent = false;
    loop {
        // Cancel-safe: a beat that is cut off is a missed one.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let snapshot = snapshots.borrow().clone();
        let why = match ill(&snapshot) {
            Some(why) => Some(why),
            None => send(&client, &url).await.err(),
        };
        if let (Some(why), false) = (&why, silent) {
            tracing::warn!(why, "no heartbeat is sent");
        }
        silent = why.is_some();
    }
}

fn client() -> Result<Https, std::io::Error> {
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(https))
}

/// The URL stands in no message: for most watchers it is the whole secret.
async fn send(client: &Https, url: &Uri) -> Result<(), String> {
    let host = url.host().unwrap_or_default();
    let answer = tokio::time::timeout(ANSWER, client.get(url.clone())).await;
    match answer {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("{host} answered {}", answer.status())),
        Ok(Err(error)) => Err(format!("{host}: {error}")),
        Err(_) => Err(format!(
            "{host} did not answer within {} s",
            ANSWER.as_secs()
        )),
    }
}

/// Why a watcher should be worried.
fn ill(snapshot: &Snapshot) -> Option<String> {
    if let Some(trouble) = &snapshot.docker {
        return Some(format!("Docker does not answer: {trouble}"));
    }
    if !snapshot.first_pass_done {
        return Some("not every database was looked at yet".to_owned());
    }
    let admin = snapshot.databases.iter().find(|v| v.name.is_mydb_admin());
    if admin.is_none_or(|view| view.phase != Phase::Ready) {
        return Some("mydb_admin is not ready".to_owned());
    }
    snapshot.databases.iter().find_map(|view| {
        let late = view
            .backup_fresh()
            .filter(|c| c.status == ConditionStatus::False)?;
        Some(format!(
            "the backups of {} are late: {}",
            view.name, late.message
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(admin: &str, fresh: &str) -> Snapshot {
        let view = |name: &str, phase: &str, fresh: &str| {
            serde_json::json!({
                "name": name, "uid": "00000000-0000-0000-0000-000000000001", "engine": "Postgres",
                "image": "PostgreSQL 17", "imageReference": "postgres:17", "port": 32011,
                "host": "h", "memory": "2Gi", "phase": phase, "message": "", "ready": true,
                "owner": "o", "source": "api", "generation": 1, "observedGeneration": 1,
                "dataDir": "/d", "seen": [], "held": [],
                "conditions": [{"type": "BackupFresh", "reason": "x", "message": "local: 9d old",
                    "status": fresh, "lastTransitionTime": "2026-11-22T10:00:00Z"}],
            })
        };
        serde_json::from_value(serde_json::json!({
            "databases": [view("genomics", "Held", fresh), view("mydb_admin", admin, "True")],
            "problems": [], "firstPassDone": true, "tablesBehind": 0, "mode": "test",
            "instance": "abc",
        }))
        .unwrap()
    }

    #[test]
    fn it_stops_when_the_memory_or_a_backup_is_missing() {
        // That a database is down is not its business: alerts of this host say so.
        assert_eq!(ill(&snapshot("Ready", "True")), None);
        assert_eq!(ill(&snapshot("Ready", "Unknown")), None);
        let why = ill(&snapshot("Ready", "False")).unwrap();
        assert!(why.contains("genomics") && why.contains("9d old"), "{why}");
        assert!(ill(&snapshot("Degraded", "True")).is_some());
        let docker = Snapshot {
            docker: Some("no answer".to_owned()),
            ..snapshot("Ready", "True")
        };
        assert!(ill(&docker).is_some());
        let early = Snapshot {
            first_pass_done: false,
            ..snapshot("Ready", "True")
        };
        assert!(ill(&early).is_some());
        assert!(ill(&Snapshot::default()).is_some());
    }
}
