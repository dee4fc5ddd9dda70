use super::*;

const RUNNING: &str = include_str!("inspect_running.json");

fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> ContainerSeen {
    let mut json: serde_json::Value = serde_json::from_str(RUNNING).unwrap();
    edit(&mut json);
    container(serde_json::from_value(json).unwrap()).unwrap()
}

#[test]
fn an_inspect_becomes_what_the_planner_reads() {
    let seen = edited(|_| {});
    assert_eq!(seen.name, "genomics");
    assert_eq!(seen.status, Status::Running);
    assert_eq!(seen.labels["db4sci.name"], "genomics");
    assert_eq!(seen.memory, 2 << 30);
    assert_eq!(seen.nano_cpus, 1_500_000_000);
    assert_eq!(seen.shm, 256 << 20);
    assert_eq!(seen.restart, RestartPolicy::Always);
    assert_eq!(seen.restart_count, 2);
    assert_eq!(seen.pid, Some(4711));
    assert_eq!(
        seen.ports,
        [PortBinding {
            container: 5432,
            host: 32011,
            ip: [127, 0, 0, 1].into()
        }]
    );
    assert_eq!(
        seen.started_at.unwrap().to_rfc3339(),
        "2026-11-22T16:02:58.806212413+00:00"
    );
    assert_eq!(seen.finished_at, None, "year 1 means never");
}

#[test]
fn the_status_counts_and_not_the_running_flag() {
    let seen = edited(|json| json["State"]["Status"] = "restarting".into());
    assert_eq!(seen.status, Status::Restarting);
    let seen = edited(|json| json["State"]["Status"] = "paused".into());
    assert_eq!(seen.status, Status::Paused);
}

#[test]
fn a_volume_without_a_name_is_anonymous_and_a_bind_is_not() {
    let seen = edited(|_| {});
    let anonymous: Vec<(&str, bool)> = seen
        .mounts
        .iter()
        .map(|m| (m.target.as_str(), m.anonymous))
        .collect();
    assert_eq!(
        anonymous,
        [
            ("/var/lib/postgresql/data", false),
            ("/var/lib/postgresql/extra", true),
            ("/named", false)
        ]
    );
}

#[test]
fn a_policy_that_a_person_has_set_is_seen_as_another() {
    let seen = edited(|json| {
        json["HostConfig"]["RestartPolicy"]["Name"] = "unless-stopped".into();
    });
    assert_eq!(seen.restart, RestartPolicy::Other);
}

#[test]
fn a_quota_set_by_hand_counts_as_a_processor_limit() {
    let seen = edited(|json| {
        json["HostConfig"]["NanoCpus"] = 0.into();
        json["HostConfig"]["CpuQuota"] = 50_000.into();
        json["HostConfig"]["CpuPeriod"] = 100_000.into();
    });
    assert_eq!(seen.nano_cpus, 500_000_000);
}

#[test]
fn a_port_without_an_address_is_bound_to_all() {
    let seen = edited(|json| {
        json["HostConfig"]["PortBindings"]["5432/tcp"][0]["HostIp"] = "".into();
    });
    assert_eq!(seen.ports[0].ip.to_string(), "0.0.0.0");
}

#[test]
fn an_answer_without_a_status_is_an_error_and_no_guess() {
    let mut json: serde_json::Value = serde_json::from_str(RUNNING).unwrap();
    json["State"]["Status"] = "".into();
    assert!(container(serde_json::from_value(json).unwrap()).is_err());
}

#[test]
fn a_row_of_the_list_names_each_host_port_once() {
    let row = serde_json::json!({
        "Id": "ab", "Names": ["/other/alias", "/genomics"], "State": "running", "Labels": {"a": "b"},
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 5432, "PublicPort": 32011, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 5432, "PublicPort": 32011, "Type": "tcp"},
            {"PrivatePort": 9000, "Type": "tcp"}
        ]
    });
    let brief = brief(serde_json::from_value(row).unwrap()).unwrap();
    assert_eq!(brief.name, "genomics");
    assert_eq!(brief.host_ports, [32011]);
    assert!(brief.up);
}

#[test]
fn an_image_shows_its_entrypoint_and_volumes() {
    let answer = serde_json::json!({
        "Id": "sha256:ab",
        "Config": {"Entrypoint": ["docker-entrypoint.sh"], "Volumes": {"/b": {}, "/a": {}}}
    });
    let seen = image(serde_json::from_value(answer).unwrap()).unwrap();
    assert_eq!(seen.entrypoint, ["docker-entrypoint.sh"]);
    assert_eq!(seen.volumes, ["/a", "/b"]);
    let bare =
        serde_json::json!({"Id": "sha256:ab", "Config": {"Entrypoint": null, "Volumes": null}});
    assert!(
        image(serde_json::from_value(bare).unwrap())
            .unwrap()
            .volumes
            .is_empty()
    );
}
