//! `db4sci doctor`: what is wrong with this host, with or without the daemon.

use std::fs;
use std::path::Path;

use crate::cli::{Finding, Globals, Health};
use crate::http::accounts;
use crate::model::{Clock, DbName, Memory, SystemClock};
use crate::runtime::Runtime;
use crate::runtime::docker::Docker;
use crate::runtime::host;
use crate::settings::Settings;
use crate::specs::{self, Rules};

use super::program::Program;
use super::{daemon, images};

mod certificates;
mod stores;

/// Below this, a volume counts as nearly full.
const LITTLE: u64 = 5 << 30;
/// Below this, nothing can be relied on.
const NOTHING: u64 = 256 << 20;
/// The ports of outgoing connections (ip-sysctl.rst of the kernel's documentation).
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Ports that a host of ours may come to need.
const PORTS: u16 = 500;

/// Looks at everything that a working daemon needs.
pub(super) async fn look(globals: &Globals) -> Vec<Finding> {
    let settings = match Program::settings(globals) {
        Ok(settings) => settings,
        Err(why) => {
            let next = "set DB4SCI_MODE, or run: db4sci init";
            return vec![finding("settings", Health::Bad, why, Some(next))];
        }
    };
    let from = settings
        .file
        .as_ref()
        .map_or("built in".to_owned(), |f| f.display().to_string());
    let mut all = vec![finding(
        "settings",
        Health::Ok,
        format!("mode {}, {from}", settings.mode.as_str()),
        None,
    )];
    let docker = Docker::connect(None);
    let size = match docker.info().await {
        Ok(info) => {
            let message = format!(
                "engine {}, API {}, at {}",
                info.version,
                info.api,
                docker.host()
            );
            all.push(finding("docker", Health::Ok, message, None));
            Some(daemon::size_of(&info))
        }
        Err(error) => {
            let next = "start it: systemctl start docker";
            all.push(finding(
                "docker",
                Health::Bad,
                error.to_string(),
                Some(next),
            ));
            None
        }
    };
    all.push(room("state_dir", &settings.state_dir));
    for volume in &settings.data_volumes {
        all.push(room(&format!("volume {}", volume.label), &volume.path));
    }
    all.extend(certificates::certificates(&settings, SystemClock.now()));
    all.extend(stores::stores(&settings).await);
    all.push(group().await);
    if let Ok(text) = fs::read_to_string(OUTGOING) {
        all.extend(ports(settings.base_port, &text));
    }
    match daemon::rules(&settings, size) {
        Ok(rules) => {
            all.push(folder(&settings, &rules));
            if size.is_some() {
                all.extend(images(&settings, &docker).await);
            }
        }
        Err(problems) => {
            let next = "mend the catalog; running databases are not affected";
            all.push(finding(
                "catalog",
                Health::Bad,
                daemon::lines(problems),
                Some(next),
            ));
        }
    }
    all
}

fn finding(what: &str, health: Health, message: impl Into<String>, next: Option<&str>) -> Finding {
    Finding {
        what: what.to_owned(),
        health,
        message: message.into(),
        next: next.map(str::to_owned),
    }
}

/// Whether a folder is there, writable, and has room.
fn room(what: &str, path: &Path) -> Finding {
    let shown = path.display();
    if !path.is_dir() {
        let next = "mount it, or make it with: db4sci init";
        return finding(
            what,
            Health::Bad,
            format!("{shown} is not there"),
            Some(next),
        );
    }
    let free = match host::room::room(path) {
        Ok(room) => room.free,
        Err(error) => return finding(what, Health::Bad, format!("{shown}: {error}"), None),
    };
    if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        let next = "run this as the daemon's user";
        return finding(
            what,
            Health::Warn,
            format!("{shown} cannot be written by you"),
            Some(next),
        );
    }
    let message = format!("{shown}, {} free", rounded(free));
    let next = Some("free space there");
    if free < NOTHING {
        finding(what, Health::Bad, message, next)
    } else if free < LITTLE {
        finding(what, Health::Warn, message, next)
    } else {
        finding(what, Health::Ok, message, None)
    }
}

