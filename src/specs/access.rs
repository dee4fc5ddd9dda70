//! Who may do what with a database: its owner, whom its spec gives access, admins, root.
//!
//! Whoever may use the socket at all sees everything that is no data, and makes databases of their
//! own. What hands out data or a password, or takes something away, is asked for here. What comes as
//! a file of `desired-state/` or as SQL is an admin's, and is not asked.

use std::fmt;

use super::raw::{Access, AccessRole};
use crate::model::view::WorkAsk;
use crate::model::{Database, OverrideState};

/// What somebody must be, of a database, for something. An admin and root are all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Somebody who may use the socket: nothing of its data is shown, and nothing is taken away.
    Member,
    /// Who may have its data: the owner, or a `User` or `Owner` of its `access`.
    User,
    /// Who decides about it: the owner, or an `Owner` of its `access`.
    Owner,
    /// An admin of this host.
    Admin,
}

impl Need {
    /// What a person's word over the spec needs: users may start it, but for what an owner or an admin
    /// holds down.
    pub fn of_override(state: OverrideState, in_force: Option<OverrideState>) -> Self {
        use OverrideState::{Maintenance, Running, Stopped};
        match (state, in_force) {
            (Running, None | Some(Running)) => Need::User,
            (Running, Some(Stopped | Maintenance)) | (Stopped | Maintenance, _) => Need::Owner,
        }
    }

    /// What a work needs. `own` says whether the data that it names is that of this database, and not
    /// of another one that had its name before: whose that was, its row does not say any more. `rests` says
    /// whether its server is stopped for a backup.
    pub fn of_work(ask: &WorkAsk, own: bool, rests: bool) -> Self {
        match ask {
            // It takes the server away from those who work with it, like a restart.
            WorkAsk::Backup { .. } if rests => Need::User,
            WorkAsk::Backup { .. } | WorkAsk::Verify { .. } => Need::Member,
            WorkAsk::Restore { .. } | WorkAsk::Clone { .. } if !own => Need::Admin,
            // A copy: data of it, and nothing of itself is touched.
            WorkAsk::Restore { copy: Some(_), .. } | WorkAsk::Clone { .. } => Need::User,
            WorkAsk::Restore { copy: None, .. }
            | WorkAsk::Rename { .. }
            | WorkAsk::Eject { .. } => Need::Owner,
        }
    }

    /// The logins and groups that meet it, root aside; `None` is everybody at the socket. DB4Sci's own
    /// memory is nobody's but the admins', whoever its spec calls its owner.
    pub fn met_by(self, db: &Database, admins: &[String]) -> Option<Vec<String>> {
        let roles: &[AccessRole] = match self {
            Need::Member => return None,
            Need::User => &[AccessRole::User, AccessRole::Owner],
            Need::Owner => &[AccessRole::Owner],
            Need::Admin => &[],
        };
        let mut names = admins.to_vec();
        if !roles.is_empty() && !db.name.is_mydb_admin() {
            names.push(db.owner.clone());
            names.extend(access(db, roles));
        }
        Some(names)
    }

    /// Why somebody is refused, and whom to ask.
    pub fn refusal(self, user: &str, db: &Database) -> String {
        let name = &db.name;
        let owner = &db.owner;
        if name.is_mydb_admin() {
            return format!(
                "{user} is no admin, and {name} is DB4Sci's own memory; nothing was shown or changed; ask \
                 an admin"
            );
        }
        match self {
            Need::Admin => format!(
                "{user} is no admin, and this is data of an earlier database of the name {name}; nothing \
                 was shown or changed; ask an admin"
            ),
            Need::Member | Need::User | Need::Owner => format!(
                "{user} is neither the owner of {name} ({owner}) nor an admin; nothing was shown or \
                 changed; ask the owner, or for a line of `access` in its spec with the role {self}"
            ),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Member => "Viewer",
            Need::User => "User",
            Need::Owner => "Owner",
            Need::Admin => "Admin",
        })
    }
}

