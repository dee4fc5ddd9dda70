//! What it takes to run a database without db4sci: a compose file and a text for whoever runs it.
//!
//! The container is the one that db4sci would make, without what only db4sci needs: guard, marker and
//! labels. Secrets and configuration are files beside the compose file; its data stays where it is.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{ADMIN_SECRET, CERTIFICATE_AND_KEY, GUARD_TARGET, MARKER_TARGET, USER_SECRET, recipe};
use crate::model::{ContainerSpec, Database, ImageSeen, Mount, ReleasedFiles, Site};

/// The compose file's name.
pub const COMPOSE_FILE: &str = "compose.yaml";
/// The text for people.
pub const README: &str = "README.md";
/// The folder of secret files, beside the compose file.
pub const SECRETS: &str = "secrets";
/// The folder of configuration files, beside it.
pub const CONFIG: &str = "config";

#[derive(Serialize)]
struct File {
    name: String,
    services: BTreeMap<String, Service>,
}

#[derive(Serialize)]
struct Service {
    container_name: String,
    image: String,
    pull_policy: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entrypoint: Vec<String>,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    ports: Vec<Port>,
    volumes: Vec<Volume>,
    mem_limit: u64,
    memswap_limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<f64>,
    shm_size: u64,
    restart: &'static str,
    stop_signal: String,
    stop_grace_period: String,
    logging: Logging,
}

#[derive(Serialize)]
struct Port {
    target: u16,
    published: String,
    host_ip: String,
    protocol: &'static str,
}

#[derive(Serialize)]
struct Volume {
    r#type: &'static str,
    source: String,
    target: String,
    read_only: bool,
    bind: Bind,
}

/// A missing folder is an error: a server on an empty one would begin anew.
#[derive(Serialize)]
struct Bind {
    create_host_path: bool,
}

#[derive(Serialize)]
struct Logging {
    driver: &'static str,
    options: BTreeMap<&'static str, &'static str>,
}

/// The files for a folder of the host.
///
/// # Errors
/// When the compose file cannot be rendered.
pub fn released(
    db: &Database,
    site: &Site,
    image: &ImageSeen,
    to: &Path,
) -> Result<ReleasedFiles, String> {
    let spec = recipe(db.engine).container(db, site, image);
    Ok(ReleasedFiles {
        texts: vec![
            (COMPOSE_FILE.to_owned(), compose(db, site, image, &spec)?),
            (README.to_owned(), readme(db, &spec, to)),
        ],
        secrets: SECRETS,
        config: CONFIG,
    })
}

/// The names of those files, to remove them.
pub fn folders() -> ReleasedFiles {
    ReleasedFiles {
        texts: [COMPOSE_FILE, README]
            .map(|name| (name.to_owned(), String::new()))
            .to_vec(),
        secrets: SECRETS,
        config: CONFIG,
    }
}

fn compose(
    db: &Database,
    site: &Site,
    image: &ImageSeen,
    spec: &ContainerSpec,
) -> Result<String, String> {
    // Taken apart without `..`: a new field that nobody writes does not compile.
    let ContainerSpec {
        name,
        image: id,
        reference,
        entrypoint,
        command,
        env,
        labels: _,
        mounts,
        ports,
        memory,
        nano_cpus,
        shm,
        restart: _,
        stop_signal,
        stop_timeout,
    } = spec;
    let all = |words: &[String]| words.iter().map(|word| plain(word)).collect();
    let own = behind_guard(entrypoint);
    let service = Service {
        container_name: name.clone(),
        image: id.as_str().to_owned(),
        pull_policy: "never",
        // The image's own needs no mention.
        entrypoint: if own == image.entrypoint {
            Vec::new()
        } else {
            all(own)
        },
        command: all(command),
        environment: env
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        ports: ports
            .iter()
            .map(|port| Port {
                target: port.container,
                published: port.host.to_string(),
                host_ip: port.ip.to_string(),
                protocol: "tcp",
            })
            .collect(),
        volumes: mounts
            .iter()
            .filter(|mount| ![GUARD_TARGET, MARKER_TARGET].contains(&mount.target.as_str()))
            .map(|mount| volume(db, site, mount))
            .collect(),
        mem_limit: *memory,
        memswap_limit: *memory,
        cpus: (*nano_cpus > 0).then(|| *nano_cpus as f64 / 1e9),
        shm_size: *shm,
        restart: "always",
        stop_signal: stop_signal.clone(),
        stop_grace_period: format!("{stop_timeout}s"),
        logging: Logging {
            driver: "json-file",
            options: BTreeMap::from([("max-size", "10m"), ("max-file", "3")]),
        },
    };
    let file = File {
        name: db.name.to_string(),
        services: BTreeMap::from([(db.name.to_string(), service)]),
    };
    let text = serde_yaml::to_string(&file).map_err(|e| format!("{COMPOSE_FILE}: {e}"))?;
    Ok(format!(
        "# Written by db4sci when `{}` was released from it. The image is {reference}, by its id.\n{text}",
        db.name
    ))
}

