//! One kept connection a server, asked one query now and then.
//!
//! A task a server asks it every ten seconds while it answers, and quickly while it does not; when
//! the answer changes it says so, and the database is looked at. In simulations there are no tasks:
//! each look asks once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::admin::Vault;
use crate::engine::{self, ADMIN_SECRET};
use crate::model::server::Target;
use crate::model::{Clock, ContainerSeen, Database, DbName, Probe, Silence, Site, Timestamp, Uid};
use crate::runtime::{ServerError, Servers};

/// Between two questions to a server that answers.
const BEAT: Duration = Duration::from_secs(10);
/// The same of `mydb_admin`, whose harm is to be noticed within ten seconds.
const OWN_BEAT: Duration = Duration::from_secs(4);
/// Between two questions to one that does not, at first and at last.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// What is known about the servers that run.
pub struct Probes {
    asker: Arc<Asker>,
    /// `None`: ask once a look.
    changed: Option<mpsc::UnboundedSender<DbName>>,
    followed: Mutex<HashMap<Uid, Followed>>,
}

/// A server being followed.
struct Followed {
    /// The database, as its container is reached.
    db: Arc<Database>,
    /// Start of the run of its container that is followed.
    run: Option<Timestamp>,
    query: String,
    probe: Arc<Mutex<Probe>>,
    kick: Arc<Notify>,
    task: Option<AbortHandle>,
}

struct Asker {
    servers: Arc<dyn Servers>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    site: Site,
}

impl Probes {
    /// Follows servers by tasks, and sends the names of those whose answer changed.
    pub fn following(
        servers: Arc<dyn Servers>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        site: Site,
        changed: mpsc::UnboundedSender<DbName>,
    ) -> Self {
        let asker = Arc::new(Asker {
            servers,
            vault,
            clock,
            site,
        });
        Probes {
            asker,
            changed: Some(changed),
            followed: Mutex::default(),
        }
    }

