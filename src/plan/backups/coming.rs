//! What a plan has to say about backups, beside the lanes: what takes a server away, or data. Dumps of a
//! server that goes on serving, restore tests and retention cost nobody anything and are no part of it.

use super::rest::{rests, waits};
use super::retire::{final_backups, hibernate, retire};
use super::{Known, Retirement, wanted};
use crate::model::{Coming, End, Hibernation, Timestamp};

/// What is due or comes by itself, as far as it takes something away.
pub fn coming(known: &Known<'_>, now: Timestamp) -> Vec<Coming> {
    match known.retirement {
        Retirement::None => {
            let rest = match known.hibernation {
                Hibernation::Asked(_) if hibernate(known, now).is_some() => {
                    return vec![Coming::Hibernate];
                }
                Hibernation::None | Hibernation::Asked(_) | Hibernation::Done(_) => {
                    rest(known, now)
                }
            };
            rest.into_iter().collect()
        }
        Retirement::Asked(asked) if !known.frozen && retire(known, asked, now).is_some() => {
            vec![Coming::Retire {
                data_hours: known.keep.data.num_hours(),
                backup_hours: known.keep.backups.map(|kept| kept.num_hours()),
            }]
        }
        Retirement::Asked(_) => rest(known, now).into_iter().collect(),
        Retirement::Done(since) => vec![removal(known, since + known.keep.data, now)],
        Retirement::Ended(End::Removing) => vec![Coming::Remove {
            at: None,
            now: true,
            backup: final_backups(known).into_iter().next(),
            stays: None,
        }],
        Retirement::Ended(End::Removed(_) | End::Ejected(_)) => Vec::new(),
    }
}

/// A dump at rest that is due.
fn rest(known: &Known<'_>, now: Timestamp) -> Option<Coming> {
    let (_, kind) = wanted(known, now)?;
    rests(known.db, kind).then(|| Coming::Rest {
        until: waits(known.db, kind, now),
    })
}

/// The removal of what is retired.
fn removal(known: &Known<'_>, at: Timestamp, now: Timestamp) -> Coming {
    let backup = final_backups(known).into_iter().next();
    let stays = if known.frozen {
        Some("nothing is removed until all that lives is known; see: db4sci status".to_owned())
    } else if known.initialised && backup.is_none() {
        Some("there is no verified final backup of it".to_owned())
    } else {
        None
    };
    Coming::Remove {
        at: Some(at),
        now: now >= at && stays.is_none(),
        backup,
        stays,
    }
}