/// Who has one of these roles by the spec.
fn access(db: &Database, roles: &[AccessRole]) -> Vec<String> {
    let given = db.given.get("access").cloned().unwrap_or_default();
    let all: Vec<Access> = serde_json::from_value(given).unwrap_or_default();
    all.into_iter()
        .filter(|access| roles.contains(&access.role))
        .map(|access| access.who)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specs::testing::{admit_text, rules, spec};

    /// Of `lab`, with a viewer, a user and a second owner.
    fn genomics() -> Database {
        let access = "  access: [{who: eve, role: Viewer}, {who: bob, role: User}, {who: carol, role: Owner}]\n";
        admit_text(&spec(access), None, &rules()).unwrap()
    }

    fn restore(copy: Option<&str>) -> WorkAsk {
        WorkAsk::Restore {
            from: "genomics-20261122T021500Z-1@local".parse().unwrap(),
            copy: copy.map(|name| name.parse().unwrap()),
            only: None,
            image: None,
            reason: String::new(),
        }
    }

    #[test]
    fn a_right_is_the_owners_the_admins_and_of_whom_the_spec_gives_it() {
        let db = genomics();
        let admins = ["chief".to_owned()];
        let table: [(Need, Option<&[&str]>); 4] = [
            (Need::Member, None),
            (Need::User, Some(&["chief", "lab", "bob", "carol"])),
            (Need::Owner, Some(&["chief", "lab", "carol"])),
            (Need::Admin, Some(&["chief"])),
        ];
        for (need, names) in table {
            let names = names.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
            assert_eq!(need.met_by(&db, &admins), names, "{need:?}");
        }
    }

    #[test]
    fn who_only_looks_takes_no_server_away_and_users_none_that_is_held_down() {
        use OverrideState::{Maintenance, Running, Stopped};
        let backup = WorkAsk::Backup {
            note: String::new(),
            reason: String::new(),
        };
        assert_eq!(Need::of_work(&backup, true, true), Need::User);
        for (state, in_force, need) in [
            (Running, None, Need::User),
            (Running, Some(Running), Need::User),
            (Running, Some(Stopped), Need::Owner),
            (Running, Some(Maintenance), Need::Owner),
            (Stopped, None, Need::Owner),
            (Maintenance, Some(Stopped), Need::Owner),
        ] {
            assert_eq!(
                Need::of_override(state, in_force),
                need,
                "{state:?} {in_force:?}"
            );
        }
    }

    #[test]
    fn db4sci_s_own_memory_is_nobody_s_but_the_admins() {
        let mut db = genomics();
        (db.name, db.owner) = ("mydb_admin".parse().unwrap(), "db4sci".to_owned());
        let admins = ["chief".to_owned()];
        for need in [Need::User, Need::Owner, Need::Admin] {
            assert_eq!(need.met_by(&db, &admins), Some(admins.to_vec()), "{need:?}");
        }
    }

    #[test]
    fn what_hands_out_data_is_for_users_and_what_changes_it_for_owners() {
        let clone = |from: Option<&str>| WorkAsk::Clone {
            copy: "loot".parse().unwrap(),
            from: from.map(|id| id.parse().unwrap()),
            live: false,
            reason: String::new(),
        };
        let reason = || "why".to_owned();
        let table = [
            (
                WorkAsk::Backup {
                    note: reason(),
                    reason: reason(),
                },
                Need::Member,
                Need::Member,
            ),
            (
                WorkAsk::Verify {
                    id: None,
                    reason: String::new(),
                },
                Need::Member,
                Need::Member,
            ),
            (restore(Some("loot")), Need::User, Need::Admin),
            (clone(None), Need::User, Need::Admin),
            (restore(None), Need::Owner, Need::Admin),
            (
                WorkAsk::Rename {
                    to: "other".parse().unwrap(),
                    reason: reason(),
                },
                Need::Owner,
                Need::Owner,
            ),
            (
                WorkAsk::Eject {
                    to: None,
                    reason: reason(),
                },
                Need::Owner,
                Need::Owner,
            ),
        ];
        // (a work, what it needs, what it needs with data of an earlier database of that name)
        for (ask, own, earlier) in table {
            assert_eq!(Need::of_work(&ask, true, false), own, "{ask:?}");
            assert_eq!(Need::of_work(&ask, false, false), earlier, "{ask:?}");
        }
    }

    #[test]
    fn a_refusal_says_who_may_and_whom_to_ask() {
        let said = Need::User.refusal("mallory", &genomics());
        assert_eq!(
            said,
            "mallory is neither the owner of genomics (lab) nor an admin; nothing was shown or changed; ask \
             the owner, or for a line of `access` in its spec with the role User"
        );
    }
}
