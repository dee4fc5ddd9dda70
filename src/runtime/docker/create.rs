//! From our `ContainerSpec` to Docker's request.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as DockerMount, MountType,
    PortBinding as DockerPort, RestartPolicy as DockerPolicy, RestartPolicyNameEnum,
};

use crate::model::{ContainerSpec, Mount, PortBinding, RestartPolicy};
use crate::runtime::RuntimeError;

/// The request that makes a container of this spec.
pub(super) fn body(spec: &ContainerSpec) -> Result<ContainerCreateBody, RuntimeError> {
    let memory = bytes("memory", spec.memory)?;
    // Taken apart without `..`: a new field that nobody applies does not compile.
    let ContainerSpec {
        name: _,
        image,
        reference: _,
        entrypoint,
        command,
        env,
        labels,
        mounts,
        ports,
        memory: _,
        nano_cpus,
        shm,
        restart,
        stop_signal,
        stop_timeout,
    } = spec;
    Ok(ContainerCreateBody {
        image: Some(image.as_str().to_owned()),
        entrypoint: Some(entrypoint.clone()),
        cmd: Some(command.clone()),
        env: Some(env.iter().map(|(k, v)| format!("{k}={v}")).collect()),
        labels: Some(hash_map(labels)),
        exposed_ports: Some(ports.iter().map(|p| port_key(p.container)).collect()),
        stop_signal: Some(stop_signal.clone()),
        stop_timeout: Some(i64::from(*stop_timeout)),
        host_config: Some(HostConfig {
            mounts: Some(mounts.iter().map(bind).collect()),
            port_bindings: Some(port_map(ports)),
            memory: Some(memory),
            // The same number is no swap at all; leaving it out would allow as much again.
            memory_swap: Some(memory),
            nano_cpus: Some(*nano_cpus),
            shm_size: Some(bytes("shm", *shm)?),
            restart_policy: Some(policy(*restart)?),
            log_config: Some(limited_log()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

/// Docker's restart policy for ours.
pub(super) fn policy(policy: RestartPolicy) -> Result<DockerPolicy, RuntimeError> {
    let name = match policy {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::Always => RestartPolicyNameEnum::ALWAYS,
        RestartPolicy::Other => {
            return Err(RuntimeError::Refused(
                "the restart policy `Other` can be seen and not set".to_owned(),
            ));
        }
    };
    Ok(DockerPolicy {
        name: Some(name),
        maximum_retry_count: None,
    })
}

/// A bind by the API's mounts, which refuse a missing source; `Binds` would make the folder, as
/// would `BindOptions.CreateMountpoint`, and a database on an unmounted volume would start empty.
pub(super) fn bind(mount: &Mount) -> DockerMount {
    DockerMount {
        typ: Some(MountType::BIND),
        source: Some(mount.source.display().to_string()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..DockerMount::default()
    }
}

/// Bytes as Docker counts them.
pub(super) fn bytes(what: &str, n: u64) -> Result<i64, RuntimeError> {
    i64::try_from(n).map_err(|_| RuntimeError::Refused(format!("{what}: {n} bytes is too much")))
}

/// A server that logs every statement must not fill the engine's disk.
fn limited_log() -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(HashMap::from([
            ("max-size".to_owned(), "10m".to_owned()),
            ("max-file".to_owned(), "3".to_owned()),
        ])),
    }
}

fn port_key(port: u16) -> String {
    format!("{port}/tcp")
}

fn port_map(ports: &[PortBinding]) -> HashMap<String, Option<Vec<DockerPort>>> {
    let mut map: HashMap<String, Option<Vec<DockerPort>>> = HashMap::new();
    for port in ports {
        map.entry(port_key(port.container))
            .or_default()
            .get_or_insert_default()
            .push(DockerPort {
                host_ip: Some(port.ip.to_string()),
                host_port: Some(port.host.to_string()),
            });
    }
    map
}

pub(super) fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ImageId, Labels};

    fn spec() -> ContainerSpec {
        ContainerSpec {
            name: "genomics".to_owned(),
            image: ImageId("sha256:ab".to_owned()),
            reference: "postgres:17".parse().unwrap(),
            entrypoint: vec!["/bin/sh".to_owned()],
            command: vec!["postgres".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            labels: Labels::default(),
            mounts: vec![Mount {
                source: "/data/genomics".into(),
                target: "/var/lib/postgresql/data".to_owned(),
                read_only: false,
            }],
            ports: vec![PortBinding {
                container: 5432,
                host: 32011,
                ip: [127, 0, 0, 1].into(),
            }],
            memory: 2 << 30,
            nano_cpus: 1_500_000_000,
            shm: 256 << 20,
            restart: RestartPolicy::Always,
            stop_signal: "SIGINT".to_owned(),
            stop_timeout: 300,
        }
    }

    #[test]
    fn a_container_gets_no_swap_beyond_its_memory() {
        let host = body(&spec()).unwrap().host_config.unwrap();
        assert_eq!(host.memory, Some(2 << 30));
        assert_eq!(host.memory_swap, Some(2 << 30));
    }

    #[test]
    fn a_missing_bind_source_is_left_to_docker_to_refuse() {
        let host = body(&spec()).unwrap().host_config.unwrap();
        assert_eq!(host.binds, None);
        let mount = &host.mounts.unwrap()[0];
        assert_eq!(mount.typ, Some(MountType::BIND));
        assert_eq!(mount.bind_options, None);
    }

    #[test]
    fn a_published_port_is_exposed_and_bound_to_its_address() {
        let body = body(&spec()).unwrap();
        assert_eq!(body.exposed_ports, Some(vec!["5432/tcp".to_owned()]));
        let ports = body.host_config.unwrap().port_bindings.unwrap();
        let bound = ports["5432/tcp"].as_ref().unwrap();
        assert_eq!(bound[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(bound[0].host_port.as_deref(), Some("32011"));
    }

    #[test]
    fn the_log_is_limited() {
        let log = body(&spec())
            .unwrap()
            .host_config
            .unwrap()
            .log_config
            .unwrap();
        assert_eq!(log.typ.as_deref(), Some("json-file"));
        assert!(log.config.unwrap().contains_key("max-size"));
    }

    #[test]
    fn a_policy_that_is_not_ours_cannot_be_set() {
        assert!(policy(RestartPolicy::Other).is_err());
    }
}
