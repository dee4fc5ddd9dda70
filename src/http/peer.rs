//! Who is at the other end of the socket, and whether they may be.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::accounts;
use super::portioned::Portioned;
use super::problem::ProblemDetails;
use crate::model::Who;

/// How long a number's login name is believed: an account may be removed, and its number be another's.
const NAMED: Duration = Duration::from_secs(60);

/// The process at the other end, as the kernel says it was when it connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// Its user; `None` when the kernel would not say, and then it is refused.
    pub uid: Option<u32>,
    /// Its groups, the supplementary ones included as far as they could be read.
    pub groups: Vec<u32>,
}

impl Connected<IncomingStream<'_, Portioned>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Portioned>) -> Self {
        let Ok(credentials) = stream.io().stream().peer_cred() else {
            return Peer::default();
        };
        let mut groups = vec![credentials.gid()];
        // Root needs no group, so nothing is read for it.
        if credentials.uid() != 0
            && let Some(pid) = credentials.pid()
        {
            groups.extend(supplementary_groups(pid));
        }
        Peer {
            uid: Some(credentials.uid()),
            groups,
        }
    }
}

/// The supplementary groups of a process. The socket's credentials hold the first group only, and
/// the files that list members do not know those of a directory; the process itself does.
fn supplementary_groups(pid: i32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .map(|groups| {
            groups
                .split_whitespace()
                .filter_map(|g| g.parse().ok())
                .collect()
        })
        .unwrap_or_default()
}

/// Somebody at the socket, as handlers know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub who: Who,
    /// The login name.
    pub user: String,
    /// Whether it is root, or the daemon's own user.
    pub root: bool,
    /// Their groups.
    pub groups: Vec<u32>,
}

impl Caller {
    /// Whether one of these names is theirs: a login, a group, or `group:NAME`.
    pub async fn is_one_of(&self, names: &[String]) -> bool {
        for name in names {
            let group = name.strip_prefix("group:");
            if group.is_none() && *name == self.user {
                return true;
            }
            let group = accounts::group_id(group.unwrap_or(name)).await;
            if group.is_some_and(|group| self.groups.contains(&group)) {
                return true;
            }
        }
        false
    }
}

/// Who may use the socket. The file's mode says the same already; this holds also when somebody
/// has opened the mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The daemon's own user.
    pub daemon: u32,
    /// The group whose members may.
    pub group: Option<u32>,
    /// The group's name, for messages.
    pub group_name: String,
}

impl Admission {
    /// Whether a peer may use the socket.
    pub fn admits(&self, peer: &Peer) -> bool {
        match peer.uid {
            None => false,
            Some(uid) => {
                uid == 0
                    || uid == self.daemon
                    || self.group.is_some_and(|group| peer.groups.contains(&group))
            }
        }
    }
}

/// The door: lets in whom it admits, and gives each request its [`Caller`].
#[derive(Debug, Clone)]
pub struct Door {
    admission: Arc<Admission>,
    names: Arc<Mutex<HashMap<u32, (String, Instant)>>>,
}

impl Door {
    /// A door for these.
    pub fn new(admission: Admission) -> Self {
        Door {
            admission: Arc::new(admission),
            names: Arc::default(),
        }
    }

    /// The login name of a user, looked up now and then; the number itself, for this one request, where
    /// none is found: a directory that does not answer may answer the next time.
    async fn name(&self, uid: u32, look_up: impl Future<Output = Option<String>>) -> String {
        if let Some((name, until)) = self.names.lock().await.get(&uid)
            && Instant::now() < *until
        {
            return name.clone();
        }
        let Some(name) = look_up.await else {
            return uid.to_string();
        };
        let until = Instant::now() + NAMED;
        self.names.lock().await.insert(uid, (name.clone(), until));
        name
    }
}

/// Refuses whom the door does not admit; tells the handlers who it is otherwise.
pub async fn guard(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    match peer.uid {
        Some(uid) if door.admission.admits(&peer) => {
            let user = door.name(uid, accounts::user_name(uid)).await;
            let who = Who::Socket {
                uid,
                user: user.clone(),
            };
            request.extensions_mut().insert(Caller {
                who,
                user,
                root: uid == 0 || uid == door.admission.daemon,
                groups: peer.groups,
            });
            next.run(request).await
        }
        Some(uid) => {
            let user = door.name(uid, accounts::user_name(uid)).await;
            let group = &door.admission.group_name;
            ProblemDetails::new(
                StatusCode::FORBIDDEN,
                format!(
                    "{user} (uid {uid}) is neither root nor in the group `{group}`; nothing was \
                     changed; an administrator can add them: usermod -aG {group} {user}"
                ),
            )
            .into_response()
        }
        None => ProblemDetails::new(
            StatusCode::FORBIDDEN,
            "the kernel does not say who is at the other end; nothing was changed",
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_a_login_or_a_group() {
        let caller = Caller {
            who: Who::Daemon,
            user: "ada".to_owned(),
            root: false,
            groups: vec![0],
        };
        for (name, theirs) in [
            ("ada", true),
            ("root", true),
            ("group:root", true),
            ("group:ada", false),
            ("bob", false),
        ] {
            assert_eq!(caller.is_one_of(&[name.to_owned()]).await, theirs, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_name_is_believed_for_a_minute_and_a_failed_look_up_for_no_time() {
        let door = Door::new(Admission {
            daemon: 990,
            group: None,
            group_name: "db4sci".to_owned(),
        });
        let says = |name: Option<&str>| std::future::ready(name.map(str::to_owned));
        assert_eq!(door.name(1000, says(None)).await, "1000");
        assert_eq!(door.name(1000, says(Some("ada"))).await, "ada");
        tokio::time::advance(NAMED / 2).await;
        assert_eq!(door.name(1000, says(Some("bob"))).await, "ada");
        assert_eq!(door.name(1001, says(Some("bob"))).await, "bob");
        tokio::time::advance(NAMED).await;
        assert_eq!(door.name(1000, says(Some("bob"))).await, "bob");
        tokio::time::advance(NAMED).await;
        assert_eq!(door.name(1000, says(None)).await, "1000");
    }

    #[test]
    fn only_root_the_daemon_and_the_group_may() {
        let door = Admission {
            daemon: 990,
            group: Some(77),
            group_name: "db4sci".to_owned(),
        };
        let peer = |uid: u32, groups: &[u32]| Peer {
            uid: Some(uid),
            groups: groups.to_vec(),
        };
        assert!(door.admits(&peer(0, &[])));
        assert!(door.admits(&peer(990, &[990])));
        assert!(door.admits(&peer(1000, &[1000, 77])));
        assert!(!door.admits(&peer(1000, &[1000])));
        assert!(!door.admits(&Peer::default()));
        let groupless = Admission {
            group: None,
            ..door
        };
        assert!(!groupless.admits(&peer(1000, &[1000, 77])));
    }
}
