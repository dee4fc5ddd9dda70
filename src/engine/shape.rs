//! What all engines' containers have in common.

use std::collections::BTreeMap;

use crate::model::container::{LABEL_GENERATION, LABEL_INSTANCE, LABEL_NAME, LABEL_UID};
use crate::model::trial::Trial;
use crate::model::{
    ContainerSpec, Database, FilesWanted, ImageSeen, Mount, PortBinding, RestartPolicy, SecretFile,
    SecretKind, Site,
};

use super::{
    ADMIN_SECRET, CONFIG_TARGET, DAEMON_SECRET, Defaults, GUARD_TARGET, MARKER_TARGET, Recipe,
    SECRETS_TARGET, USER_SECRET,
};

/// The container of a database: guard in front of the image's own entrypoint, data, secrets and
/// configuration mounted, limits set. An engine adds environment, command and mounts of its own.
pub(super) fn container(
    db: &Database,
    site: &Site,
    image: &ImageSeen,
    defaults: &Defaults,
) -> ContainerSpec {
    let mut mounts: Vec<Mount> = db
        .data_mounts()
        .map(|(source, target)| Mount {
            source,
            target: target.to_owned(),
            read_only: false,
        })
        .collect();
    let fixed = [
        (site.guard_dir(), GUARD_TARGET),
        (db.marker_dir(), MARKER_TARGET),
        (site.secrets_dir(&db.name), SECRETS_TARGET),
        (site.config_dir(&db.name), CONFIG_TARGET),
    ];
    mounts.extend(fixed.into_iter().map(|(source, target)| Mount {
        source,
        target: target.to_owned(),
        read_only: true,
    }));
    let data = data_target(db);
    let mut entrypoint: Vec<String> = vec![
        "/bin/sh".into(),
        format!("{GUARD_TARGET}/guard.sh"),
        db.uid.to_string(),
        format!("{}/{}", data.trim_end_matches('/'), db.layout.sentinel),
        data.to_owned(),
        "--".into(),
    ];
    entrypoint.extend(image.entrypoint.iter().cloned());
    ContainerSpec {
        name: site.container_name(&db.name),
        image: image.id.clone(),
        reference: db.image.reference.clone(),
        entrypoint,
        command: db.layout.command.clone(),
        env: BTreeMap::from([("TZ".to_owned(), db.time_zone.to_string())]),
        labels: labels(db, site).into(),
        mounts,
        ports: db
            .published()
            .map(|(container, host)| PortBinding {
                container,
                host,
                ip: site.publish_ip,
            })
            .collect(),
        memory: db.resources.memory.bytes(),
        nano_cpus: db.resources.cpus.map_or(0, |c| c.nano()),
        shm: db.resources.shm.bytes(),
        restart: RestartPolicy::Always,
        stop_signal: defaults.stop_signal.to_owned(),
        stop_timeout: defaults.stop_deadline,
    }
}

/// Identity, and the labels of the original DB4SCI, so that tools written for it go on working.
fn labels(db: &Database, site: &Site) -> BTreeMap<String, String> {
    let mut labels = db.facts.clone();
    labels.extend([
        ("DBaaS".to_owned(), "true".to_owned()),
        ("dbengine".to_owned(), db.engine.to_string()),
        ("DB_NAME".to_owned(), db.database.clone()),
        ("DB_USER".to_owned(), db.account.user.clone()),
        ("OWNER".to_owned(), db.owner.clone()),
        ("CONTACT".to_owned(), db.contact.clone()),
        ("DESCRIPTION".to_owned(), db.description.clone()),
        (LABEL_INSTANCE.to_owned(), site.instance.clone()),
        (LABEL_NAME.to_owned(), db.name.to_string()),
        (LABEL_UID.to_owned(), db.uid.to_string()),
        (LABEL_GENERATION.to_owned(), db.generation.to_string()),
    ]);
    labels
}

