//! What a person asks of backups while hands are off a database.

use crate::engine;
use crate::model::view::WorkAsk;
use crate::model::{BackupKind, Database, WantedState};

/// Why nothing is done that is asked for: hands are off a server that it would stop.
pub fn refused(db: &Database, wanted: WantedState, ask: &WorkAsk) -> Option<String> {
    match ask {
        WorkAsk::Backup { .. } | WorkAsk::Clone { live: true, .. } => {
            refused_dump(db, wanted, BackupKind::Manual)
        }
        WorkAsk::Clone { live: false, .. }
        | WorkAsk::Verify { .. }
        | WorkAsk::Restore { .. }
        | WorkAsk::Rename { .. }
        | WorkAsk::Eject { .. } => None,
    }
}

/// Why no dump of this kind is taken: hands are off a server that it would stop.
pub fn refused_dump(db: &Database, wanted: WantedState, kind: BackupKind) -> Option<String> {
    let rests = || engine::backup::backups(db.engine, kind).at_rest();
    let maintained = match wanted {
        WantedState::Maintenance => true,
        WantedState::Running | WantedState::Stopped | WantedState::Retired => false,
    };
    let name = &db.name;
    (maintained && rests()).then(|| {
        format!(
            "hands are off `{name}`, and its server is stopped while it is read; first: db4sci resume {name}, or \
             another `state` in its spec"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EngineKind;
    use crate::plan::tests::database;

    #[test]
    fn a_server_that_hands_are_off_is_not_stopped_for_a_backup() {
        let backup = WorkAsk::Backup {
            note: String::new(),
            reason: String::new(),
        };
        for (engine, stops) in [(EngineKind::Postgres, false), (EngineKind::Neo4j, true)] {
            let mut db = database();
            db.engine = engine;
            let why = refused(&db, WantedState::Maintenance, &backup);
            assert_eq!(why.is_some(), stops, "{engine:?}: {why:?}");
            assert!(why.is_none_or(|why| why.contains("db4sci resume genomics")));
            assert_eq!(refused(&db, WantedState::Running, &backup), None);
            let test = WorkAsk::Verify {
                id: None,
                reason: String::new(),
            };
            assert_eq!(refused(&db, WantedState::Maintenance, &test), None);
        }
    }
}
