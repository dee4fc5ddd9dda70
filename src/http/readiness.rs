//! Whether the daemon is ready, and what is missing.

use crate::model::view::{Phase, Snapshot};

/// What keeps the daemon from being ready, one line each; empty when it is.
pub fn missing(snapshot: &Snapshot) -> Vec<String> {
    let mut missing = Vec::new();
    if let Some(said) = &snapshot.docker {
        missing.push(format!("Docker does not answer: {said}"));
    }
    if !snapshot.first_pass_done {
        missing.push("the first pass over all databases is not done".to_owned());
    }
    match snapshot.databases.iter().find(|d| d.name.is_mydb_admin()) {
        None => missing.push("mydb_admin is not there".to_owned()),
        Some(admin) if admin.phase != Phase::Ready => {
            missing.push(format!("mydb_admin is {}: {}", admin.phase, admin.message));
        }
        Some(_) => {}
    }
    missing
}
