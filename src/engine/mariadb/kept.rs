//! Parameters that are not a person's to set.

use super::encryption;

/// Before a parameter's name: the server passes over one that it does not know.
pub(super) const LOOSE: &str = "loose_";

/// Parameters that would break a promise (see the same list of PostgreSQL).
pub(super) const KEPT: [&str; 22] = [
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_flush_method",
    "datadir",
    "socket",
    "port",
    "bind_address",
    "skip_grant_tables",
    "skip_networking",
    "init_file",
    "plugin_load",
    "plugin_load_add",
    "secure_file_priv",
    "require_secure_transport",
    "skip_ssl",
    "ssl",
    "ssl_ca",
    "ssl_capath",
    "ssl_cert",
    "ssl_crl",
    "ssl_crlpath",
    "ssl_key",
];

/// Whether a parameter is one that is kept. Behind `loose_`, which a server takes away, it may be any
/// beginning of its name: no other variable's name is asked for there.
pub(super) fn means(plain: &str, kept: &str) -> bool {
    let mut bare = plain;
    while let Some(rest) = bare.strip_prefix(LOOSE) {
        bare = rest;
    }
    bare == kept || (bare.len() < plain.len() && kept.starts_with(bare))
}

/// Refuses them, under any of their names.
pub(super) fn check(name: &str) -> Result<(), String> {
    let plain = name.replace('-', "_");
    let is = |kept: &[&str]| kept.iter().any(|kept| means(&plain, kept));
    if is(&KEPT) {
        return Err(format!(
            "`{name}` is set by db4sci and cannot be changed; remove it"
        ));
    }
    if is(&encryption::KEPT) {
        return Err(format!(
            "`{name}` is set by db4sci; remove it. A new database has all its files encrypted \
             with `encryption: Engine`"
        ));
    }
    Ok(())
}
