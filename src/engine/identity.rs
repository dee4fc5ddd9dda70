//! Where engines keep the identity of their data, and how it is read there.

use crate::model::{DataIdentity, IdentityFile};

/// PostgreSQL's control file.
pub(super) const PG_CONTROL: IdentityFile = IdentityFile {
    path: "global/pg_control",
    length: 12,
    read: system_identifier,
    needed: true,
};

/// Neo4j's file of its server's id.
pub(super) const SERVER_ID: IdentityFile = IdentityFile {
    path: "server_id",
    length: 17,
    read: server_id,
    // A server without one gives itself another.
    needed: false,
};

/// The system identifier, as `pg_controldata` shows it, from the beginning of `pg_control`: eight bytes in
/// the machine's order, then the version of the file's format (942 since 9.4, 1800 by now). Where that is
/// none, something else lies in the file.
fn system_identifier(control: &[u8]) -> Option<DataIdentity> {
    const FORMATS: std::ops::Range<u32> = 900..10_000;
    let (identifier, rest) = control.split_first_chunk()?;
    let format = u32::from_ne_bytes(*rest.first_chunk()?);
    FORMATS
        .contains(&format)
        .then(|| DataIdentity::new(u64::from_ne_bytes(*identifier).to_string()))
}

/// The server's own id, as its log shows it: the number of the file's format, then sixteen bytes.
fn server_id(file: &[u8]) -> Option<DataIdentity> {
    const FORMAT: u8 = 1;
    let id = file.strip_prefix(&[FORMAT])?;
    let id = uuid::Uuid::from_slice(id).ok()?;
    Some(DataIdentity::new(id.to_string()))
}
