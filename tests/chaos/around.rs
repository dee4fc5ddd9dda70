//! What befalls the host around the servers: its container engine, its disk, its firewall. Only on an engine
//! and a volume of the run's own.

use std::fs;

use crate::dice::Dice;
use crate::harms::AWAY;
use crate::host::Host;
use crate::small_disk::{fill_up, resize, small};

/// What the volume of the run has, in MiB.
const VOLUME: u32 = 6000;

/// Gives a host a data volume of its own that can be filled up.
#[track_caller]
pub fn own_volume(host: &Host) {
    small(&host.path("volume"), VOLUME);
}

/// The volume takes no byte more for a while.
pub fn disk_is_full(host: &Host, dice: &mut Dice) {
    let volume = host.path("volume");
    fill_up(&volume);
    dice.linger(AWAY * 4);
    resize(&volume, VOLUME);
}

/// SIGKILL to dockerd, and another one after a while: until then containers live on.
pub fn engine_killed(host: &Host, dice: &mut Dice) {
    host.engine().kill();
    dice.linger(AWAY);
    host.engine().restart();
}

/// dockerd does not answer for a while.
pub fn engine_frozen(host: &Host, dice: &mut Dice) {
    host.engine().pause();
    dice.linger(AWAY * 4);
    host.engine().resume();
}

/// The rules of the engine's network are gone, and others let nothing through to any server for a while.
pub fn firewalled(host: &Host, dice: &mut Dice) {
    let rule = |words: &[&str]| {
        let mut command = host.engine().exec("iptables");
        let done = command.arg("--wait").args(words).status();
        assert!(done.unwrap().success(), "iptables {words:?}");
    };
    // One rule takes fifteen, and a host has fourteen.
    let ports = (0..14).map(|n| host.port(n));
    let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
    let wall = [
        "INPUT",
        "-p",
        "tcp",
        "-m",
        "multiport",
        "--dports",
        &ports.join(","),
        "-j",
        "DROP",
    ];
    rule(&["-t", "nat", "-F"]);
    rule(&[&["-I"][..], &wall].concat());
    dice.linger(AWAY * 4);
    rule(&[&["-D"][..], &wall].concat());
}

/// Bytes that the daemon holds in memory.
pub fn memory(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("{status}")) << 10
}