    /// Asks once a look.
    pub fn asking(
        servers: Arc<dyn Servers>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        site: Site,
    ) -> Self {
        let asker = Arc::new(Asker {
            servers,
            vault,
            clock,
            site,
        });
        Probes {
            asker,
            changed: None,
            followed: Mutex::default(),
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<Uid, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server of a running container last said in this run. `db` is the database as its
    /// server is reached now.
    pub async fn of(&self, db: &Database, container: &ContainerSeen) -> Probe {
        let further = self.asker.further(db);
        let further: Vec<&str> = further.iter().map(String::as_str).collect();
        let query = engine::recipe(db.engine).probe_query(db, &further);
        let state = {
            let mut followed = self.followed();
            let known = followed.get(&db.uid).map(|f| {
                let same = f.query == query && f.db.tls == db.tls;
                (f.run == container.started_at, same)
            });
            if known != Some((true, true)) {
                let old = followed.remove(&db.uid);
                // Reached in another way, or asked about others, it is the same run with the same history.
                let same_run = matches!(known, Some((true, _)));
                let kept = old
                    .as_ref()
                    .filter(|_| same_run)
                    .map(|old| old.probe.clone());
                if let Some(old) = old {
                    old.end();
                }
                let db = Arc::new(db.clone());
                let probe = kept.unwrap_or_else(|| Arc::new(Mutex::new(Probe::NotAsked)));
                let kick = Arc::new(Notify::new());
                let task = self.changed.clone().map(|changed| {
                    let asker = self.asker.clone();
                    let follow = follow(
                        asker,
                        db.clone(),
                        query.clone(),
                        probe.clone(),
                        kick.clone(),
                        changed,
                    );
                    tokio::spawn(follow).abort_handle()
                });
                let run = container.started_at;
                followed.insert(
                    db.uid,
                    Followed {
                        db,
                        run,
                        query: query.clone(),
                        probe,
                        kick,
                        task,
                    },
                );
            }
            followed
                .get(&db.uid)
                .map(|f| (f.probe.clone(), f.db.clone()))
        };
        let Some((state, db)) = state else {
            return Probe::NotAsked;
        };
        if self.changed.is_none() {
            let before = read(&state);
            let after = self.asker.ask(&db, &query, &before).await;
            *state.lock().unwrap_or_else(PoisonError::into_inner) = after;
        }
        read(&state)
    }

    /// Asks a server again now: something happened to it.
    pub fn kick(&self, uid: Uid) {
        if let Some(followed) = self.followed().get(&uid) {
            followed.kick.notify_one();
        }
    }

    /// Asks a followed server at once and waits for its answer: its accounts were changed, and the
    /// next look must know.
    pub async fn refresh(&self, uid: Uid) {
        let followed = self
            .followed()
            .get(&uid)
            .map(|f| (f.db.clone(), f.probe.clone(), f.query.clone()));
        if let Some((db, state, query)) = followed {
            let after = self.asker.ask(&db, &query, &read(&state)).await;
            *state.lock().unwrap_or_else(PoisonError::into_inner) = after;
        }
    }

    /// Stops following a server: its container does not run.
    pub async fn stop(&self, uid: Uid) {
        let ended = self.followed().remove(&uid);
        if let Some(followed) = ended {
            followed.end();
            self.asker.servers.forget(uid).await;
        }
    }
}

impl Followed {
    fn end(self) {
        if let Some(task) = self.task {
            task.abort();
        }
    }
}

fn read(probe: &Mutex<Probe>) -> Probe {
    probe.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Asker {
    /// Asks once; `before` is the answer of the same run before this one.
    async fn ask(&self, db: &Database, query: &str, before: &Probe) -> Probe {
        let now = self.clock.now();
        let mut result = match self.target(db, false) {
            Ok(Some(target)) => self.servers.ask(&target, query).await,
            Ok(None) => Err(ServerError::LoginRefused("no password".to_owned())),
            Err(why) => Err(ServerError::LoginRefused(why)),
        };
        // A change of passwords may have been cut off after the server had made it.
        if let Err(ServerError::LoginRefused(_)) = &result
            && let Ok(Some(target)) = self.target(db, true)
        {
            result = self.servers.ask(&target, query).await;
        }
        match result {
            Ok(answer) => Probe::Answering {
                since: match before {
                    // Never in the future: the clock may have been set back.
                    Probe::Answering { since, .. } => now.min(*since),
                    Probe::NotAsked | Probe::Silent { .. } => now,
                },
                version: answer.version,
                account: answer.account,
                further: answer.further,
                resorted: answer.resorted,
                connections: answer.connections,
            },
            Err(error) => {
                if let ServerError::NotAsked(why) = &error {
                    tracing::warn!(name = %db.name, %why, "its server could not be asked");
                }
                silent(before, &error, now)
            }
        }
    }

    /// The further accounts that are to be there.
    fn further(&self, db: &Database) -> Vec<String> {
        self.vault.accounts(db)
    }

    /// Whether `mydb_admin` would let db4sci in anew: the kept connection outlives every change of roles
    /// and passwords, and for a while the loss of its files. Where it would not, the answer is that of a
    /// new connection.
    async fn as_anew(&self, db: &Database, query: &str, after: Probe) -> Probe {
        if !db.name.is_mydb_admin() || !after.answering() {
            return after;
        }
        let Ok(Some(target)) = self.target(db, false) else {
            return after;
        };
        match self.servers.login(&target).await {
            Err(ServerError::LoginRefused(_) | ServerError::Damaged(_)) => {
                self.servers.forget(db.uid).await;
                self.ask(db, query, &after).await
            }
            // Whatever else there is, the next question shows it.
            Ok(())
            | Err(
                ServerError::Unreachable(_)
                | ServerError::NotAsked(_)
                | ServerError::NotReady(_)
                | ServerError::Interrupted(_)
                | ServerError::Statement { .. },
            ) => after,
        }
    }

    /// The privileged login, with the password in force or the `next` one.
    fn target(&self, db: &Database, next: bool) -> Result<Option<Target>, String> {
        let recipe = engine::recipe(db.engine);
        let password = if next {
            self.vault.next(db, ADMIN_SECRET)
        } else {
            self.vault.secret(db, ADMIN_SECRET).map(Some)
        };
        let password = password.map_err(|e| e.to_string())?;
        Ok(password.map(|password| recipe.target(db, &self.site, password)))
    }
}

/// Follows one run of one server. Safe to abort anywhere: it only reads.
async fn follow(
    asker: Arc<Asker>,
    db: Arc<Database>,
    query: String,
    state: Arc<Mutex<Probe>>,
    kick: Arc<Notify>,
    changed: mpsc::UnboundedSender<DbName>,
) {
    let mut retry = FIRST_RETRY;
    loop {
        let before = read(&state);
        let after = asker.ask(&db, &query, &before).await;
        let after = asker.as_anew(&db, &query, after).await;
        let wait = if after.answering() {
            retry = FIRST_RETRY;
            if db.name.is_mydb_admin() {
                OWN_BEAT
            } else {
                BEAT
            }
        } else {
            let wait = retry;
            retry = (retry * 5 / 4).min(LAST_RETRY);
            wait
        };
        let news = differs(&before, &after);
        *state.lock().unwrap_or_else(PoisonError::into_inner) = after;
        if news && changed.send(db.name.clone()).is_err() {
            return;
        }
        // Cancel-safe: both only wait.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = kick.notified() => retry = FIRST_RETRY,
        }
    }
}

/// What is known of a server after a question that failed; `before` is its answer before this one.
fn silent(before: &Probe, error: &ServerError, now: Timestamp) -> Probe {
    let cause = match error {
        ServerError::LoginRefused(_) => Silence::Refused,
        ServerError::Damaged(_) => Silence::Damaged,
        ServerError::NotReady(_) => Silence::NotReady,
        // No word about the server, and one that may be well is not to be put down.
        ServerError::NotAsked(_) => return before.clone(),
        ServerError::Unreachable(_)
        | ServerError::Interrupted(_)
        | ServerError::Statement { .. } => Silence::Unexplained,
    };
    let (since, failures, answered_before) = match before {
        // It lived when it last said so, however long it had been at it.
        Probe::Silent {
            cause: Silence::NotReady,
            ..
        } if cause != Silence::NotReady => (now, 1, false),
        Probe::Silent {
            since,
            failures,
            answered_before,
            ..
        } => (now.min(*since), failures + 1, *answered_before),
        Probe::Answering { .. } => (now, 1, true),
        Probe::NotAsked => (now, 1, false),
    };
    // One that says how it fares does not hang: it has its whole start deadline.
    let speaks = matches!(
        error,
        ServerError::NotReady(_) | ServerError::Interrupted(_)
    );
    Probe::Silent {
        since,
        failures,
        why: error.to_string(),
        cause,
        answered_before: answered_before && !speaks,
    }
}

/// Whether the planner could say something else after this answer.
fn differs(before: &Probe, after: &Probe) -> bool {
    match (before, after) {
        (
            Probe::Answering {
                version: v,
                account: a,
                further: f,
                resorted: r,
                ..
            },
            Probe::Answering {
                version,
                account,
                further,
                resorted,
                ..
            },
        ) => v != version || a != account || f != further || r != resorted,
        (
            Probe::Silent {
                cause: c, why: w, ..
            },
            Probe::Silent { cause, why, .. },
        ) => c != cause || w != why,
        (Probe::NotAsked, Probe::NotAsked) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
