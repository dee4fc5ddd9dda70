//! What the planner says and the executor does: the common language of the two.

use serde::{Deserialize, Serialize};

use super::{
    ContainerId, ContainerSpec, DataIdentity, DbName, ImageId, ImageRef, RestartPolicy, Timestamp,
};

mod settings;

pub use settings::{NewConfig, Renewal, Settings};

/// The kind of a step that starts a container.
pub const START: &str = "start";
/// The word for tables of `mydb_admin` that were made again from the ledger.
pub const MENDED: &str = "mend_tables";
/// The word for an own login to `mydb_admin` that was refused, and is made right again.
pub const LET_IN: &str = "let_in";
/// The word for tables of `mydb_admin` that were older than they had been.
pub const ROLLED_BACK: &str = "rolled_back";
/// The word for tables of `mydb_admin` whose server lost what it had not yet written to its disk.
pub const LAST_MOMENTS: &str = "last_moments";

/// One step on one database. Every step is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Get the image.
    PullImage(ImageRef),
    /// Record the image's id with the database.
    PinImage(ImageId),
    /// Record the engine's own identity of its data with the database.
    IdentifyData(DataIdentity),
    /// Make the data folders (0700, owned by the engine's user) and the marker `initialising`.
    PrepareData,
    /// Move a half-made data folder aside: nobody's data yet.
    SetAsideHalfMade,
    /// Seal the secrets that are not yet, and write guard, secrets, certificate and configuration.
    /// Only while the server is down, since what is written counts as what it was started with.
    WriteFiles,
    /// Write its files with those settings as they were when its server last answered that its log names as
    /// what it did not start with, and keep its words. Only while it is down.
    TakeBack,
    /// Record among its files that its server answers with what they say.
    ProveSettings,
    /// Seal the secrets that are not yet, and write their files; a running server does not notice.
    WriteSecrets,
    /// Bring these settings, and a new certificate, into a running server and into its files.
    Reload(Settings),
    /// Create the container; it is looked for by uid first.
    Create(Box<ContainerSpec>),
    /// Start it.
    Start(ContainerId),
    /// Unfreeze it.
    Unpause(ContainerId),
    /// Give it another name.
    Rename(ContainerId, String),
    /// Change limits in place.
    Update(ContainerId, Limits),
    /// Set the restart policy.
    SetPolicy(ContainerId, RestartPolicy),
    /// Stop it in order; killed only after the engine's own deadline.
    Stop(ContainerId, StopHow),
    /// Remove the container; never its data.
    Remove(ContainerId),
    /// Make the user's account and database over the engine's protocol.
    EnsureAccount,
    /// Make a further account over the engine's protocol, or give it the password and rights that it has
    /// by the ledger.
    MakeAccount(String),
    /// Take a further account away from its server; its sessions end.
    DropAccount(String),
    /// Give the server the offered passwords, then take them as those in force.
    RotateSecrets,
    /// Set the marker to `initialised` and put the uid inside the data.
    MarkInitialised,
    /// Keep logs, inspect data and the reason in `quarantine/NAME/`, and record the quarantine.
    Quarantine(String),
}

/// Limits that can be changed while a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Bytes; swap is set to the same, since alone it is refused when it passes the old swap limit.
    pub memory: u64,
    /// Billionths of a core; 0 is none.
    pub nano_cpus: i64,
}

/// How to stop a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopHow {
    /// Seconds before it is killed.
    pub deadline: u32,
    /// Whether it is known to hang: then the deadline is short.
    pub hung: bool,
}

