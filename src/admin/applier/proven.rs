//! When the tables were last proven, and when that is due again.

use tokio::time::Instant;

use super::follow::BEAT;
use super::reach::Shelf;
use crate::admin::tables::TablesError;

/// A proof of all rows may take one part in so many of the server's time, unless something hints that
/// there is something to see.
pub(super) const SHARE: u32 = 50;

/// A proof that the tables are as they were written.
pub(super) struct Proven {
    /// What the server said of changes before it: what comes after it shows.
    pub(super) stamp: String,
    /// When another one is due in any case.
    pub(super) again: Instant,
}

impl Proven {
    pub(super) async fn now(shelf: &mut dyn Shelf) -> Result<Self, TablesError> {
        let stamp = shelf.stamp().await?;
        let begun = Instant::now();
        shelf.prove().await?;
        let again = begun + BEAT.max(begun.elapsed() * SHARE);
        Ok(Proven { stamp, again })
    }
}
