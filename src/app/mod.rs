//! The whole program put together: the only place that names concrete backends.

mod admin;
mod backend;
mod daemon;
mod home;
mod lock;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::settings::{Mode, Settings};

/// temporary
pub async fn run() -> Result<(), String> {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let mode = Mode::from_env(&env).map_err(|p| p.to_string())?;
    let home = PathBuf::from(env.get("DB4SCI_HOME").map_or(".", String::as_str));
    let settings = Settings::load(&home, mode, &env).map_err(daemon::lines)?;
    crate::record::tracing::init(env.get("DB4SCI_LOG").map(String::as_str), Default::default(), false).map_err(|e| e.to_string())?;
    daemon::run(settings).await
}
