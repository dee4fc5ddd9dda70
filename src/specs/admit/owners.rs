//! What an owner may have at once: no new database beyond it, and no more memory.

use crate::model::{Memory, Share, Source, Taken, WantedState};

use super::Check;

impl Check<'_> {
    /// Refuses what takes more of an owner's limits than there is. What takes no more than before
    /// passes, however low the limits are now: they are no reason to hold back other changes of
    /// what was admitted.
    pub(super) fn owners_limits(&mut self, owner: Option<&str>, memory: Option<Memory>) {
        let (Some(owner), Some(memory)) = (owner, memory) else {
            return;
        };
        let retired = self.spec.state == Some(WantedState::Retired);
        if retired || self.request.source == Source::Builtin {
            return;
        }
        let before = self.before.0.and_then(Share::of);
        let before = before.filter(|share| share.owner == owner);
        let rules = self.rules;
        let me = self.request.parsed.raw.metadata.name.as_str();
        let others = rules.shares.iter().filter(|(name, _)| name.as_str() != me);
        let others = Taken::by(owner, others);
        let limits = rules.owners.of(owner);
        let key = rules.owners.key(owner);
        let who = owner.escape_debug();
        if let Some(most) = limits.databases.filter(|_| before.is_none())
            && others.databases() >= most
        {
            self.refuse(
                "spec.owner",
                format!(
                    "`{who}` may have {most} databases at once (`{key}.databases` of the settings), \
                     and has {}: {}; retire one (db4sci delete NAME), or have the limit raised there",
                    others.databases(),
                    others.names(false)
                ),
            );
        }
        let more = before.is_none_or(|share| share.memory < memory);
        let all = others.memory().bytes().saturating_add(memory.bytes());
        if let Some(most) = limits.memory.filter(|_| more)
            && all > most.bytes()
        {
            let left = most.bytes().saturating_sub(others.memory().bytes());
            let fits = match Memory::from_bytes(left) {
                left if left.bytes() == 0 => "make another one smaller".to_owned(),
                left => format!("write at most {left}, make another one smaller"),
            };
            self.refuse(
                "spec.resources.memory",
                format!(
                    "`{who}` may have {most} of memory at once (`{key}.memory` of the settings), \
                     and with {memory} here it would be {}; the others take {}: {}; {fits}, retire \
                     one (db4sci delete NAME), or have the limit raised there",
                    Memory::from_bytes(all),
                    others.memory(),
                    others.names(true)
                ),
            );
        }
    }
}
