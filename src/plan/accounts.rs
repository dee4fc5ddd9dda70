//! Accounts besides the database's own: what its server is to be told about them.

use std::collections::BTreeSet;

use crate::model::account::AccountState;
use crate::model::{Action, ContainerSeen, Cost, Lane};

use super::Ask;

impl Ask<'_> {
    /// Brings a server that answers to the accounts of the ledger, of which it has these. Those that go
    /// come first, so that nobody who was sent away waits for somebody else's trouble.
    pub(super) fn accounts(&mut self, c: &ContainerSeen, there: &BTreeSet<String>) -> Option<Lane> {
        let (mut drops, mut makes) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (user, account) in self.wanted.accounts {
            let role = account.rights;
            let (lane, action, why) = match account.state {
                AccountState::Wanted if account.returned => (
                    &mut makes,
                    Action::MakeAccount(user.clone()),
                    format!("account {user} gets its password of today"),
                ),
                AccountState::Wanted => (
                    &mut makes,
                    Action::MakeAccount(user.clone()),
                    format!("account {user} is made ({role})"),
                ),
                AccountState::There if there.contains(user) => continue,
                AccountState::There => (
                    &mut makes,
                    Action::MakeAccount(user.clone()),
                    format!("its account {user} is gone; it is made again ({role})"),
                ),
                AccountState::Leaving if account.returned => (
                    &mut drops,
                    Action::DropAccount(user.clone()),
                    format!("account {user} came with a backup and is not wanted here"),
                ),
                AccountState::Leaving => (
                    &mut drops,
                    Action::DropAccount(user.clone()),
                    format!("account {user} is removed"),
                ),
                AccountState::Gone => continue,
            };
            lane.0.push(action);
            lane.1.push(why);
        }
        // One that fails waits, and keeps nothing else from being done.
        [drops, makes].into_iter().find_map(|(actions, why)| {
            let lane =
                (!actions.is_empty()).then(|| self.lane(Some(c), actions, Cost::None, why))?;
            (!self.backing_off(&lane)).then_some(lane)
        })
    }
}
