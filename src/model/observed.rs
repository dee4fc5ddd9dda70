//! What was seen around one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::certificate::CertificateSeen;
use super::disk::Room;
use super::trial::Trial;
use super::{Class, ContainerSeen, DataIdentity, ImageId, ImageSeen, Reason, Seen, Timestamp, Uid};

/// Everything the planner knows about one database besides its spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenDatabase {
    /// Containers that carry its uid, or hold the name it wants. `Absent` is an empty list that
    /// the engine surely gave.
    pub containers: Seen<Vec<ContainerSeen>>,
    /// Its image on this host, by the pinned id where there is one.
    pub image: Seen<ImageSeen>,
    /// The image that its reference names on this host by now.
    pub tag: Seen<ImageId>,
    /// Its folder, marker and sentinel on the data volume.
    pub data: Seen<DataSeen>,
    /// Whether the files that its container mounts (guard, secrets, configuration) are in place.
    pub files: Seen<FilesSeen>,
    /// What its server last said.
    pub probe: Probe,
    /// How earlier attempts went.
    pub attempts: Attempts,
    /// Who holds a host port that it wants, if it is not its own container.
    pub port_owner: Option<(u16, String)>,
    /// While its container is down: who holds a host port that this has and the database no longer wants.
    pub left_port: Option<(u16, String)>,
    /// Whether the host answers a file system call on its state directory: without a place for
    /// intent nothing is done.
    pub ledger_writable: bool,
}

impl SeenDatabase {
    /// Nothing of it was looked at.
    pub fn unseen(why: &str) -> Self {
        SeenDatabase {
            containers: Seen::Unknown(why.to_owned()),
            image: Seen::Unknown(why.to_owned()),
            tag: Seen::Unknown(why.to_owned()),
            data: Seen::Unknown(why.to_owned()),
            files: Seen::Unknown(why.to_owned()),
            probe: Probe::NotAsked,
            attempts: Attempts::default(),
            port_owner: None,
            left_port: None,
            ledger_writable: true,
        }
    }
}

/// What was seen of a database's place on its volume. `Seen::Absent` means: neither folder nor
/// marker exist. `Unknown` covers a volume that is not mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSeen {
    /// The marker outside the data.
    pub marker: Option<Marker>,
    /// Whether every data folder exists.
    pub dirs_exist: bool,
    /// Whether the first data folder holds anything but our own file.
    pub empty: bool,
    /// Whether the engine's own file is there.
    pub sentinel: bool,
    /// The uid in the plain file inside the data, once there is one.
    pub inner_uid: Option<Uid>,
    /// What the engine itself calls the data. `None`: it keeps no such thing, or what it keeps is gone.
    #[serde(default)]
    pub identity: Option<DataIdentity>,
    /// The room on its volume, if that is too little.
    #[serde(default)]
    pub tight: Option<Room>,
}

/// A folder of the host, whatever its path: the file system, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderId(pub u64, pub u64);

/// The marker: what DB4Sci knows about a data folder, kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Whose data it is.
    pub uid: Uid,
    /// How far the first start got.
    pub state: MarkerState,
}

/// How far a database's first start got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MarkerState {
    /// Set before the first start. With the sentinel present and no running server, what lies
    /// there is half made: it is moved aside and begun again.
    Initialising,
    /// Set once login and account work, before Ready is announced. From then on the data is
    /// somebody's: never an empty directory again.
    Initialised,
    /// Set when it is released from db4sci, which touches nothing here from then on.
    Ejected,
}

/// What was seen of the files that a container mounts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilesSeen {
    /// Guard and configuration are there and current.
    pub complete: bool,
    /// The secrets that it needs are sealed, and their files say the same.
    pub secrets: bool,
    /// The settings that the server was last started with; clones share them.
    pub settings: Arc<BTreeMap<String, String>>,
    /// The configuration file's text that it was last started with, or that it took since.
    pub config: Option<String>,
    /// Another text that was being brought in, and was not to its end: of that one, too, the server
    /// may have something.
    pub config_tried: Option<String>,
    /// Whether the server has answered with them, and what it did not start with.
    pub trial: Trial,
    /// The certificate that lies among its files.
    pub certificate: Option<CertificateSeen>,
    /// The mark of the one that the server has read.
    pub in_use: Option<String>,
}

/// What a server last said to a query over its own protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// Nobody asked yet since its container started.
    #[default]
    NotAsked,
    /// It answered.
    Answering {
        /// Since when without a break.
        since: Timestamp,
        /// Its own version: `17.5`.
        version: String,
        /// Whether the user's account exists (login checked).
        account: bool,
        /// Which of the further accounts that were asked about exist.
        further: BTreeSet<String>,
        /// Databases whose text its library sorts otherwise than the one they were made with.
        #[serde(default)]
        resorted: BTreeSet<String>,
        /// Connections open now, its own apart, where the server tells.
        connections: Option<u32>,
    },
    /// It did not answer.
    Silent {
        /// Since when without a break; a server that said how it fares begins anew with its last word.
        since: Timestamp,
        /// Failed questions in a row, since then.
        failures: u32,
        /// What happened, for a person.
        why: String,
        /// What is known of the cause.
        cause: Silence,
        /// Whether it answered earlier in this run of its container: then it hangs, while one that
        /// never did may still be starting.
        answered_before: bool,
    },
}

/// Why a server does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Silence {
    /// Nobody knows: it is starting, hangs, or cannot be reached.
    #[default]
    Unexplained,
    /// It says itself that it comes up, recovers, or is full: it lives.
    NotReady,
    /// It refuses our password.
    Refused,
    /// It cannot read its own files.
    Damaged,
}

impl Probe {
    /// Whether it answered last time.
    pub fn answering(&self) -> bool {
        matches!(self, Probe::Answering { .. })
    }
}

/// How earlier attempts at one database went. Kept by the control loop, handed to the planner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// The steps that failed since they went well, or all was as it should be, each with its last failure;
    /// the newest is last.
    pub failed: Vec<FailedAttempt>,
    /// When runs of its container ended before the server was ready for a while, or hanging: those of
    /// late, oldest first, by a clock that stands still while a server is given long to come up.
    pub failed_runs: Vec<Timestamp>,
    /// When steps that were to bring it back failed, oldest first.
    #[serde(default)]
    pub failed_steps: Vec<Timestamp>,
    /// The run that is being judged: the container's start, and dockerd's own count of restarts.
    pub run: Option<(Timestamp, u32)>,
    /// Whether that run was ready for long enough to count as a success.
    pub run_was_ready: bool,
    /// Whether that run's end was judged already.
    pub run_judged: bool,
    /// Whether db4sci is about to stop that run, or has: then its end is no failure. Ended by a look
    /// that finds it running and nobody's hands on it.
    #[serde(default)]
    pub run_stopped: bool,
    /// Whether there is too little room on its volume: a run that ends now says nothing else.
    #[serde(default)]
    pub tight: bool,
    /// Whether the last run ended so, or was silent then, and none began with room since.
    #[serde(default)]
    pub starved: bool,
    /// When the kernel last killed it for its memory limit.
    pub oom_at: Option<Timestamp>,
}

/// Lanes that failed in a row at one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// How many in a row.
    pub count: u32,
    /// When the last of them failed.
    pub at: Timestamp,
    /// The kind of the step that failed.
    pub step: String,
    /// What it asks for.
    pub class: Class,
    /// Why, as far as the failure has a word of its own.
    pub reason: Reason,
    /// What happened, for a person.
    pub message: String,
    /// The generation it was tried for.
    pub generation: u64,
}
