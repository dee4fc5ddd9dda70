//! Where a database lies and where it is reached: volume and port.

use crate::model::database::Volume;
use crate::model::{EngineKind, HostPort};

use super::super::rules::VolumeRule;
use super::{Check, hint};

impl Check<'_> {
    pub(super) fn volume(&mut self, engine: EngineKind) -> Option<Volume> {
        let given = self.spec.volume.as_deref();
        if let Some(earlier) = self.before.0 {
            let label = &earlier.volume.label;
            if let Some(wanted) = given.filter(|v| v != label) {
                self.refuse(
                    "spec.volume",
                    format!(
                        "the data of `{}` lies on `{label}`, and this version of db4sci does not \
                         move it to `{}`; set the volume back, or make a new database there and \
                         move the data with a dump",
                        earlier.name,
                        wanted.escape_debug()
                    ),
                );
                return None;
            }
            let (old, volume) = (earlier.owner.clone(), earlier.volume.clone());
            self.new_owner(engine, &old, &volume);
            return Some(volume);
        }
        let owner = &self.spec.owner;
        let allowed = |v: &&VolumeRule| v.allows(engine, owner, &self.rules.admins);
        let labels: Vec<&str> = self
            .rules
            .volumes
            .iter()
            .filter(allowed)
            .map(|v| v.label.as_str())
            .collect();
        let found = match given {
            Some(label) => self.rules.volumes.iter().find(|v| v.label == label),
            None => self.rules.volumes.iter().find(allowed),
        };
        let list = if labels.is_empty() {
            "none".to_owned()
        } else {
            labels.join(", ")
        };
        let owner = owner.escape_debug();
        let message = match (found, given) {
            (Some(v), _) if allowed(&v) => {
                return Some(Volume {
                    label: v.label.clone(),
                    path: v.path.clone(),
                });
            }
            (Some(v), _) => format!(
                "`{}` is not for {engine} of `{owner}`; allowed: {list}",
                v.label
            ),
            (None, Some(given)) => format!(
                "`{}` is no data volume{}: {list}",
                given.escape_debug(),
                hint(given, labels.iter().copied())
            ),
            (None, None) => format!(
                "no data volume is for {engine} of `{owner}`; add one to dataVolumes in the settings"
            ),
        };
        self.refuse("spec.volume", message);
        None
    }

    /// Refuses another owner where that one may not have data. A volume that is in the settings no more,
    /// and an owner who stays, are nobody's to question.
    fn new_owner(&mut self, engine: EngineKind, old: &str, volume: &Volume) {
        let new = &self.spec.owner;
        let mut rules = self.rules.volumes.iter();
        let rule = rules.find(|rule| rule.label == volume.label && rule.path == volume.path);
        let admins = &self.rules.admins;
        let kept_out = rule.is_some_and(|rule| !rule.allows(engine, new, admins));
        if new != old && kept_out {
            let message = format!(
                "its data lies on `{}`, which is not for {engine} of `{}`; name an owner who may use it, or \
                 let that one use it in the settings (dataVolumes, users)",
                volume.label,
                new.escape_debug()
            );
            self.refuse("spec.owner", message);
        }
    }

    /// The first of so many host ports in a row.
    pub(super) fn port(&mut self, count: usize) -> Option<HostPort> {
        let count = u16::try_from(count.max(1)).unwrap_or(u16::MAX);
        let given = self.spec.port;
        if let Some(earlier) = self.before.0.map(|db| db.port)
            && given.is_none_or(|p| p == earlier.get())
        {
            return Some(earlier);
        }
        let field = "spec.port";
        if let Some(first) = given {
            if let Some(message) = self.port_trouble(first, count) {
                self.refuse(field, message);
                return None;
            }
            return self.take(field, HostPort::try_from(first));
        }
        let base = self.rules.base_port;
        let free = (base..=u16::MAX).find(|first| self.port_trouble(*first, count).is_none());
        match free {
            Some(first) => self.take(field, HostPort::try_from(first)),
            None => {
                self.refuse(field, format!("no port is free from {base} on"));
                None
            }
        }
    }

    /// What speaks against these ports.
    fn port_trouble(&self, first: u16, count: u16) -> Option<String> {
        let Some(last) = first.checked_add(count - 1).filter(|_| first > 0) else {
            return Some(format!(
                "{first} leaves no room for {count} ports in a row; ports are 1 to 65535"
            ));
        };
        let me = self.request.parsed.raw.metadata.name.as_str();
        (first..=last).find_map(|port| {
            let other = self
                .rules
                .taken
                .get(&port)
                .filter(|owner| owner.as_str() != me)
                .map(|owner| format!("`{owner}`"))
                .or_else(|| self.rules.reserved.get(&port).cloned())?;
            Some(format!(
                "{port} belongs to {other} and cannot be `{me}`'s, too; choose another, or leave \
                 `port` out"
            ))
        })
    }
}