impl Action {
    /// A short name: the metric's label and the word in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Action::PullImage(_) => "pull",
            Action::PinImage(_) => "pin",
            Action::IdentifyData(_) => "identify",
            Action::PrepareData => "prepare",
            Action::SetAsideHalfMade => "set_aside",
            Action::WriteFiles => "write_files",
            Action::TakeBack => "take_back",
            Action::ProveSettings => "prove_settings",
            Action::WriteSecrets => "write_secrets",
            Action::Reload(_) => "reload",
            Action::Create(_) => "create",
            Action::Start(_) => START,
            Action::Unpause(_) => "unpause",
            Action::Rename(..) => "rename",
            Action::Update(..) => "update",
            Action::SetPolicy(..) => "set_policy",
            Action::Stop(..) => "stop",
            Action::Remove(_) => "remove",
            Action::EnsureAccount => "account",
            Action::MakeAccount(_) => "make_account",
            Action::DropAccount(_) => "drop_account",
            Action::RotateSecrets => "rotate",
            Action::MarkInitialised => "mark_initialised",
            Action::Quarantine(_) => "quarantine",
        }
    }

    /// Whether a server has other accounts afterwards.
    pub fn changes_accounts(&self) -> bool {
        matches!(
            self,
            Action::EnsureAccount | Action::MakeAccount(_) | Action::DropAccount(_)
        )
    }

    /// Whether it takes something from a database's users: then the executor looks again first.
    pub fn is_destructive(&self) -> bool {
        match self {
            Action::Stop(..)
            | Action::Remove(_)
            | Action::SetAsideHalfMade
            | Action::Quarantine(_) => true,
            Action::PullImage(_)
            | Action::PinImage(_)
            | Action::IdentifyData(_)
            | Action::PrepareData
            | Action::WriteFiles
            | Action::TakeBack
            | Action::ProveSettings
            | Action::WriteSecrets
            | Action::Reload(_)
            | Action::Create(_)
            | Action::Start(_)
            | Action::Unpause(_)
            | Action::Rename(..)
            | Action::Update(..)
            | Action::SetPolicy(..)
            | Action::EnsureAccount
            | Action::MakeAccount(_)
            | Action::DropAccount(_)
            | Action::RotateSecrets
            | Action::MarkInitialised => false,
        }
    }
}

/// The ordered steps for one database. A failed step ends the lane; the next look plans anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// The database.
    pub name: DbName,
    /// The generation it was planned for; another one voids it.
    pub generation: u64,
    /// The container it was planned for, if there was one; another one voids its destructive steps.
    pub container: Option<ContainerId>,
    /// The steps.
    pub actions: Vec<Action>,
    /// Why, for people: `memory 2Gi -> 4Gi`.
    pub why: Vec<String>,
    /// What it costs the database's users.
    pub cost: Cost,
    /// Whether it repairs what broke (counted against quarantine) rather than changes what works.
    pub repair: bool,
    /// Whether it takes a server away that answers, and repairs nothing: the blast radius counts it.
    #[serde(default)]
    pub counts: bool,
    /// What of its data is at risk while it is carried out, if anything: one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// The approval that lets it go, if it needed one: its end uses that up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
}

impl Lane {
    /// Whether it stops a server in order: not because that is broken.
    pub fn stops_in_order(&self) -> bool {
        let in_order = |action: &Action| matches!(action, Action::Stop(_, how) if !how.hung);
        self.actions.iter().any(in_order)
    }
}

/// What a lane costs the database's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cost {
    /// Nothing.
    None,
    /// Connections are cut and the server is away for a short while.
    Restart,
    /// As `Restart`; the container is another one afterwards, on the same data.
    Recreate,
    /// The server is away until a person says otherwise.
    Stop,
}

/// What the planner says about one database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What to do now.
    pub lane: Option<Lane>,
    /// What is not done, why, and until when.
    pub held: Vec<Held>,
    /// When to look again even if nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// Something that is not done (now), and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Why.
    pub reason: Reason,
    /// What is held, and what a person can do about it; one line.
    pub message: String,
    /// When it is tried by itself; `None`: when something changes.
    pub until: Option<Timestamp>,
    /// What would be done (shown by `plan`), where that is known.
    pub would: Option<Box<Lane>>,
}

