//! The next command for what is wrong.

use crate::model::view::{DatabaseView, Phase};
use crate::model::{DbName, Reason};

/// Whether a person has to act before a database can go on.
pub fn needs_person(view: &DatabaseView) -> bool {
    view.phase == Phase::Held
        || view.reason.is_some_and(Reason::needs_person)
        || view.held.iter().any(|held| held.reason.needs_person())
}

/// The reason that a person should look at first: one that needs them, or the phase's own.
pub fn foremost(view: &DatabaseView) -> Option<Reason> {
    let held = view.held.iter().map(|held| held.reason);
    view.reason
        .filter(|reason| reason.needs_person())
        .or_else(|| held.clone().find(|reason| reason.needs_person()))
        .or(view.reason)
        .or_else(|| held.clone().next())
}

/// The command that shows more about a reason, or ends it.
pub fn command(reason: Reason, name: &DbName) -> String {
    match reason {
        Reason::DataLost
        | Reason::DataForeign
        | Reason::DataUnmounted
        | Reason::DataBusy
        | Reason::PortInUse
        | Reason::NameConflict
        | Reason::Duplicate
        | Reason::ImagePullFailed
        | Reason::AnonymousVolume
        | Reason::Orphan
        | Reason::Renamed
        | Reason::NeedsSpecChange
        | Reason::RetireNeedsBackup => format!("db4sci describe {name}"),
        Reason::Quarantined
        | Reason::NotAnswering
        | Reason::LoginRefused
        | Reason::OOMKilled
        | Reason::CrashLoop => format!("db4sci logs {name}"),
        Reason::DiskFull | Reason::DiskPressure => "db4sci disk".to_owned(),
        Reason::InvalidSpec => "db4sci check".to_owned(),
        Reason::HalfMade | Reason::Backoff => format!("db4sci events {name}"),
        Reason::OutsideWindow | Reason::NeedsApproval => format!("db4sci plan {name}"),
        Reason::Overridden => format!("db4sci resume {name}"),
        Reason::Maintenance => format!("db4sci describe {name}"),
        Reason::Stopped | Reason::ReadOnly | Reason::Hibernated => format!("db4sci start {name}"),
        Reason::Starting => format!("db4sci wait {name} --for ready"),
        Reason::DockerUnavailable | Reason::Unknown | Reason::LedgerUnavailable => {
            "db4sci doctor".to_owned()
        }
    }
}

/// What ends a reason, for somebody who has read all about it.
pub fn remedy(reason: Reason, name: &DbName) -> String {
    let by_itself =
        format!("mend that; it is looked at again by itself: db4sci wait {name} --for ready");
    match reason {
        Reason::DataLost | Reason::DataForeign | Reason::DataUnmounted | Reason::DataBusy => {
            format!(
                "bring its data back to its place (nothing here deletes or overwrites any), then: \
                 db4sci wait {name} --for ready"
            )
        }
        Reason::DiskFull
        | Reason::DiskPressure
        | Reason::PortInUse
        | Reason::NameConflict
        | Reason::Duplicate => by_itself,
        Reason::Quarantined => {
            format!(
                "read why (db4sci logs {name}), mend it, then: db4sci release {name} --reason TEXT"
            )
        }
        Reason::InvalidSpec
        | Reason::Renamed
        | Reason::AnonymousVolume
        | Reason::NeedsSpecChange => {
            format!(
                "change its spec, then: db4sci plan {name}; or try as it is: db4sci retry {name}"
            )
        }
        Reason::RetireNeedsBackup => format!("see how far it is: db4sci backup list {name}"),
        Reason::Orphan => format!(
            "put its file back (db4sci export {name}), or, if it is gone for good: db4sci release {name} \
             --to-rows --reason TEXT"
        ),
        Reason::ImagePullFailed | Reason::Backoff => {
            format!("it is tried again by itself; at once: db4sci retry {name}")
        }
        Reason::HalfMade => format!("db4sci wait {name} --for ready"),
        Reason::OutsideWindow | Reason::NeedsApproval => {
            format!("read what it costs, and let it go: db4sci plan {name}")
        }
        Reason::Overridden | Reason::Maintenance => format!("db4sci resume {name}"),
        Reason::Stopped | Reason::ReadOnly | Reason::Hibernated => format!("db4sci start {name}"),
        Reason::Starting => format!("db4sci wait {name} --for ready"),
        Reason::NotAnswering | Reason::LoginRefused | Reason::CrashLoop => {
            format!("db4sci logs {name}")
        }
        Reason::OOMKilled => {
            format!("raise spec.resources.memory, then: db4sci plan {name}")
        }
        Reason::DockerUnavailable | Reason::Unknown | Reason::LedgerUnavailable => {
            "db4sci doctor".to_owned()
        }
    }
}