/// An amount of room without more digits than anybody wants to read.
fn rounded(bytes: u64) -> Memory {
    let unit = if bytes < 10 << 30 { 20 } else { 30 };
    Memory::from_bytes(bytes >> unit << unit)
}

/// Whether the system hands out databases' ports to outgoing connections, which then hold them.
/// `range` is the text of [`OUTGOING`].
fn ports(base: u16, range: &str) -> Option<Finding> {
    let mut ends = range.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else {
        return None;
    };
    let before = first.saturating_sub(base);
    if base > last || before >= PORTS {
        return None;
    }
    let message = format!(
        "base_port {base} leaves {before} ports before those that the system gives to outgoing \
         connections ({first} to {last}); such a connection can hold a database's port"
    );
    let next = "set a lower base_port, or: sysctl net.ipv4.ip_local_reserved_ports";
    Some(finding("ports", Health::Warn, message, Some(next)))
}

async fn group() -> Finding {
    match accounts::group_id("db4sci").await {
        Some(id) => finding("group db4sci", Health::Ok, format!("id {id}"), None),
        None => {
            let next = "for people who are not root: groupadd --system db4sci";
            finding(
                "group db4sci",
                Health::Warn,
                "there is none: only root may talk to the daemon",
                Some(next),
            )
        }
    }
}

fn folder(settings: &Settings, rules: &Rules) -> Finding {
    let shown = settings.desired_state.display();
    if !settings.desired_state.is_dir() {
        let next = "make it; databases that were admitted before go on running";
        return finding(
            "specs",
            Health::Bad,
            format!("{shown} is not there"),
            Some(next),
        );
    }
    let checked = specs::check(std::slice::from_ref(&settings.desired_state), rules);
    if checked.problems.is_empty() {
        finding(
            "specs",
            Health::Ok,
            format!("{} files in {shown}", checked.files),
            None,
        )
    } else {
        let count = checked.problems.len();
        finding(
            "specs",
            Health::Warn,
            format!("{count} problems in {shown}"),
            Some("see: db4sci check"),
        )
    }
}

/// Whether the images of the catalog are on this host: without a registry they must be. And
/// whether tags still name what databases run.
async fn images(settings: &Settings, docker: &Docker) -> Vec<Finding> {
    let all = match images::list(settings, docker).await {
        Ok(all) => all,
        Err(why) => return vec![finding("images", Health::Warn, why, None)],
    };
    let (here, missing): (Vec<_>, Vec<_>) = all.iter().partition(|image| image.id.is_some());
    let message = if missing.is_empty() {
        format!("all {} are on this host", here.len())
    } else {
        let missing: Vec<&str> = missing.iter().map(|i| i.reference.as_str()).collect();
        format!(
            "{} on this host; pulled when first needed, or brought by `db4sci images load`: {}",
            here.len(),
            missing.join(", ")
        )
    };
    let mut found = vec![finding("images", Health::Ok, message, None)];
    for image in all.iter().filter(|image| image.moved) {
        let stay: Vec<&str> = image.used_by.iter().map(DbName::as_str).collect();
        let message = format!(
            "the tag {} names another image by now, or none; these stay with theirs: {}",
            image.reference,
            stay.join(", ")
        );
        let next = "give the new image a row and a tag of its own in the catalog";
        found.push(finding("images", Health::Warn, message, Some(next)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_outgoing_connections_are_warned_of() {
        let range = "32768\t60999\n";
        assert!(ports(32010, range).is_none());
        assert!(ports(61000, range).is_none());
        let warned = ports(33010, range).unwrap();
        assert_eq!(warned.health, Health::Warn);
        assert!(
            warned.message.contains("33010 leaves 0 ports"),
            "{}",
            warned.message
        );
        assert!(
            ports(32700, range)
                .unwrap()
                .message
                .contains("leaves 68 ports")
        );
        assert!(ports(33010, "").is_none());
    }
}
