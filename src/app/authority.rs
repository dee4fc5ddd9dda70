//! The authority of this instance: opened by the daemon, shown to whoever asks.

use std::path::PathBuf;
use std::sync::Arc;

use crate::admin::Authority;
use crate::admin::authority::{self, GivenFiles, KEY_FILE, PUBLIC_FILE, TRUSTED_FILE};
use crate::model::{Clock, SystemClock, Timestamp};
use crate::runtime::servers::ServerTrust;
use crate::settings::Settings;

use super::home;

/// The authority, and how servers with its certificates are verified.
pub(super) struct Opened {
    pub(super) authority: Arc<Authority>,
    pub(super) trust: ServerTrust,
    /// What was made, for a person.
    pub(super) made: Option<String>,
}

/// Opens the authority, or checks the certificates that the settings name. Its own certificate is
/// put where everybody on the host can read it.
pub(super) fn open(settings: &Settings, instance: &str, now: Timestamp) -> Result<Opened, String> {
    let keys = home::keys(&settings.state_dir);
    let (authority, made) = match given(settings) {
        Some(files) => {
            let authority = Authority::given(files, now);
            (authority.map_err(|e| format!("tls: {e}"))?, false)
        }
        None => Authority::open(&keys, instance, now).map_err(|e| e.to_string())?,
    };
    let certificate = authority.certificate().map_err(|e| e.to_string())?;
    authority::trust(&settings.state_dir, &certificate).map_err(|e| e.to_string())?;
    if settings.tls.is_none() {
        let written = authority::write_public(&settings.state_dir, &certificate);
        written.map_err(|e| e.to_string())?;
    }
    Ok(Opened {
        authority: Arc::new(authority),
        trust: trust(settings),
        made: made.then(|| {
            let path = keys.join(KEY_FILE);
            format!(
                "an authority for servers' certificates was made: {}; clients need its \
                 certificate: db4sci ca export",
                path.display()
            )
        }),
    })
}

/// The certificates that the settings name.
fn given(settings: &Settings) -> Option<GivenFiles> {
    settings.tls.as_ref().map(|files| GivenFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        authority: files.authority.clone(),
        host: settings.container_host.clone(),
    })
}

/// The file with the authority's certificate.
fn public(settings: &Settings) -> PathBuf {
    let given = settings.tls.as_ref().map(|files| files.authority.clone());
    given.unwrap_or_else(|| settings.state_dir.join(PUBLIC_FILE))
}

/// The file with the key of the instance's own authority.
pub(super) fn key_file(settings: &Settings) -> PathBuf {
    home::keys(&settings.state_dir).join(KEY_FILE)
}

/// The authority's certificate without the daemon.
pub(super) fn certificate(settings: &Settings) -> Result<String, String> {
    let path = public(settings);
    std::fs::read_to_string(&path).map_err(|e| {
        format!(
            "{}: {e}; it is made by `db4sci init` or the daemon's start",
            path.display()
        )
    })
}

/// How the daemon itself verifies servers.
pub(super) fn trust(settings: &Settings) -> ServerTrust {
    ServerTrust {
        authority: settings.state_dir.join(TRUSTED_FILE),
        name: given(settings).map(|given| given.host),
    }
}

/// What `init` says of it.
pub(super) fn line(settings: &Settings) -> Result<String, String> {
    let instance = home::instance(&settings.state_dir)?;
    let opened = open(settings, &instance, SystemClock.now())?;
    let until = opened.authority.until().map_err(|e| e.to_string())?;
    let what = match &settings.tls {
        Some(files) => format!("given, {}", files.certificate.display()),
        None => format!("own, {}", key_file(settings).display()),
    };
    Ok(format!(
        "servers' certificates: {what} (until {}; for clients: db4sci ca export)",
        until.format("%F")
    ))
}
