//! Pure data that every other module speaks in: names, databases, containers, actions, events.
//!
//! This folder decides nothing and touches nothing: no I/O, no clock, no logging. A newtype here
//! carries its rule, so that a value that exists is a value that is allowed.

pub mod account;
pub mod action;
pub mod audit;
pub mod backup;
pub mod certificate;
pub mod change;
pub mod class;
pub mod coming;
pub mod container;
mod contents;
pub mod database;
pub mod disk;
pub mod engine_kind;
pub mod files;
pub mod guard;
pub mod history;
pub mod identity;
pub mod labels;
pub mod mail;
pub mod names;
pub mod observed;
pub mod over;
pub mod owners;
pub mod problem;
pub mod quantity;
mod reached;
pub mod retired;
pub mod sealed;
pub mod secret;
pub mod seen;
pub mod segment;
pub mod server;
pub mod session;
pub mod site;
pub mod span;
pub mod stewardship;
pub mod time;
pub mod trial;
pub mod view;
pub mod who;
pub mod work;

pub use action::{Action, Cost, Held, Lane, Reason, Verdict};
pub use backup::{
    Backup, BackupId, BackupKind, BackupPolicy, BackupState, BackupWindow, Retention, Schedule,
    Slot, Verify,
};
pub use certificate::{CertificateSeen, Origin};
pub use change::{Change, Entry, Outcome};
pub use class::Class;
pub use coming::Coming;
pub use container::{
    ContainerSeen, ContainerSpec, ImageSeen, Mount, MountSeen, PortBinding, RestartPolicy, Status,
};
pub use contents::Contents;
pub use database::{Database, Source, WantedState};
pub use engine_kind::EngineKind;
pub use files::{FilesNamed, FilesWanted, ReleasedFiles, SecretFile, SecretKind};
pub use history::{Away, Expectations, Expected, Took};
pub use identity::{DataIdentity, IdentityFile};
pub use labels::Labels;
pub use names::{ContainerId, DbName, HostPort, ImageId, ImageRef, Uid};
pub use observed::{
    Attempts, DataSeen, FailedAttempt, FilesSeen, FolderId, Marker, MarkerState, Probe,
    SeenDatabase, Silence,
};
pub use over::{Override, OverrideState};
pub use owners::{OwnerLimits, Owners, Share, Taken};
pub use problem::{Place, Problem};
pub use quantity::{Cpus, Memory};
pub use retired::{End, KeepRetired, Tombstone};
pub use sealed::{KeptSecret, KeptSecrets, KeyId, Sealed, SecretText};
pub use secret::Secret;
pub use seen::Seen;
pub use segment::{Copied, Link, Segment, Shipped};
pub use site::Site;
pub use stewardship::{Enforce, Enforced, Hibernation, Measure, Notice, Protection, Stage, Told};
pub use time::{Clock, SystemClock, Timestamp, ToSecond};
pub use who::Who;