/// The text of the person's configuration file; empty where there is none.
pub(super) fn config_text(db: &Database) -> String {
    let config = db.config.as_ref();
    config.map(|c| c.text.clone()).unwrap_or_default()
}

/// The host that published ports are reached at, as users and other servers see it.
pub(super) fn published_host(site: &Site) -> String {
    if site.publish_ip.is_loopback() {
        site.publish_ip.to_string()
    } else {
        site.container_host.clone()
    }
}

/// The files of a database: its secrets, and its configuration files with these texts, in their order.
pub(super) fn files<const N: usize>(
    recipe: &dyn Recipe,
    db: &Database,
    texts: [String; N],
) -> FilesWanted {
    let names = recipe.config_files().iter().map(|name| (*name).to_owned());
    FilesWanted {
        secrets: recipe.secrets(db),
        config: names.zip(texts).collect(),
        settings: super::settings(db),
        config_text: db.config.as_ref().map(|c| c.text.clone()),
        config_tried: None,
        trial: Trial::default(),
        certificate: None,
        owner: db.layout.uid,
    }
}

/// The secrets that servers of all engines have.
pub(super) fn secrets(db: &Database) -> Vec<SecretFile> {
    let password = |name: &str, from| SecretFile {
        name: name.to_owned(),
        from,
        kind: SecretKind::Password,
    };
    let mut secrets = vec![
        password(ADMIN_SECRET, None),
        password(USER_SECRET, db.account.password_file.clone()),
    ];
    if db.name.is_mydb_admin() {
        secrets.push(password(DAEMON_SECRET, None));
    }
    secrets
}

/// Where a server sees its data.
pub(super) fn data_target(db: &Database) -> &str {
    let first = db.layout.data.first();
    first.map_or("/", |(_, target)| target.as_str())
}

/// The leading number of a tag, up to so many dotted parts: `10.11.6-bookworm`, 2 → `10.11`.
pub(super) fn leading_version(tag: &str, parts: usize) -> Option<String> {
    let end = tag
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(tag.len());
    let numbers: Vec<&str> = tag[..end].split('.').collect();
    let good = numbers.len() >= parts && numbers[..parts].iter().all(|n| !n.is_empty());
    good.then(|| numbers[..parts].join("."))
}

/// Whether the second number of a tag's version is not lower than another one's; a tag without is not
/// compared.
pub(super) fn not_older_minor(from: &str, to: &str) -> bool {
    match (leading_version(from, 2), leading_version(to, 2)) {
        (Some(from), Some(to)) => super::backup::not_older(&from, &to),
        (None, _) | (_, None) => true,
    }
}

/// Refuses what can end a line of a configuration file, or the quotes around a value.
pub(super) fn one_line(name: &str, value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!(
            "`{}` is no parameter's name; allowed: lower-case letters, digits, `_`, `.`, `-`",
            name.escape_debug()
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(format!(
            "`{}` has a line break or control character",
            value.escape_debug()
        ));
    }
    Ok(())
}

/// Refuses a database that every server of the engine has of its own.
pub(super) fn not_the_servers(database: &str, own: &[&str]) -> Result<(), String> {
    if own.contains(&database) {
        return Err(format!(
            "`{database}` belongs to the server; set `database:` to another name"
        ));
    }
    Ok(())
}

/// Refuses login names that would need quoting somewhere, or that belong to the server.
pub(super) fn plain_user(user: &str, reserved: &[&str], longest: usize) -> Result<(), String> {
    let mut chars = user.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let plain = first && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain || user.len() > longest {
        return Err(format!(
            "`{}` cannot be a login name; allowed: ^[a-z_][a-z0-9_]{{0,{}}}$",
            user.escape_debug(),
            longest - 1
        ));
    }
    if reserved.contains(&user) || user.starts_with("pg_") || user.starts_with("db4sci") {
        return Err(format!("`{user}` is reserved; choose another login name"));
    }
    Ok(())
}
