//! Which stores a backup can go to, and under which attempt: found out before anything is stopped or
//! written for it.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::Archive;
use super::error::BackupError;
use super::take::Order;
use crate::model::Database;

/// An order whose stores were looked at.
pub struct Ready {
    /// What is taken: into the stores that answered, as an attempt of which none of them holds anything.
    pub(super) order: Order,
    /// Why the others get none.
    pub(super) refused: BTreeMap<String, BackupError>,
}

impl Ready {
    /// Whether any store answered.
    pub fn reaches_any(&self) -> bool {
        !self.order.stores.is_empty()
    }
}

impl Archive {
    /// Looks what lies in the stores of the order's slot. The ledger alone does not know which attempts
    /// were made: one that was set back to an earlier day has forgotten some, and their objects would be
    /// taken for those of a new one.
    pub async fn ready(&self, db: &Database, mut order: Order) -> Ready {
        let slot = self.layout.slot(&db.name, db.uid, order.slot);
        let looked = join_all(std::mem::take(&mut order.stores).into_iter().map(
            async |name| -> (String, Result<u32, BackupError>) {
                let highest = async {
                    let objects = self.store(&name)?.list(&slot).await?;
                    let attempt = |key: &str| {
                        let below = key.strip_prefix(&slot)?;
                        below.split('/').next()?.parse::<u32>().ok()
                    };
                    let attempts = objects.iter().filter_map(|object| attempt(&object.key));
                    Ok(attempts.max().unwrap_or(0))
                };
                let highest = highest.await;
                (name, highest)
            },
        ))
        .await;
        let mut refused = BTreeMap::new();
        for (name, highest) in looked {
            match highest {
                Ok(highest) => {
                    order.attempt = order.attempt.max(highest.saturating_add(1));
                    order.stores.push(name);
                }
                Err(error) => {
                    refused.insert(name, error);
                }
            }
        }
        Ready { order, refused }
    }
}
