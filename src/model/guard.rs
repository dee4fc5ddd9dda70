//! The guard's exit codes: why a container refused to start its server.

use super::Reason;

/// The data, or its marker, is another database's.
pub const FOREIGN: i64 = 81;
/// Another server holds the data folder's lock.
pub const BUSY: i64 = 82;
/// The data that was there is gone.
pub const LOST: i64 = 83;
/// A first start was cut off halfway.
pub const HALF_MADE: i64 = 84;
/// The marker folder is empty: the volume is not mounted.
pub const UNMOUNTED: i64 = 85;

/// What a container's exit code says, if the guard gave it.
pub fn refusal(exit_code: i64) -> Option<Reason> {
    match exit_code {
        FOREIGN => Some(Reason::DataForeign),
        BUSY => Some(Reason::DataBusy),
        LOST => Some(Reason::DataLost),
        HALF_MADE => Some(Reason::HalfMade),
        UNMOUNTED => Some(Reason::DataUnmounted),
        _ => None,
    }
}
