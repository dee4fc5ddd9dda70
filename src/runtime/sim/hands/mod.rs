//! What people, programs and hardware do behind the daemon's back.

mod containers;
mod disks;
mod users;
