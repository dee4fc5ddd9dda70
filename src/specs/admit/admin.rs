//! `mydb_admin`, by the same path as every database.

use std::path::Path;

use serde_json::json;

use crate::model::database::Source;
use crate::model::names::MYDB_ADMIN;
use crate::model::{Database, Problem, Uid};

use super::super::parse::from_json;
use super::super::rules::Rules;
use super::{Request, admit};

/// DB4Sci's own database: made of a spec that this program brings along. Once admitted it stays as
/// it is, like every database whose spec does not change.
pub fn mydb_admin(
    rules: &Rules,
    earlier: Option<&Database>,
    fresh: Uid,
) -> Result<Database, Vec<Problem>> {
    if let Some(earlier) = earlier {
        return Ok(earlier.clone());
    }
    let spec = json!({
        "engine": "Postgres",
        "owner": "db4sci",
        "contact": "db4sci@localhost",
        "description": "DB4Sci's own memory",
        "port": rules.base_port.saturating_sub(1),
        "account": { "user": "operator", "role": "ReadOnly" },
        "resources": { "memory": "512Mi" },
        "maintenanceWindow": "Any",
        "onLost": "Restore"
    });
    let parsed = from_json(MYDB_ADMIN, &spec, Path::new("mydb_admin (built in)"))?;
    let request = Request {
        parsed: &parsed,
        source: Source::Builtin,
    };
    admit(&request, None, rules, fresh)
}
