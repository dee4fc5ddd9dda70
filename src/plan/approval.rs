//! A person's leave for steps that would wait: what it names, and when it means nothing any more.
//!
//! A hash covers the steps and why they are taken, whether data is at risk, the database's identity and the
//! generation of its spec; neither times nor connections. One that was given lets exactly those steps begin, once.

use sha2::{Digest, Sha256};

use crate::model::view::{DatabaseView, Phase};
use crate::model::{Cost, DbName, Held, Lane, Reason, Uid, Verdict};

/// Hexadecimal digits of a hash, as people see and type it.
pub const DIGITS: usize = 8;

/// The hash of a lane's steps.
pub fn hash(uid: Uid, lane: &Lane) -> String {
    let mut parts = vec![
        lane.name.to_string(),
        uid.to_string(),
        lane.generation.to_string(),
        format!("{:?}", lane.cost),
    ];
    // The form of the journal: all that a step holds, in a fixed order.
    let steps = lane.actions.iter().map(serde_json::to_string);
    parts.extend(steps.map(|step| step.unwrap_or_else(|error| error.to_string())));
    parts.extend(lane.why.iter().cloned());
    // What it says holds times, and how it is said may change: only that there is one.
    parts.extend(lane.risk.iter().map(|_| "data at risk".to_owned()));
    of(parts.iter().map(String::as_str))
}

/// The hash of texts, in their order.
pub(super) fn of<'t>(parts: impl IntoIterator<Item = &'t str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length goes first, so that no two lists of parts read alike.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut hex: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.truncate(DIGITS);
    hex
}

/// Steps of a database that wait, and go with a person's leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting<'v> {
    /// The database.
    pub view: &'v DatabaseView,
    /// The steps.
    pub lane: &'v Lane,
}

impl Waiting<'_> {
    /// The steps' hash.
    pub fn hash(&self) -> String {
        hash(self.view.uid, self.lane)
    }

    /// `genomics 1a2b3c4d (restart: …)`.
    pub fn line(&self) -> String {
        let why = self.lane.why.join(", ");
        format!("{} {} ({why})", self.view.name, self.hash())
    }
}

/// The steps that a person may let go, if this is a thing that waits for that.
pub fn approvable(held: &Held) -> Option<&Lane> {
    let waits = matches!(held.reason, Reason::OutsideWindow | Reason::NeedsApproval);
    let lane = held.would.as_deref()?;
    (waits && lane.cost != Cost::None).then_some(lane)
}

/// What waits for a person's leave, or may go with it, in the databases' order.
pub fn waiting(databases: &[DatabaseView]) -> Vec<Waiting<'_>> {
    let of_one = |view| waiting_of(view);
    databases.iter().filter_map(of_one).collect()
}

/// What of one database does.
pub fn waiting_of(view: &DatabaseView) -> Option<Waiting<'_>> {
    let lane = view.held.iter().find_map(approvable)?;
    Some(Waiting { view, lane })
}

/// The hash of all that waits: of a single lane its own, so that both ways to name it agree.
pub fn hash_of_all(waiting: &[Waiting<'_>]) -> Option<String> {
    match waiting {
        [] => None,
        [one] => Some(one.hash()),
        many => {
            let hashes: Vec<String> = many.iter().map(Waiting::hash).collect();
            Some(of(hashes.iter().map(String::as_str)))
        }
    }
}

/// What a hash names among all that waits: one database's steps, or the whole plan's, of which a name
/// takes one.
///
/// # Errors
/// It names nothing that waits now; what does, and what to do, for a person.
pub fn named<'v>(
    databases: &'v [DatabaseView],
    hash: &str,
    name: Option<&DbName>,
) -> Result<Vec<Waiting<'v>>, String> {
    let all = waiting(databases);
    let whole = hash_of_all(&all).is_some_and(|of_all| of_all == hash);
    let chosen: Vec<Waiting<'v>> = all
        .iter()
        .filter(|one| whole || one.hash() == hash)
        .copied()
        .collect();
    let of_name = |one: &&Waiting<'v>| name.is_none_or(|name| one.view.name == *name);
    let mine: Vec<Waiting<'v>> = chosen.iter().filter(of_name).copied().collect();
    if !mine.is_empty() {
        return Ok(mine);
    }
    let told: Vec<String> = all.iter().map(Waiting::line).collect();
    let told = match told.as_slice() {
        [] => "nothing waits for approval now".to_owned(),
        all => format!("what waits now: {}", all.join("; ")),
    };
    if let Some(name) = name {
        if let Some(other) = chosen.first() {
            return Err(format!(
                "{hash} names steps of `{}`, not of `{name}`; {told}; nothing was changed",
                other.view.name
            ));
        }
        let own: Vec<String> = all.iter().filter(of_name).map(Waiting::line).collect();
        if own.is_empty() {
            return Err(format!(
                "nothing of `{name}` waits for approval; {told}; nothing was changed; see: db4sci \
                 plan"
            ));
        }
        return Err(format!(
            "{hash} names no steps of `{name}` that wait: either they were never planned, or they \
             have changed, or begun, since that plan was shown; what waits of it now: {}; nothing was \
             changed; look again: db4sci plan {name}",
            own.join("; ")
        ));
    }
    Err(format!(
        "{hash} names nothing that waits: either it was never a plan here, or steps have changed, or \
         begun, since that plan was shown, and an approval is for exactly the steps that were shown; \
         {told}; nothing was changed; look again: db4sci plan"
    ))
}

/// Whether an approval means nothing any more: the database was looked at, and other steps wait, or
/// none. One that is past is not to come into force again when the same steps are wanted once more.
/// Before something is known of it, and while it is down, nothing is void: what is down is brought
/// back with all that waited.
pub fn void(uid: Uid, approved: &str, verdict: &Verdict, phase: Phase) -> bool {
    let held = verdict.held.iter().filter_map(|held| held.would.as_deref());
    let mut lanes = verdict.lane.iter().chain(held);
    let stands = lanes.any(|lane| hash(uid, lane) == approved);
    // A lane that costs nobody anything goes first; only then is the rest planned.
    let first = verdict
        .lane
        .as_ref()
        .is_some_and(|lane| lane.cost == Cost::None);
    let waits = |reason| verdict.held.iter().any(|held| held.reason == reason);
    // A retirement is approved at its beginning; its backup may take long.
    let under_way = waits(Reason::Backoff) || waits(Reason::RetireNeedsBackup);
    let at_rest = match phase {
        Phase::Ready | Phase::Stopped | Phase::Retired | Phase::Ejected => true,
        Phase::Pending
        | Phase::Creating
        | Phase::Degraded
        | Phase::Maintenance
        | Phase::Restoring
        | Phase::Held => false,
    };
    at_rest && !stands && !first && !under_way
}