/// Why something is held, or a database not plainly Ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Data that was there is not: the directory is empty, or the engine's own file is gone.
    DataLost,
    /// The directory holds another database's data.
    DataForeign,
    /// The directory or its volume is not there.
    DataUnmounted,
    /// Another server holds the directory's lock.
    DataBusy,
    /// A first start was cut off halfway; it is begun again.
    HalfMade,
    /// Repairs failed too often; left alone.
    Quarantined,
    /// No space left where it writes.
    DiskFull,
    /// Little space left on its volume.
    DiskPressure,
    /// Its host port belongs to somebody else.
    PortInUse,
    /// A foreign container holds its name.
    NameConflict,
    /// Two containers carry its uid.
    Duplicate,
    /// The image could not be had.
    ImagePullFailed,
    /// The image declares a volume that no mount of ours covers.
    AnonymousVolume,
    /// The spec is refused; the last good one stays in force.
    InvalidSpec,
    /// Its file is gone; its spec stays in force.
    Orphan,
    /// The name was changed in the file.
    Renamed,
    /// The last attempt failed; the next one waits.
    Backoff,
    /// The spec must change before another attempt makes sense.
    NeedsSpecChange,
    /// Waits for the maintenance window, or a person's approval.
    OutsideWindow,
    /// Waits for a person's approval: data is at risk, or more databases would be disrupted than may
    /// be without one.
    NeedsApproval,
    /// A person's stop, start or maintenance is in force over the file.
    Overridden,
    /// Maintenance: hands off.
    Maintenance,
    /// It is coming up, within its deadline.
    Starting,
    /// It runs and does not answer.
    NotAnswering,
    /// Its server runs and refuses db4sci's own login.
    LoginRefused,
    /// The kernel killed it for its memory limit.
    OOMKilled,
    /// It exits again and again.
    CrashLoop,
    /// Docker does not answer; nothing is concluded from that.
    DockerUnavailable,
    /// Something that must be known before acting is not known.
    Unknown,
    /// No intent can be written, so nothing is done.
    LedgerUnavailable,
    /// A retirement needs a final verified backup first.
    RetireNeedsBackup,
    /// It is stopped because its spec says so.
    Stopped,
    /// Its life is over, and its users may only read.
    ReadOnly,
    /// Its life is over; it is stopped, after a final backup.
    Hibernated,
}

impl Reason {
    /// The word in tables and labels.
    pub fn as_str(self) -> String {
        format!("{self:?}")
    }

    /// Whether its data is gone, not its own, or cannot be seen.
    pub fn no_data(self) -> bool {
        matches!(
            self,
            Reason::DataLost | Reason::DataForeign | Reason::DataUnmounted | Reason::DataBusy
        )
    }

    /// Whether a person has to act before it can go on.
    pub fn needs_person(self) -> bool {
        match self {
            Reason::DataLost
            | Reason::DataForeign
            | Reason::DataUnmounted
            | Reason::DataBusy
            | Reason::Quarantined
            | Reason::PortInUse
            | Reason::NameConflict
            | Reason::Duplicate
            | Reason::AnonymousVolume
            | Reason::InvalidSpec
            | Reason::Renamed
            | Reason::NeedsSpecChange
            | Reason::RetireNeedsBackup
            | Reason::DiskFull
            | Reason::DiskPressure
            | Reason::LedgerUnavailable
            | Reason::NeedsApproval
            | Reason::Orphan => true,
            Reason::HalfMade
            | Reason::ImagePullFailed
            | Reason::Backoff
            | Reason::OutsideWindow
            | Reason::Overridden
            | Reason::Maintenance
            | Reason::Starting
            | Reason::NotAnswering
            | Reason::LoginRefused
            | Reason::OOMKilled
            | Reason::CrashLoop
            | Reason::DockerUnavailable
            | Reason::Unknown
            | Reason::Stopped
            | Reason::ReadOnly
            | Reason::Hibernated => false,
        }
    }
}