/// What stands behind the guard in an entrypoint: the guard ends at its `--`.
fn behind_guard(entrypoint: &[String]) -> &[String] {
    let guard = entrypoint.iter().position(|word| word == "--");
    guard.map_or(entrypoint, |at| &entrypoint[at + 1..])
}

/// A mount: what is db4sci's own lies beside the compose file from now on.
fn volume(db: &Database, site: &Site, mount: &Mount) -> Volume {
    let beside = |folder: &Path, name: &str| {
        let below = mount.source.strip_prefix(folder).ok()?;
        Some(Path::new(".").join(name).join(below))
    };
    let source = beside(&site.secrets_dir(&db.name), SECRETS)
        .or_else(|| beside(&site.config_dir(&db.name), CONFIG))
        .unwrap_or_else(|| mount.source.clone());
    let shown = source.display().to_string();
    Volume {
        r#type: "bind",
        source: plain(shown.trim_end_matches('/')),
        target: mount.target.clone(),
        read_only: mount.read_only,
        bind: Bind {
            create_host_path: false,
        },
    }
}

/// Compose takes what follows a dollar sign for a variable.
fn plain(text: &str) -> String {
    text.replace('$', "$$")
}

fn readme(db: &Database, spec: &ContainerSpec, to: &Path) -> String {
    let (name, user) = (&db.name, &db.account.user);
    let folder = to.display();
    let data = db.data_dir();
    let published: Vec<String> = spec
        .ports
        .iter()
        .map(|port| {
            format!(
                "{}:{} (in the container {})",
                port.ip, port.host, port.container
            )
        })
        .collect();
    let tls = match db.tls {
        Some(_) => format!(
            "\nIts certificate and key are in `{SECRETS}/{CERTIFICATE_AND_KEY}`. Nobody renews them any more: see \
             when they end (`openssl x509 -enddate -noout -in {SECRETS}/{CERTIFICATE_AND_KEY}`), put others in \
             their place before that, and restart the server.\n"
        ),
        None => String::new(),
    };
    format!(
        "# {name}\n\n\
         A {engine} server that db4sci ran, and was released from. db4sci touches nothing of it any more: it \
         takes no backups of it, does not restart or upgrade it, and does not watch it.\n\n\
         ## Run it\n\n\
         \x20   cd {folder}\n\
         \x20   docker compose up -d\n\
         \x20   docker compose logs -f\n\n\
         `docker compose down` stops it. Its data stays in `{data}`. Never run two servers on that folder: the \
         guard that refused a second one was db4sci's.\n\n\
         - Image: `{reference}`, pinned by its id `{image}`, which is on this host; on another one, pull it, and \
         write its id or digest into `{COMPOSE_FILE}`.\n\
         - Ports: {ports}.\n\
         - Database `{database}`, account `{user}`.\n\
         - `{SECRETS}/{USER_SECRET}` holds the password of `{user}`, `{SECRETS}/{ADMIN_SECRET}` that of the \
         server's own administrator. They are readable for root and the server alone (mode 0400): keep them so, \
         and change both passwords if this folder is given away.\n\
         - `{CONFIG}/` holds its configuration.\n\
         {tls}\n\
         ## What stays with db4sci\n\n\
         Its backups, in the stores, for as long as nobody removes them: `db4sci backup list {name}`. To have one \
         as another database: `db4sci restore {name} --from ID --as NEW`. The name is free for another database \
         after `db4sci delete {name} --forget`.\n",
        engine = db.engine,
        data = data.display(),
        reference = spec.reference,
        image = spec.image.as_str(),
        ports = published.join(", "),
        database = db.database,
    )
}

#[cfg(test)]
mod tests;
