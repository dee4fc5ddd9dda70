//! The databases' users.

use crate::model::{Database, Status, Uid};
use crate::runtime::sim::World;
use crate::runtime::sim::container::Work;
use crate::runtime::sim::state::State;

/// Users of the databases.
impl World {
    /// A user commits a row; whether that was accepted. From then on, a server of this database
    /// that runs without the row is a violation.
    pub fn write(&self, uid: Uid) -> bool {
        self.with(|state| {
            let Some(inode) = state.ready_server(uid) else {
                return false;
            };
            let Some(data) = state.disk.data.get_mut(&inode) else {
                return false;
            };
            data.rows += 1;
            *state.accepted.entry(uid).or_default() += 1;
            true
        })
    }

    /// Rows that a user can read now; `None`: no server of this database is ready.
    pub fn rows(&self, uid: Uid) -> Option<u64> {
        self.read(|state| {
            let inode = state.ready_server(uid)?;
            Some(state.disk.data.get(&inode)?.rows)
        })
    }

    /// Rows that lie in a database's place, whether or not a server is on them; `None`: there is no data.
    pub fn rows_at_rest(&self, db: &Database) -> Option<u64> {
        self.read(|state| {
            let inode = state.disk.dirs.get(&db.data_dir())?;
            Some(state.disk.data.get(inode)?.rows)
        })
    }
}

impl State {
    /// The data behind this database's server, if one is ready.
    fn ready_server(&self, uid: Uid) -> Option<u64> {
        self.containers.values().find_map(|c| {
            let process = c.process.as_ref().filter(|p| !p.hung)?;
            match &process.work {
                Work::Server(s)
                    if s.uid == Some(uid)
                        && s.ready_at <= self.now
                        && c.status == Status::Running =>
                {
                    Some(s.data)
                }
                Work::Server(_) | Work::Idle => None,
            }
        })
    }
}
