//! What one owner may have at once, and what the databases of an owner take of that.

use std::collections::BTreeMap;

use super::{Database, DbName, Memory, Source, WantedState};

/// How many databases a message names.
const NAMED: usize = 8;

/// What one owner may have at once; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnerLimits {
    /// Databases, those that are retired not counted.
    pub databases: Option<u32>,
    /// Memory of all of these together: the limits of their containers, running or not.
    pub memory: Option<Memory>,
}

/// What each owner may have. Admission goes by it; what was admitted before never does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// Those that are not named.
    pub others: OwnerLimits,
    /// By login or group. Nothing of `others` goes for these.
    pub named: BTreeMap<String, OwnerLimits>,
}

impl Owners {
    /// The word for all that are not named.
    pub const OTHERS: &str = "default";

    /// What an owner may have.
    pub fn of(&self, owner: &str) -> OwnerLimits {
        self.named.get(owner).copied().unwrap_or(self.others)
    }

    /// Where the settings say so.
    pub fn key(&self, owner: &str) -> String {
        let word = match self.named.contains_key(owner) {
            true => owner,
            false => Self::OTHERS,
        };
        format!("owners.{word}")
    }
}

/// What a database takes of its owner's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Whose it is.
    pub owner: String,
    /// Its memory.
    pub memory: Memory,
}

impl Share {
    /// The share of a database; none of what is retired, and of DB4Sci's own.
    pub fn of(db: &Database) -> Option<Self> {
        let counts = db.state != WantedState::Retired && db.source != Source::Builtin;
        counts.then(|| Share {
            owner: db.owner.clone(),
            memory: db.resources.memory,
        })
    }
}

/// What an owner's databases take together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken<'a>(pub Vec<(&'a DbName, Memory)>);

impl<'a> Taken<'a> {
    /// What is an owner's of all shares.
    pub fn by(owner: &str, shares: impl IntoIterator<Item = (&'a DbName, &'a Share)>) -> Self {
        let own = shares.into_iter().filter(|(_, share)| share.owner == owner);
        Taken(own.map(|(name, share)| (name, share.memory)).collect())
    }

    /// How many databases.
    pub fn databases(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Their memory.
    pub fn memory(&self) -> Memory {
        let bytes = self.0.iter().map(|(_, memory)| memory.bytes());
        Memory::from_bytes(bytes.fold(0, u64::saturating_add))
    }

    /// Their names, for people; `sizes`: with the memory of each.
    pub fn names(&self, sizes: bool) -> String {
        let word = |(name, memory): &(&DbName, Memory)| match sizes {
            true => format!("`{name}` {memory}"),
            false => format!("`{name}`"),
        };
        let mut words: Vec<String> = self.0.iter().take(NAMED).map(word).collect();
        match self.0.len().saturating_sub(NAMED) {
            0 if words.is_empty() => return "none".to_owned(),
            0 => {}
            more => words.push(format!("and {more} more")),
        }
        words.join(", ")
    }
}
