//! The guard: the small script that is the first process of every database container.
//!
//! It refuses to start a server on data that is not the database's, whole and free; its exit codes
//! say why. What it checks stands in `runtime/host/guard.sh`.

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
/// The guard cannot do its work: wrong arguments, or an image without `flock`.
pub const BROKEN: i64 = 86;

/// The script's name in its folder.
pub const SCRIPT: &str = "guard.sh";
/// The plain file with the uid inside the first data folder, from the first Ready on.
pub const INNER_UID: &str = "db4sci-uid";

/// What a container's exit code says, if the guard gave it.
pub fn refusal(exit_code: i64) -> Option<Reason> {
    match exit_code {
        FOREIGN => Some(Reason::DataForeign),
        BUSY => Some(Reason::DataBusy),
        LOST => Some(Reason::DataLost),
        HALF_MADE => Some(Reason::HalfMade),
        UNMOUNTED => Some(Reason::DataUnmounted),
        BROKEN => Some(Reason::Unknown),
        _ => None,
    }
}

/// What the guard found wrong with the data, if it refused for that: no failure of the server's.
pub fn refused_data(exit_code: i64) -> Option<Reason> {
    refusal(exit_code).filter(|_| exit_code != BROKEN)
}
