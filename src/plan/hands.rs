//! What a person asks of backups while hands are off a database.

use crate::engine;
use crate::model::view::WorkAsk;
use crate::model::{BackupKind, Database, WantedState};

/// Why nothing is done that is asked for: hands are off a server that it would stop.
pub fn refused(db: &Database, wanted: WantedState, ask: &WorkAsk) -> Option<String> {
    let rests = || engine::backup::backups(db.engine, BackupKind::Manual).at_rest();
    let stops = match ask {
        WorkAsk::Backup { .. } => rests(),
        WorkAsk::Clone { live, .. } => *live && rests(),
        WorkAsk::Verify { .. }
        | WorkAsk::Restore { .. }
        | WorkAsk::Rename { .. }
        | WorkAsk::Eject { .. } => false,
    };
    let maintained = match wanted {
        WantedState::Maintenance => true,
        WantedState::Running | WantedState::Stopped | WantedState::Retired => false,
    };
    let name = &db.name;
    (stops && maintained).then(|| {
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
        };
        for (engine, stops) in [(EngineKind::Postgres, false), (EngineKind::Neo4j, true)] {
            let mut db = database();
            db.engine = engine;
            let why = refused(&db, WantedState::Maintenance, &backup);
            assert_eq!(why.is_some(), stops, "{engine:?}: {why:?}");
            assert!(why.is_none_or(|why| why.contains("db4sci resume genomics")));
            assert_eq!(refused(&db, WantedState::Running, &backup), None);
            let test = WorkAsk::Verify { id: None };
            assert_eq!(refused(&db, WantedState::Maintenance, &test), None);
        }
    }
}
