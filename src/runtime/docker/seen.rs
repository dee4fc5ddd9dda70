//! From Docker's answers to what was seen.

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HostConfig, ImageInspect, MountPoint,
    RestartPolicy as DockerPolicy, RestartPolicyNameEnum,
};
use chrono::{DateTime, Datelike, Utc};

use super::list::Row;
use crate::model::{
    ContainerId, ContainerSeen, ImageId, ImageSeen, MountSeen, PortBinding, RestartPolicy, Status,
    Timestamp,
};
use crate::runtime::{ContainerBrief, RuntimeError};

/// What an inspect shows. An answer without id or status is an error, not a guess.
pub(super) fn container(answer: ContainerInspectResponse) -> Result<ContainerSeen, RuntimeError> {
    let id = answer.id.unwrap_or_default();
    let missing =
        |what: &str| RuntimeError::Engine(format!("inspect {id}: no {what} in the answer"));
    if id.is_empty() {
        return Err(missing("id"));
    }
    let state = answer.state.ok_or_else(|| missing("state"))?;
    let status = state
        .status
        .and_then(status)
        .ok_or_else(|| missing("status"))?;
    let image = answer.image.ok_or_else(|| missing("image"))?;
    let host = answer.host_config.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    Ok(ContainerSeen {
        name: bare_name(&answer.name.unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        image: ImageId(image),
        status,
        exit_code: state.exit_code.unwrap_or(0),
        oom_killed: state.oom_killed.unwrap_or(false),
        error: state.error.unwrap_or_default(),
        started_at: state.started_at.as_deref().and_then(instant),
        finished_at: state.finished_at.as_deref().and_then(instant),
        restart_count: answer
            .restart_count
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        memory: natural(host.memory),
        nano_cpus: nano_cpus(&host),
        shm: natural(host.shm_size),
        restart: policy(host.restart_policy.as_ref()),
        mounts: answer
            .mounts
            .unwrap_or_default()
            .into_iter()
            .map(mount)
            .collect(),
        ports: ports(&host),
        pid: state
            .pid
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n > 0),
        id: ContainerId(id),
    })
}

/// One row of the list.
pub(super) fn brief(row: Row) -> Result<ContainerBrief, RuntimeError> {
    let Some(id) = row.id.filter(|id| !id.is_empty()) else {
        return Err(RuntimeError::Engine(
            "list: a container without an id".to_owned(),
        ));
    };
    let mut host_ports: Vec<u16> = row
        .ports
        .unwrap_or_default()
        .iter()
        .filter_map(|p| p.public_port.and_then(|port| u16::try_from(port).ok()))
        .collect();
    // IPv4 and IPv6 are two rows of the same port.
    host_ports.sort_unstable();
    host_ports.dedup();
    // A container with links has further names, such as `/other/alias`.
    let names = row.names.unwrap_or_default();
    let name = names
        .iter()
        .map(|n| bare_name(n))
        .find(|n| !n.contains('/'))
        .unwrap_or_default();
    let up = match row.state.as_deref() {
        Some("created" | "exited" | "removing" | "dead") => false,
        Some("") | None => {
            return Err(RuntimeError::Engine(format!("list: no state of {name}")));
        }
        // `running`, `paused`, `restarting`, `stopping`; and a newer engine's word that this program
        // does not know, which must not count as a container at rest.
        Some(_) => true,
    };
    Ok(ContainerBrief {
        id: ContainerId(id),
        name,
        labels: row.labels.unwrap_or_default().into_iter().collect(),
        up,
        host_ports,
    })
}

/// What an image's inspect shows.
pub(super) fn image(answer: ImageInspect) -> Result<ImageSeen, RuntimeError> {
    let Some(id) = answer.id.filter(|id| !id.is_empty()) else {
        return Err(RuntimeError::Engine(
            "inspect image: no id in the answer".to_owned(),
        ));
    };
    let config = answer.config.unwrap_or_default();
    let mut volumes = config.volumes.unwrap_or_default();
    volumes.sort();
    Ok(ImageSeen {
        id: ImageId(id),
        entrypoint: config.entrypoint.unwrap_or_default(),
        volumes,
    })
}

fn status(status: ContainerStateStatusEnum) -> Option<Status> {
    match status {
        ContainerStateStatusEnum::CREATED => Some(Status::Created),
        // Its process still runs while it is told to stop.
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => {
            Some(Status::Running)
        }
        ContainerStateStatusEnum::PAUSED => Some(Status::Paused),
        ContainerStateStatusEnum::RESTARTING => Some(Status::Restarting),
        ContainerStateStatusEnum::REMOVING => Some(Status::Removing),
        ContainerStateStatusEnum::EXITED => Some(Status::Exited),
        ContainerStateStatusEnum::DEAD => Some(Status::Dead),
        ContainerStateStatusEnum::EMPTY => None,
    }
}

fn policy(policy: Option<&DockerPolicy>) -> RestartPolicy {
    match policy.and_then(|p| p.name) {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => RestartPolicy::No,
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED | RestartPolicyNameEnum::ON_FAILURE) => {
            RestartPolicy::Other
        }
    }
}

fn mount(point: MountPoint) -> MountSeen {
    let is_volume = point.typ.as_deref() == Some("volume");
    let name = point.name.unwrap_or_default();
    MountSeen {
        source: point.source.unwrap_or_default().into(),
        target: point.destination.unwrap_or_default(),
        anonymous: is_volume && is_random_name(&name),
    }
}

/// Docker gives a volume without a name 64 random hexadecimal digits.
fn is_random_name(name: &str) -> bool {
    name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit())
}

/// `NanoCpus`, or the quota that a person has set by hand in its stead.
fn nano_cpus(host: &HostConfig) -> i64 {
    match (host.nano_cpus, host.cpu_quota, host.cpu_period) {
        (Some(n), _, _) if n > 0 => n,
        (_, Some(quota), period) if quota > 0 => {
            let period = period.filter(|p| *p > 0).unwrap_or(100_000);
            quota.saturating_mul(1_000_000_000) / period
        }
        _ => 0,
    }
}

fn ports(host: &HostConfig) -> Vec<PortBinding> {
    let mut ports = Vec::new();
    for (key, bindings) in host.port_bindings.iter().flatten() {
        let Some(container) = key.strip_suffix("/tcp").and_then(|p| p.parse().ok()) else {
            continue;
        };
        for binding in bindings.iter().flatten() {
            let host = binding.host_port.as_deref().and_then(|p| p.parse().ok());
            let ip = match binding.host_ip.as_deref() {
                None | Some("") => Some([0, 0, 0, 0].into()),
                Some(text) => text.parse().ok(),
            };
            if let (Some(host), Some(ip)) = (host, ip) {
                ports.push(PortBinding {
                    container,
                    host,
                    ip,
                });
            }
        }
    }
    ports.sort();
    ports
}

fn bare_name(name: &str) -> String {
    name.strip_prefix('/').unwrap_or(name).to_owned()
}

fn natural(n: Option<i64>) -> u64 {
    n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// Docker writes year 1 for "never".
fn instant(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    (at.year() > 1).then_some(at)
}

#[cfg(test)]
mod tests;
