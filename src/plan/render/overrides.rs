//! Whose word is in force over specs, for somebody who asks why nothing is planned.

use serde_json::{Value, json};

use crate::model::view::DatabaseView;
use crate::model::{Override, OverrideState};

/// A person's word over one spec, or over all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Overridden {
    /// The database; `None`: every one of the host.
    pub name: Option<String>,
    /// The word.
    pub over: Override,
}

/// Each word in force, in the databases' order. The host's stands there once, first.
pub fn of(databases: &[DatabaseView]) -> Vec<Overridden> {
    let of_view = |view: &DatabaseView| {
        let name = (!view.whole_host).then(|| view.name.to_string());
        let over = view.overridden.clone()?;
        Some(Overridden { name, over })
    };
    let all: Vec<Overridden> = databases.iter().filter_map(of_view).collect();
    let (own, host): (Vec<_>, Vec<_>) = all.into_iter().partition(|o| o.name.is_some());
    host.into_iter().take(1).chain(own).collect()
}

impl Overridden {
    /// Whom it is about.
    pub fn about(&self) -> &str {
        self.name.as_deref().unwrap_or("all databases")
    }

    /// What is in force, by whom, until when, why, and the command that ends it.
    pub fn sentence(&self) -> String {
        let Override {
            until, reason, who, ..
        } = &self.over;
        let until = until.map_or("until that is ended".to_owned(), |at| {
            format!("until {}", at.format("%F %H:%M UTC"))
        });
        let reason = if reason.is_empty() {
            "no reason given"
        } else {
            reason
        };
        let (what, end) = (self.what(), self.command());
        format!("{what} by {who} {until} ({reason}); {end}")
    }

    fn what(&self) -> &'static str {
        match self.over.state {
            OverrideState::Running => "started",
            OverrideState::Stopped => "stopped",
            OverrideState::Maintenance => "in maintenance",
        }
    }

    /// What ends it.
    fn command(&self) -> String {
        match &self.name {
            Some(name) => format!("db4sci resume {name}"),
            None => "db4sci maintenance off --all".to_owned(),
        }
    }

    /// The form for programs; a name of `null` is the whole host.
    pub fn json(&self) -> Value {
        let Override {
            state,
            until,
            reason,
            who,
            since,
        } = &self.over;
        json!({
            "name": self.name,
            "state": state,
            "until": until,
            "reason": reason,
            "who": who.to_string(),
            "since": since,
            "endedBy": self.command(),
        })
    }
}
