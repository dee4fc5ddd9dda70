//! When work under way is cut off.

use super::Desk;

impl Desk {
    /// Until the daemon was told to stop, and no server is in the middle of its stop: the engine would carry
    /// that out all the same, and the server go down after everybody had looked. Cancel-safe.
    pub(super) async fn cut(&self) {
        self.stop.cancelled().await;
        self.archive.stops.close();
        self.archive.stops.wait().await;
    }
}
