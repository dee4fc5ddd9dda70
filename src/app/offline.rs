//! What can be said without the daemon: Docker and the journal, read-only.

use std::sync::Arc;

use crate::admin::{Authority, Row, Vault, read_offline};
use crate::control;
use crate::model::view::Snapshot;
use crate::model::{Attempts, Clock, DbName};
use crate::observe::ports::ThisHost;
use crate::observe::{Observer, Probes};
use crate::runtime::docker::Docker;
use crate::runtime::host::HostDirs;
use crate::runtime::servers::WireServers;
use crate::runtime::{DataDirs, Runtime};
use crate::settings::Settings;

use super::{authority, daemon, home};

/// Looks once at every database that the journal knows.
pub(super) async fn snapshot(settings: &Settings, clock: &dyn Clock) -> Result<Snapshot, String> {
    let folder = settings.state_dir.join("journal");
    let read = tokio::task::spawn_blocking(move || read_offline(&folder, 0)).await;
    let (book, _) = read
        .map_err(|e| e.to_string())?
        .map_err(|e| daemon::chain(&e))?;
    let site = settings.site(home::instance_of(&settings.state_dir)?);
    let runtime: Arc<dyn Runtime> = Arc::new(Docker::connect(None));
    let dirs: Arc<dyn DataDirs> = Arc::new(HostDirs::new(&settings.state_dir));
    let book = Arc::new(book);
    let known = book.clone();
    let keys = home::keys(&settings.state_dir);
    let vault = Vault::read_only(&keys, move || known.clone()).map_err(|e| e.to_string())?;
    let vault = Arc::new(vault);
    let probes = Probes::asking(
        Arc::new(WireServers::trusting(authority::trust(settings))),
        vault.clone(),
        Arc::new(crate::model::SystemClock),
        site.clone(),
    );
    let observer = Observer::new(
        runtime,
        dirs,
        Arc::new(ThisHost),
        probes,
        vault,
        // Nothing is issued, so nothing is found to be too old.
        Arc::new(Authority::unread()),
        site.clone(),
    );
    let docker = observer.relist().await.err().map(|e| e.to_string());
    let mut rows: Vec<(&DbName, &Row)> = book.rows().collect();
    rows.sort_by_key(|(name, _)| name.is_mydb_admin());
    let mut databases = Vec::with_capacity(rows.len());
    for (_, row) in rows {
        let seen = observer
            .look(&row.database, Attempts::default(), true)
            .await;
        let mut view = control::view_of(row, &seen, &site, clock.now());
        // Nobody is there to do it.
        view.lane = None;
        databases.push(view);
    }
    Ok(Snapshot {
        at: Some(clock.now()),
        databases,
        docker,
        mode: settings.mode.as_str().to_owned(),
        instance: site.instance,
        ..Snapshot::default()
    })
}
